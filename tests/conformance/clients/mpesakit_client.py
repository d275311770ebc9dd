"""mpesakit 2.2.0: every call of ours that it has, in its own virtual environment.

Its own SecurityCredential is not used: it encrypts the time together with the password, which
Safaricom's documentation does not ask for.
"""

import json
import sys

from mpesakit import MpesaClient
from mpesakit.b2c import B2CCommandIDType

house = json.loads(sys.argv[1])
client = MpesaClient(house["key"], house["secret"], environment="sandbox")
client.http_client.base_url = house["base_url"]
short_code = int(house["short_code"])
signed = {
    "initiator": house["initiator"],
    "security_credential": house["credential"],
    "remarks": "Conformance",
    "result_url": house["results"],
    "queue_timeout_url": house["timeouts"],
}
told = {}
told["push"] = client.express.push(
    business_short_code=short_code,
    transaction_type="CustomerPayBillOnline",
    amount=201,
    party_a=house["phone"],
    party_b=house["short_code"],
    phone_number=house["phone"],
    callback_url=house["callbacks"],
    account_reference="KIT",
    transaction_desc="Deposit",
    passkey=house["pass_key"],
)
told["query"] = client.express.query(
    business_short_code=short_code,
    checkout_request_id=told["push"].CheckoutRequestID,
    passkey=house["pass_key"],
)
told["register"] = client.c2b.register_url(
    short_code=short_code,
    response_type="Completed",
    confirmation_url=house["confirmations"],
    validation_url=house["validations"],
)
told["payout"] = client.b2c.send_payment(
    originator_conversation_id="mpesakit-1",
    initiator_name=house["initiator"],
    security_credential=house["credential"],
    command_id=B2CCommandIDType.BusinessPayment,
    amount=202,
    party_a=house["short_code"],
    party_b=house["phone"],
    remarks="Conformance",
    queue_timeout_url=house["timeouts"],
    result_url=house["results"],
    occasion="Kit",
)
told["status"] = client.transactions.query_status(
    transaction_id=house["receipt"], party_a=short_code, identifier_type=4, **signed
)
told["balance"] = client.balance.query(
    command_id="AccountBalance", party_a=short_code, identifier_type=4, **signed
)
told["reversal"] = client.reversal.reverse(
    transaction_id=house["receipt"],
    amount=house["received"],
    receiver_party=short_code,
    **signed,
)
print(json.dumps({call: answer.model_dump() for call, answer in told.items()}))
