"""Every answer of the simulator that is no success: Daraja's error envelopes, and accidents."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from flask import Response

_PAGE = (
    "<html><head><title>Request Rejected</title></head><body>The URL was rejected.</body></html>"
)
_FAULT = {
    "Envelope": {
        "encodingStyle": "http://schemas.xmlsoap.org/soap/encoding/",
        "Body": {"Fault": {"faultcode": "env:Server", "faultstring": "Execution failed."}},
    }
}


@dataclass(frozen=True)
class Refusal:
    """An HTTP status with Daraja's error envelope or, without a code, with another body."""

    status: int
    code: str
    message: str


REFUSALS: Mapping[str, Refusal] = MappingProxyType(
    {
        "invalid_token": Refusal(404, "404.001.03", "Invalid Access Token"),
        # The same words; whoever answers with them kills the token first.
        "token_killed": Refusal(404, "404.001.03", "Invalid Access Token"),
        "invalid_header": Refusal(404, "404.001.04", "Invalid Authentication Header"),
        "wrong_key": Refusal(400, "400.008.01", "Invalid Authentication passed"),
        "wrong_grant": Refusal(400, "400.008.02", "Invalid grant type passed"),
        "wrong_method": Refusal(405, "405.001", "Method Not Allowed"),
        "wrong_path": Refusal(404, "404.001.01", "Resource not found"),
        "unreadable": Refusal(400, "400.002.05", "Invalid Request Payload"),
        "unknown_merchant": Refusal(500, "500.001.1001", "Merchant does not exist"),
        "wrong_password": Refusal(500, "500.001.1001", "[MerchantValidate] - Wrong credentials"),
        "subscriber_locked": Refusal(
            500,
            "500.001.1001",
            "Unable to lock subscriber, a transaction is already in process "
            "for the current subscriber",
        ),
        "processing": Refusal(500, "500.001.1001", "The transaction is being processed"),
        "no_such_push": Refusal(500, "500.001.1001", "The transaction does not Exist"),
        "empty": Refusal(500, "500.001.1001", ""),
        "foreign_short_code": Refusal(
            400, "400.003.02", "Bad Request - Kindly use your own ShortCode"
        ),
        "duplicate_id": Refusal(500, "500.002.1001", "Duplicate OriginatorConversationID."),
        "urls_registered": Refusal(500, "500.003.1001", "Urls are already registered"),
        "busy": Refusal(500, "500.003.02", "System is busy. Please try again in few minutes."),
        "spike_arrest": Refusal(500, "500.003.02", "Spike Arrest Violation"),
        "internal_error": Refusal(500, "500.003.1001", "Internal Server Error"),
        "html_503": Refusal(503, "", _PAGE),
        "html_200": Refusal(200, "", _PAGE),
        "soap_fault": Refusal(500, "", json.dumps(_FAULT)),
    }
)


def invalid_field(name: str) -> Refusal:
    """A field of the request that Daraja does not accept."""
    return Refusal(400, "400.002.02", f"Bad Request - Invalid {name}")


def respond(refusal: Refusal) -> Response:
    """The refusal as Daraja, or whatever stands before it, writes it."""
    if not refusal.code:
        kind = "text/html" if refusal.message.startswith("<") else "application/json"
        return Response(refusal.message, refusal.status, content_type=kind)
    envelope = {
        "requestId": request_id(),
        "errorCode": refusal.code,
        "errorMessage": refusal.message,
    }
    return Response(json.dumps(envelope), refusal.status, content_type="application/json")


def request_id() -> str:
    """An id in the form Daraja gives to requests today."""
    first, second, third = secrets.token_hex(2), secrets.token_hex(2), secrets.token_hex(8)
    return f"{first}-{second}-{third}"
