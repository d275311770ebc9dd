"""mpesakit's own model of a push's callback."""

import json
import sys

from mpesakit import MpesaClient

told = MpesaClient("", "").process_stk_callback(json.loads(sys.argv[1]))
items = {item.Name: item.Value for item in told.Body.stkCallback.CallbackMetadata.Item}
print(
    json.dumps(
        {
            "receipt": items["MpesaReceiptNumber"],
            "amount": items["Amount"],
            "phone": items["PhoneNumber"],
        }
    )
)
