"""mpesa-py 1.0 (imports as `mpesa`): what works in it, in its own virtual environment.

Its push and its status cannot run on Python 3, and its reversal spells a field rightly that
Safaricom spells wrongly: that one is asked, to see it refused.
"""

import json
import sys

from mpesa.api.b2c import B2C
from mpesa.api.balance import Balance
from mpesa.api.c2b import C2B
from mpesa.api.reversal import Reversal

house = json.loads(sys.argv[1])
app = {"app_key": house["key"], "app_secret": house["secret"], "sandbox_url": house["base_url"]}
signed = {
    "security_credential": house["credential"],
    "remarks": "Conformance",
    "queue_timeout_url": house["timeouts"],
    "result_url": house["results"],
}
told = {}
# Each object asks for a token of its own, and a new token ends the one before it.
told["register"] = C2B(**app).register(
    shortcode=house["short_code"],
    response_type="Completed",
    confirmation_url=house["confirmations"],
    validation_url=house["validations"],
)
told["simulate"] = C2B(**app).simulate(
    shortcode=house["short_code"],
    command_id="CustomerPayBillOnline",
    amount=401,
    msisdn=house["phone"],
    bill_ref_number="PY",
)
told["payout"] = B2C(**app).transact(
    initiator_name=house["initiator"],
    command_id="BusinessPayment",
    amount=402,
    party_a=house["short_code"],
    party_b=house["phone"],
    occassion="Py",
    **signed,
)
told["balance"] = Balance(**app).get_balance(
    initiator=house["initiator"],
    command_id="AccountBalance",
    party_a=house["short_code"],
    identifier_type=4,
    **signed,
)
told["refused_reversal"] = Reversal(**app).reverse(
    initiator=house["initiator"],
    transaction_id=house["receipt"],
    amount=house["received"],
    receiver_party=house["short_code"],
    receiver_identifier_type=11,
    occassion="Py",
    **signed,
)
print(json.dumps(told))
