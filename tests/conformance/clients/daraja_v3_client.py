"""daraja-v3 0.2.1 (imports as `mpesa`): every call that it has, in its own virtual environment."""

import json
import sys

from mpesa import MpesaClient

house = json.loads(sys.argv[1])
client = MpesaClient(
    consumer_key=house["key"],
    consumer_secret=house["secret"],
    shortcode=house["short_code"],
    passkey=house["pass_key"],
    base_url=house["base_url"],
)
signed = {
    "callback_url": house["results"],
    "queue_timeout_url": house["timeouts"],
    "initiator_name": house["initiator"],
    "security_credential": house["credential"],
}
told = {}
told["push"] = client.stk_push(
    house["phone"], 301, "DARAJA3", "Deposit", callback_url=house["callbacks"]
).raw
told["query"] = client.stk_query(told["push"]["CheckoutRequestID"]).raw
told["register"] = client.c2b_register_urls(house["validations"], house["confirmations"])
told["payout"] = client.b2c(
    house["phone"], 302, remarks="Conformance", occasion="Daraja3", **signed
).raw
told["balance"] = client.account_balance(**signed)
print(json.dumps(told))
