"""Where each of Daraja's products is called. The client and the simulator share this list."""

from __future__ import annotations

PUSH_PATH = "/mpesa/stkpush/v1/processrequest"
QUERY_PATH = "/mpesa/stkpushquery/v1/query"
REGISTER_URLS_PATH = "/mpesa/c2b/{version}/registerurl"
SIMULATE_PAYBILL_PATH = "/mpesa/c2b/{version}/simulate"
PAYOUT_PATH = "/mpesa/b2c/v3/paymentrequest"
OLD_PAYOUT_PATH = "/mpesa/b2c/v1/paymentrequest"
STATUS_PATH = "/mpesa/transactionstatus/v1/query"
BALANCE_PATH = "/mpesa/accountbalance/v1/query"
REVERSAL_PATH = "/mpesa/reversal/v1/request"
REGISTER_PULL_PATH = "/pulltransactions/v1/register"
PULL_PATH = "/pulltransactions/v1/query"
