"""`/daystar/v1/mpesa`: asking members to pay, and looking at what became of it."""

from __future__ import annotations

import secrets
import string
from typing import Any
from uuid import UUID, uuid4

from flask import Response
from marshmallow import fields, validate
from structlog.contextvars import bind_contextvars

from app.accounting.freshness import revalidates
from app.accounting.resources import PaginationAnswer
from app.auth import requires, services
from app.awaited import awaited
from app.blueprint import Blueprint
from app.fields import Amount, Shillings, StrictSchema, Text
from app.idempotent import cause, run_once
from app.operations.mpesa_lists import SHORT_CODE, DatedArguments, list_answer
from app.problems import Problem
from domain.api_keys.api_key import Permission
from domain.money import text_from_cents
from domain.mpesa.commands import RequestPush, RetryPush
from domain.mpesa.handlers import push_of
from domain.mpesa.stk_push import Push, PushPurpose, PushState
from infra import clock
from infra.event_store.unit_of_work import UnitOfWork
from infra.mpesa.short_codes import NoCredentials
from projections.mpesa_transactions import TRANSACTION_LIST, transaction_json

ACCOUNT_REFERENCE_LENGTH = 12  # the longest M-Pesa carries
_ALPHABET = string.ascii_uppercase + string.digits

blueprint = Blueprint(
    "mpesa", __name__, url_prefix="/daystar/v1/mpesa", description="Members' payments by M-Pesa."
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
    short_code = Text(validate=SHORT_CODE, allow_none=True, load_default=None)


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
    retry_of = fields.UUID(required=True, allow_none=True)
    requested_at = fields.AwareDateTime(required=True)
    completed_at = fields.AwareDateTime(required=True, allow_none=True)
    updated_at = fields.AwareDateTime(required=True)


class TransactionsAnswer(StrictSchema):
    """A page of transactions."""

    transactions = fields.List(fields.Nested(TransactionAnswer), required=True)
    pagination = fields.Nested(PaginationAnswer, required=True)


class TransactionArguments(DatedArguments):
    """Filters of the transactions. Dates are the days on which they were asked for."""

    status = fields.String(validate=validate.OneOf(list(map(str, PushState))))
    payment_purpose = fields.String(validate=validate.OneOf(list(map(str, PushPurpose))))
    loan_id = fields.UUID()
    account_reference = Text(validate=validate.Regexp(r"^[A-Za-z0-9]{1,12}$"))


class RetryBody(StrictSchema):
    """The same member, phone, amount and purpose: nothing is to be said."""


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
        account_reference=_new_reference(),
        short_code=credentials.short_code,
        now=clock.now(),
        rules=services().settings.contribution_rules,
        loan_id=body["loan_id"],
    )
    return _asked(command)


@blueprint.route("/transactions/<uuid:transaction_id>/retry", methods=["POST"])
@requires(Permission.OPERATE)
@blueprint.arguments(RetryBody())
@blueprint.response(202, PushAnswer)
def retry_push(_: dict[str, Any], transaction_id: UUID) -> Response:
    """Ask again what failed, was cancelled, refused or never answered: as a transaction of its own.

    At most three times in all, and not within two minutes: M-Pesa refuses the same amount sooner.
    """
    command = RetryPush(
        push_id=uuid4(),
        retry_of=transaction_id,
        account_reference=_new_reference(),
        now=clock.now(),
        rules=services().settings.contribution_rules,
    )
    return _asked(command)


@blueprint.route("/transactions")
@requires(Permission.OPERATE)
@revalidates
@blueprint.arguments(TransactionArguments(), location="query")
@blueprint.response(200, TransactionsAnswer)
def list_transactions(arguments: dict[str, Any]) -> Response:
    """What members were asked to pay, newest first, and what became of it."""
    return list_answer(TRANSACTION_LIST, arguments)


@blueprint.route("/transactions/<uuid:transaction_id>")
@requires(Permission.OPERATE)
@blueprint.response(200, TransactionAnswer)
def show_transaction(transaction_id: UUID) -> Response:
    """One transaction: its state, its receipt, where its money went."""
    pool = services().pool
    json_text = transaction_json(pool, transaction_id)
    if json_text is None:
        push_of(transaction_id, UnitOfWork(services().store, cause()))
        json_text = awaited(lambda: transaction_json(pool, transaction_id))
    return Response(json_text, content_type="application/json")


def _new_reference() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(ACCOUNT_REFERENCE_LENGTH))


def _asked(command: RequestPush | RetryPush) -> Response:
    """The push's own id is the thread through all that follows, from here to the member's SMS."""
    response = run_once(
        command, answer=_answer, status=202, because=cause(correlation_id=str(command.push_id))
    )
    push_id: str = response.json["id"]  # type: ignore[index]
    bind_contextvars(correlation_id=push_id)  # told again, it is the first one's
    response.headers["Location"] = f"/daystar/v1/mpesa/transactions/{push_id}"
    return response


def _answer(push: Push) -> dict[str, Any]:
    return {
        "id": str(push.id),
        "member_id": push.member_id,
        "amount": text_from_cents(push.push_cents),
        "payment_purpose": push.purpose,
        "account_reference": push.account_reference,
        "status": push.state,
    }
