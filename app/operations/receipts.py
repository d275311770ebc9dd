"""`/daystar/v1/mpesa/receipts`: money that reached us, and where each shilling of it is."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
from flask import Response
from marshmallow import fields, validate

from app.accounting.freshness import revalidates
from app.accounting.resources import PaginationAnswer
from app.auth import requires, services
from app.awaited import awaited
from app.fields import Shillings, StrictSchema
from app.idempotent import cause
from app.operations.mpesa import blueprint
from app.operations.mpesa_lists import AmountArguments, DatedArguments, list_answer
from app.personal_data import in_shillings
from domain.api_keys.api_key import Permission
from domain.event_catalogue import EVENTS
from domain.mpesa.desk import receipt_of
from domain.mpesa.receipt import Channel, Resolution, SuspenseReason
from domain.mpesa.stk_push import PushPurpose
from infra.event_store.unit_of_work import UnitOfWork
from projections.history import Told, history
from projections.mpesa_receipts import RECEIPT_LIST, receipt_json

STATUSES = ("placed", "suspended", "going_back", "given_back")
REASONS = [*map(str, SuspenseReason), "refund_failed", "reversal_failed"]
CHANNELS = list(map(str, Channel))


class ReceiptArguments(DatedArguments, AmountArguments):
    """Filters of the receipts. Dates are the days on which they were paid."""

    status = fields.String(validate=validate.OneOf(STATUSES))
    channel = fields.String(validate=validate.OneOf(CHANNELS))


class PayerAnswer(StrictSchema):
    """Who paid, as far as M-Pesa told. `payer_hint` is a number that was told hashed or masked.

    All of it is null once the member whose money it is was erased.
    """

    id = fields.UUID(required=True)
    receipt_number = fields.String(required=True)
    short_code = fields.String(required=True, allow_none=True)
    channel = fields.String(required=True, metadata={"enum": CHANNELS})
    account_number = fields.String(required=True, allow_none=True)
    payer_phone = fields.String(required=True, allow_none=True)
    payer_name = fields.String(required=True, allow_none=True)
    payer_hint = fields.String(required=True, allow_none=True)
    member_id = fields.UUID(required=True, allow_none=True)
    transaction_id = fields.UUID(required=True, allow_none=True)
    amount = Shillings(required=True)


class ReceiptAnswer(PayerAnswer):
    """A receipt. Its amounts in the six places always sum to `amount`."""

    status = fields.String(required=True, metadata={"enum": list(STATUSES)})
    placed_amount = Shillings(required=True)
    suspended_amount = Shillings(required=True)
    refunding_amount = Shillings(required=True)
    refunded_amount = Shillings(required=True)
    reversing_amount = Shillings(required=True)
    reversed_amount = Shillings(required=True)
    suspense_reason = fields.String(
        required=True, allow_none=True, metadata={"enum": [*REASONS, None]}
    )
    paid_at = fields.AwareDateTime(required=True)
    updated_at = fields.AwareDateTime(required=True)


class ReceiptsAnswer(StrictSchema):
    """A page of receipts."""

    receipts = fields.List(fields.Nested(ReceiptAnswer), required=True)
    pagination = fields.Nested(PaginationAnswer, required=True)


class ProposalAnswer(StrictSchema):
    """What somebody says is to become of money in suspense."""

    id = fields.UUID(required=True)
    resolution = fields.Enum(Resolution, by_value=True, required=True)
    amount = Shillings(required=True)
    member_id = fields.UUID(required=True, allow_none=True)
    loan_id = fields.UUID(required=True, allow_none=True)
    transaction_id = fields.UUID(required=True, allow_none=True)
    payment_purpose = fields.String(
        required=True, allow_none=True, metadata={"enum": [*map(str, PushPurpose), None]}
    )
    phone = fields.String(required=True, allow_none=True)
    note = fields.String(required=True, allow_none=True)
    proposed_by = fields.UUID(required=True)
    proposed_at = fields.AwareDateTime(required=True)


class ReceiptStepAnswer(StrictSchema):
    """One thing that happened to a receipt, and who or what made it happen."""

    happened = fields.String(
        required=True,
        metadata={"enum": [topic for topic in EVENTS if topic.startswith("receipt.")]},
    )
    recorded_at = fields.AwareDateTime(required=True)
    actor = fields.String(required=True)
    actor_name = fields.String(required=True, allow_none=True)
    details = fields.Dict(required=True)


class OneReceiptAnswer(ReceiptAnswer):
    """A receipt, the proposal that waits for it, and its story from the beginning."""

    proposal = fields.Nested(ProposalAnswer, required=True, allow_none=True)
    story = fields.List(fields.Nested(ReceiptStepAnswer), required=True)


@blueprint.route("/receipts")
@requires(Permission.OPERATE)
@revalidates
@blueprint.arguments(ReceiptArguments(), location="query")
@blueprint.response(200, ReceiptsAnswer)
def list_receipts(arguments: dict[str, Any]) -> Response:
    """Money that reached us, newest first. A phone finds numbers told hashed or masked, too."""
    return list_answer(RECEIPT_LIST, arguments)


@blueprint.route("/receipts/<uuid:receipt_id>")
@requires(Permission.OPERATE)
@blueprint.response(200, OneReceiptAnswer)
def show_receipt(receipt_id: UUID) -> Response:
    """One receipt, with its story."""
    receipt_of(receipt_id, UnitOfWork(services().store, cause()))
    found = orjson.loads(awaited(lambda: receipt_json(services().pool, receipt_id)))
    told = history(services().pool, services().keyring, "receipt", receipt_id)
    return Response(
        orjson.dumps(found | {"story": [_step(each) for each in told]}),
        content_type="application/json",
    )


def _step(told: Told) -> dict[str, Any]:
    return {
        "happened": told.topic,
        "recorded_at": told.recorded_at,
        "actor": told.actor,
        "actor_name": told.actor_name,
        "details": in_shillings(told.data),
    }
