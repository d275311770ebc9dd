"""The simulated pull API: payments of the last 48 hours, a page at a time, oldest first."""

from __future__ import annotations

from datetime import datetime, timedelta

from infra.mpesa.simulator.ledger import FROM_CUSTOMERS, Ledger, LedgerRow
from infra.mpesa.simulator.paybill_requests import PullRequest

_REACH = timedelta(hours=48)


def pulled(ledger: Ledger, request: PullRequest, *, rows_max: int) -> list[dict[str, object]]:
    """One page of what customers paid within the span."""
    start = max(request.start, ledger.now() - _REACH)
    found = [
        row
        for row in ledger.rows()
        if row.kind in FROM_CUSTOMERS
        and start <= datetime.fromisoformat(row.paid_at) <= request.end
    ]
    return [_transaction(row) for row in found[request.offset : request.offset + rows_max]]


def _transaction(row: LedgerRow) -> dict[str, object]:
    return {
        "transactionId": row.receipt,
        "trxDate": f"{row.paid_at[:19]}Z",  # Kenya's clock under a Z, as we read the real one
        "msisdn": int(row.phone),
        "sender": "MPESA",
        "transactiontype": "c2b-pay-bill-debit",
        "billreference": row.account_reference,
        "amount": f"{row.amount}.00",
        "organizationname": "SIMULATED MERCHANT",
    }
