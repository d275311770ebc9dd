"""noriapay 0.1.1: every call that it has, in its own virtual environment."""

import json
import sys

from noriapay import MpesaClient

house = json.loads(sys.argv[1])
signed = {
    "Initiator": house["initiator"],
    "SecurityCredential": house["credential"],
    "Remarks": "Conformance",
    "ResultURL": house["results"],
    "QueueTimeOutURL": house["timeouts"],
}
told = {}
with MpesaClient(
    consumer_key=house["key"], consumer_secret=house["secret"], base_url=house["base_url"]
) as client:
    told["push"] = client.stk_push(
        {
            "BusinessShortCode": house["short_code"],
            "Password": house["password"],
            "Timestamp": house["timestamp"],
            "TransactionType": "CustomerPayBillOnline",
            "Amount": 101,
            "PartyA": house["phone"],
            "PartyB": house["short_code"],
            "PhoneNumber": house["phone"],
            "CallBackURL": house["callbacks"],
            "AccountReference": "NORIA",
            "TransactionDesc": "Deposit",
        }
    )
    told["query"] = client.stk_push_query(
        {
            "BusinessShortCode": house["short_code"],
            "Password": house["password"],
            "Timestamp": house["timestamp"],
            "CheckoutRequestID": told["push"]["CheckoutRequestID"],
        }
    )
    told["register"] = client.register_c2b_urls(
        {
            "ShortCode": house["short_code"],
            "ResponseType": "Completed",
            "ConfirmationURL": house["confirmations"],
            "ValidationURL": house["validations"],
        }
    )
    told["payout"] = client.b2c_payment(
        {name: value for name, value in signed.items() if name != "Initiator"}
        | {
            "InitiatorName": house["initiator"],
            "CommandID": "BusinessPayment",
            "Amount": 102,
            "PartyA": house["short_code"],
            "PartyB": house["phone"],
            "Occasion": "Noria",
        }
    )
    told["status"] = client.transaction_status(
        signed
        | {
            "CommandID": "TransactionStatusQuery",
            "TransactionID": house["receipt"],
            "PartyA": house["short_code"],
            "IdentifierType": "4",
        }
    )
    told["balance"] = client.account_balance(
        signed
        | {"CommandID": "AccountBalance", "PartyA": house["short_code"], "IdentifierType": "4"}
    )
    told["reversal"] = client.reversal(
        signed
        | {
            "CommandID": "TransactionReversal",
            "TransactionID": house["receipt"],
            "Amount": house["received"],
            "ReceiverParty": house["short_code"],
            "RecieverIdentifierType": "11",
        }
    )
print(json.dumps(told))
