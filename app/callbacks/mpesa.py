"""`/hooks/...`: Safaricom tells what became of a push, and of payments to our paybill.

A token is made for one push, or for one short code, and cannot be guessed. The body is stored
before anything reads it; if it cannot be stored, Safaricom hears an honest 500-class answer.
"""

from __future__ import annotations

from uuid import UUID

import structlog
from flask import Response, g, request
from marshmallow import fields
from structlog.contextvars import bind_contextvars

from app.auth import services
from app.blueprint import Blueprint
from app.callbacks.validation import validation_answer
from app.fields import StrictSchema
from app.problems import Problem
from domain.mpesa.validation import Refusal
from infra.callbacks import BODY_BYTES_MAX

blueprint = Blueprint(
    "callbacks", __name__, url_prefix="/hooks", description="What Safaricom tells us; only it asks."
)
ACCEPTED = b'{"ResultCode":0,"ResultDesc":"Accepted"}'
SUCCESS = b'{"ResultCode":0,"ResultDesc":"Success"}'
STORING_FAILED = "daystar.storing_failed"
"""Where `fast_lane` leaves why it could not store a callback: it has tried long enough."""
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


class SuccessAnswer(StrictSchema):
    """What Safaricom wants to hear of a confirmation, which cannot be refused."""

    ResultCode = fields.Integer(required=True, metadata={"const": 0})
    ResultDesc = fields.String(required=True, metadata={"const": "Success"})


class ValidationAnswer(StrictSchema):
    """Whether a payer may pay: `0`, or the code that says why not."""

    ResultCode = fields.String(required=True, metadata={"enum": ["0", *Refusal]})
    ResultDesc = fields.String(required=True, metadata={"enum": ["Accepted", "Rejected"]})


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


@blueprint.route("/c2b/<token>/confirmation", methods=["POST"])
@blueprint.doc(requestBody=ANYTHING)
@blueprint.response(200, SuccessAnswer)
def paybill_confirmation(token: str) -> Response:
    """Store what Safaricom says of a payment to the paybill or till, and say that it is well.

    The address is told to Safaricom once for each short code (`daystar mpesa register`).
    """
    # What it is about is known once it is read; until then its thread is this request.
    store("c2b", subject("c2b", token), limited_body(), correlation_id=g.request_id)
    return Response(SUCCESS, content_type="application/json")


@blueprint.route("/c2b/<token>/validation", methods=["POST"])
@blueprint.doc(requestBody=ANYTHING)
@blueprint.response(200, ValidationAnswer)
def paybill_validation(token: str) -> Response:
    """Say whether a payment may be made, before the payer confirms it. Nothing is recorded.

    Where we cannot say in time, it may: money is never turned away by a fault of ours.
    """
    return Response(
        validation_answer(subject("c2b", token), limited_body()),
        content_type="application/json",
    )


def subject(kind: str, token: str) -> UUID:
    """Whose callback this is. A token that we did not make costs no database work."""
    subject_id = services().keyring.callback_subject(kind, token)
    if subject_id is None:
        _log.warning("callback_token_wrong", kind=kind, source=request.remote_addr)
        raise Problem(404, "rest_no_route", "There is nothing at this address.")
    return subject_id


def store(kind: str, subject_id: UUID, body: bytes, *, correlation_id: str | None = None) -> None:
    """Keep it durably before anything reads it."""
    correlation_id = correlation_id or str(subject_id)
    bind_contextvars(correlation_id=correlation_id)
    if STORING_FAILED in request.environ:
        raise request.environ[STORING_FAILED]
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
