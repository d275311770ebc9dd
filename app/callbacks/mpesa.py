"""`/hooks/stk/{token}`: Safaricom tells what became of a push.

The token is made for one push and cannot be guessed. The body is stored before anything reads it;
if it cannot be stored, Safaricom hears an honest 500-class answer.
"""

from __future__ import annotations

from uuid import UUID

import structlog
from flask import Response, request
from marshmallow import fields
from structlog.contextvars import bind_contextvars

from app.auth import services
from app.blueprint import Blueprint
from app.fields import StrictSchema
from app.problems import Problem
from infra.callbacks import BODY_BYTES_MAX

blueprint = Blueprint(
    "callbacks", __name__, url_prefix="/hooks", description="What Safaricom tells us; only it asks."
)
ACCEPTED = b'{"ResultCode":0,"ResultDesc":"Accepted"}'
ANYTHING = {
    "description": "As Safaricom writes it.",
    "required": True,
    "content": {"application/json": {"schema": {}}},
}
_log = structlog.get_logger()


class AcceptedAnswer(StrictSchema):
    """What Safaricom wants to hear."""

    ResultCode = fields.Integer(required=True, metadata={"const": 0})
    ResultDesc = fields.String(required=True, metadata={"const": "Accepted"})


@blueprint.route("/stk/<token>", methods=["POST"])
@blueprint.doc(requestBody=ANYTHING)
@blueprint.response(200, AcceptedAnswer)
def stk_callback(token: str) -> Response:
    """Store what Safaricom says of a push, and say thank you.

    The address is told to Safaricom with each push and nobody else knows it. Whatever is said is
    stored before it is read.
    """
    store("stk", subject("stk", token), limited_body())
    return Response(ACCEPTED, content_type="application/json")


def subject(kind: str, token: str) -> UUID:
    """Whose callback this is. A token that we did not make costs no database work."""
    subject_id = services().keyring.callback_subject(kind, token)
    if subject_id is None:
        _log.warning("callback_token_wrong", kind=kind, source=request.remote_addr)
        raise Problem(404, "rest_no_route", "There is nothing at this address.")
    return subject_id


def store(kind: str, subject_id: UUID, body: bytes) -> None:
    """Keep it durably before anything reads it."""
    correlation_id = str(subject_id)
    bind_contextvars(correlation_id=correlation_id)
    services().callbacks.store(
        kind=kind,
        subject_id=subject_id,
        body=body,
        source_address=request.remote_addr or "",
        correlation_id=correlation_id,
    )


def limited_body() -> bytes:
    """What was sent, if it is no larger than anything Safaricom says."""
    if (request.content_length or 0) > BODY_BYTES_MAX:
        raise Problem(413, "body_too_large", "The body is too large.")
    body = request.get_data(cache=False)
    if len(body) > BODY_BYTES_MAX:
        raise Problem(413, "body_too_large", "The body is too large.")
    return body
