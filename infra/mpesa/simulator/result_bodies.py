"""The envelope in which results are told, in the shapes on record.

Which of them comes is drawn anew each time: a code as number or text, parameters in any order, the
reference as an object or a list.
"""

from __future__ import annotations

import random
import secrets
import string

from infra.mpesa.simulator.delivery import as_json
from infra.mpesa.simulator.taken_requests import Decision, TakenRequest

_SENTENCES = {
    "0": "The service request is processed successfully.",
    "1": "The balance is insufficient for the transaction.",
    "2001": "The initiator information is invalid.",
    "8006": "The security credential is locked.",
    "R000001": "The transaction has already been reversed.",
    "R000002": "The OriginalTransactionID is invalid.",
}


def result_body(taken: TakenRequest, decision: Decision) -> bytes:
    """The result of a request."""
    code = decision.code
    result: dict[str, object] = {
        "ResultType": 0,
        "ResultCode": int(code) if code.isdigit() and secrets.randbelow(2) else code,
        "ResultDesc": _SENTENCES.get(code, "The service request failed."),
        **_names(taken),
        "TransactionID": _transaction_id(decision),
    }
    if decision.parameters:
        listed = [_item(key, value) for key, value in decision.parameters]
        random.shuffle(listed)
        result["ResultParameters"] = {"ResultParameter": listed if listed[1:] else listed[0]}
    reference = _item("Occasion", taken.request.occasion or None)
    items = [reference, _item("QueueTimeoutURL", "https://internal.example/results")]
    result["ReferenceData"] = {"ReferenceItem": items if secrets.randbelow(2) else reference}
    return as_json({"Result": result})


def enveloped_timeout_body(taken: TakenRequest) -> bytes:
    """A queue time-out as some clients expect it: only the address tells it from a failure."""
    result = {
        "ResultType": 0,
        "ResultCode": "1",
        "ResultDesc": "The service request timed out.",
        **_names(taken),
    }
    return as_json({"Result": result})


def _names(taken: TakenRequest) -> dict[str, str]:
    return {
        "OriginatorConversationID": taken.originator_conversation_id,
        "ConversationID": taken.conversation_id,
    }


def _transaction_id(decision: Decision) -> str:
    if decision.movement is not None:
        return decision.movement.receipt
    # A placeholder, where nothing moved.
    return "".join(secrets.choice(string.ascii_uppercase) for _ in range(3)) + "0000000"


def _item(key: str, value: object) -> dict[str, object]:
    return {"Key": key} if value is None else {"Key": key, "Value": value}
