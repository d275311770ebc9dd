"""`/daystar/v1/mpesa`: asking members to pay, and looking at what became of it."""

from __future__ import annotations

import secrets
import string
import time
from typing import Any
from uuid import UUID, uuid4

from flask import Response
from marshmallow import fields, validate
from structlog.contextvars import bind_contextvars

from app.auth import requires, services
from app.blueprint import Blueprint
from app.fields import Amount, Shillings, StrictSchema, Text
from app.idempotent import cause, run_once
from app.problems import Problem
from domain.api_keys.api_key import Permission
from domain.money import text_from_cents
from domain.mpesa.commands import RequestPush
from domain.mpesa.errors import PushNotFound
from domain.mpesa.stk_push import Push, PushPurpose, PushState
from infra import clock
from infra.event_store.unit_of_work import UnitOfWork
from infra.mpesa.short_codes import NoCredentials
from projections.mpesa_transactions import transaction_json

ACCOUNT_REFERENCE_LENGTH = 12  # the longest M-Pesa carries
FRESH_SECONDS_MAX = 2.0
_ALPHABET = string.ascii_uppercase + string.digits

blueprint = Blueprint(
    "mpesa", __name__, url_prefix="/daystar/v1/mpesa", description="Asking members to pay."
)


class PushBody(StrictSchema):
    """Whom to ask, for what, for how much. Without a phone, the member's own is asked.

    A loan repayment, and nothing else, names its loan. Without a short code, the first one asks.
    """

    member_id = fields.UUID(required=True)
    amount = Amount(required=True)
    payment_purpose = fields.Enum(PushPurpose, by_value=True, required=True)
    loan_id = fields.UUID(allow_none=True, load_default=None)
    phone = Text(validate=validate.Length(9, 24), allow_none=True, load_default=None)
    short_code = Text(validate=validate.Regexp(r"^[0-9]{5,7}$"), allow_none=True, load_default=None)


class PushAnswer(StrictSchema):
    """The push, accepted by us; Safaricom has not been asked yet."""

    id = fields.UUID(required=True)
    member_id = fields.UUID(required=True)
    amount = Shillings(required=True)
    payment_purpose = fields.Enum(PushPurpose, by_value=True, required=True)
    account_reference = fields.String(required=True)
    status = fields.String(required=True, metadata={"enum": list(PushState)})


class TransactionAnswer(StrictSchema):
    """A push, and what became of its money."""

    id = fields.UUID(required=True)
    transaction_type = fields.String(required=True)
    member_id = fields.UUID(required=True)
    phone = fields.String(required=True, allow_none=True)
    amount = Shillings(required=True)
    payment_purpose = fields.Enum(PushPurpose, by_value=True, required=True)
    loan_id = fields.UUID(required=True, allow_none=True)
    account_reference = fields.String(required=True)
    short_code = fields.String(required=True)
    status = fields.String(required=True, metadata={"enum": list(PushState)})
    merchant_request_id = fields.String(required=True, allow_none=True)
    checkout_request_id = fields.String(required=True, allow_none=True)
    receipt_number = fields.String(required=True, allow_none=True)
    amount_received = Shillings(required=True, allow_none=True)
    in_suspense = fields.Boolean(required=True)
    suspense_reason = fields.String(required=True, allow_none=True)
    result_code = fields.String(required=True, allow_none=True)
    result_description = fields.String(required=True, allow_none=True)
    requested_at = fields.AwareDateTime(required=True)
    completed_at = fields.AwareDateTime(required=True, allow_none=True)


@blueprint.route("/stk-push", methods=["POST"])
@requires(Permission.OPERATE)
@blueprint.arguments(PushBody())
@blueprint.response(202, PushAnswer)
def request_push(body: dict[str, Any]) -> Response:
    """Ask a member's phone to pay.

    Accepted at once; what becomes of it is told at `Location`.
    """
    try:
        short_codes = services().short_codes
        credentials = (
            short_codes.of(body["short_code"]) if body["short_code"] else short_codes.collecting()
        )
    except NoCredentials as error:
        raise Problem(409, "mpesa_not_configured", str(error)) from error
    command = RequestPush(
        push_id=uuid4(),
        member_id=body["member_id"],
        phone=body["phone"],
        purpose=body["payment_purpose"],
        amount_cents=body["amount"],
        account_reference="".join(
            secrets.choice(_ALPHABET) for _ in range(ACCOUNT_REFERENCE_LENGTH)
        ),
        short_code=credentials.short_code,
        now=clock.now(),
        rules=services().settings.contribution_rules,
        loan_id=body["loan_id"],
    )
    # The push's own id is the thread through all that follows, from here to the member's SMS.
    response = run_once(
        command, answer=_answer, status=202, because=cause(correlation_id=str(command.push_id))
    )
    push_id: str = response.json["id"]  # type: ignore[index]
    bind_contextvars(correlation_id=push_id)  # told again, it is the first one's
    response.headers["Location"] = f"/daystar/v1/mpesa/transactions/{push_id}"
    return response


@blueprint.route("/transactions/<uuid:transaction_id>")
@requires(Permission.OPERATE)
@blueprint.response(200, TransactionAnswer)
def show_transaction(transaction_id: UUID) -> Response:
    """One transaction: its state, its receipt, where its money went."""
    json_text = transaction_json(services().pool, transaction_id)
    if json_text is None:
        json_text = _awaited(transaction_id)
    return Response(json_text, content_type="application/json")


def _awaited(transaction_id: UUID) -> str:
    """A push asked for a moment ago: the read model is about to have it."""
    if UnitOfWork(services().store, cause()).find(Push, transaction_id) is None:
        raise PushNotFound
    deadline = time.monotonic() + FRESH_SECONDS_MAX
    while time.monotonic() < deadline:
        json_text = transaction_json(services().pool, transaction_id)
        if json_text is not None:
            return json_text
        time.sleep(0.02)
    raise Problem(
        503,
        "read_model_behind",
        "This transaction exists, but its read model lags behind. Please try again.",
        headers={"Retry-After": "2"},
    )


def _answer(push: Push) -> dict[str, Any]:
    return {
        "id": str(push.id),
        "member_id": push.member_id,
        "amount": text_from_cents(push.push_cents),
        "payment_purpose": push.purpose,
        "account_reference": push.account_reference,
        "status": push.state,
    }
