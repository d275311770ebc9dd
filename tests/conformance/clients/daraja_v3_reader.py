"""daraja-v3's own reading of a push's callback."""

import json
import sys

from mpesa import MpesaClient

told = MpesaClient.parse_stk_callback(json.loads(sys.argv[1]))
print(
    json.dumps({"receipt": told["mpesa_receipt"], "amount": told["amount"], "phone": told["phone"]})
)
