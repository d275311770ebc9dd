"""`/daystar/v1/mpesa/suspense`: money that has no place yet; one proposes, another decides."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from flask import Response, g
from marshmallow import ValidationError, fields, validate, validates_schema

from app.accounting.freshness import revalidates
from app.accounting.resources import PaginationAnswer
from app.auth import requires, services
from app.fields import Shillings, StrictSchema, Text
from app.idempotent import cause, key_optional, run_once
from app.operations.mpesa import blueprint
from app.operations.mpesa_lists import AmountArguments, list_answer
from app.operations.receipts import REASONS, PayerAnswer, ProposalAnswer
from domain.api_keys.api_key import Permission
from domain.money import text_from_cents
from domain.mpesa import desk
from domain.mpesa.receipt import Receipt, Resolution
from domain.mpesa.stk_push import PushPurpose
from infra import clock
from infra.mpesa.short_codes import NoCredentials
from projections.mpesa_receipts import AGES, SUSPENSE_LIST, ageing

_PURPOSES = [str(purpose) for purpose in PushPurpose if purpose is not PushPurpose.LOAN_REPAYMENT]
_TARGETS = {"member_id", "loan_id", "transaction_id", "payment_purpose"}


class SuspenseArguments(AmountArguments):
    """Filters of what is in suspense. `age` counts days since the money came into suspense."""

    reason = fields.String(validate=validate.OneOf(REASONS))
    age = fields.String(validate=validate.OneOf(AGES))
    proposal = fields.String(validate=validate.OneOf(["waiting", "none"]))


class SuspendedAnswer(PayerAnswer):
    """A receipt with money in suspense, and the proposal that waits for it."""

    suspended_amount = Shillings(required=True)
    reason = fields.String(required=True, metadata={"enum": REASONS})
    paid_at = fields.AwareDateTime(required=True)
    suspended_at = fields.AwareDateTime(required=True)
    age_days = fields.Integer(required=True)
    age = fields.String(required=True, metadata={"enum": list(AGES)})
    proposal = fields.Nested(ProposalAnswer, required=True, allow_none=True)


class SuspenseAnswer(StrictSchema):
    """A page of what is in suspense."""

    suspense = fields.List(fields.Nested(SuspendedAnswer), required=True)
    pagination = fields.Nested(PaginationAnswer, required=True)


class AgeAnswer(StrictSchema):
    """How much of one age is in suspense."""

    age = fields.String(required=True, metadata={"enum": list(AGES)})
    receipts = fields.Integer(required=True)
    amount = Shillings(required=True)


class AgeingAnswer(StrictSchema):
    """What is in suspense, by age."""

    ageing = fields.List(fields.Nested(AgeAnswer), required=True)


class ProposalBody(StrictSchema):
    """What is to become of the money, and why.

    `assign` names one of `member_id` (for a `payment_purpose`; deposits, if none is given),
    `loan_id` and `transaction_id` (the push that it pays). `refund` may name another `phone` than
    the payer's. `reverse` gives the whole receipt back.
    """

    resolution = fields.Enum(Resolution, by_value=True, required=True)
    member_id = fields.UUID()
    payment_purpose = fields.String(validate=validate.OneOf(_PURPOSES))
    loan_id = fields.UUID()
    transaction_id = fields.UUID()
    phone = Text(validate=validate.Length(9, 24), metadata={"example": "0712345678"})
    note = Text(required=True, validate=validate.Length(1, desk.NOTE_LENGTH_MAX))

    @validates_schema
    def what_belongs_to_it(self, data: dict[str, Any], **_: Any) -> None:
        """What another resolution would need is a mistake."""
        resolution = data.get("resolution")
        if resolution is not Resolution.ASSIGN and (named := _TARGETS & set(data)):
            raise ValidationError("Only `assign` has this.", min(named))
        if resolution is not Resolution.REFUND and "phone" in data:
            raise ValidationError("Only `refund` has this.", "phone")


class RejectionBody(StrictSchema):
    """Why not."""

    note = Text(required=True, validate=validate.Length(1, desk.NOTE_LENGTH_MAX))


class NothingBody(StrictSchema):
    """Nothing more is to be said."""


class ProposedAnswer(StrictSchema):
    """The receipt after what was done. `proposal_id` waits for its second person, unless null."""

    id = fields.UUID(required=True)
    receipt_number = fields.String(required=True)
    amount = Shillings(required=True)
    placed_amount = Shillings(required=True)
    suspended_amount = Shillings(required=True)
    refunding_amount = Shillings(required=True)
    reversing_amount = Shillings(required=True)
    proposal_id = fields.UUID(required=True, allow_none=True)


@blueprint.route("/suspense")
@requires(Permission.OPERATE)
@revalidates
@blueprint.arguments(SuspenseArguments(), location="query")
@blueprint.response(200, SuspenseAnswer)
def list_suspense(arguments: dict[str, Any]) -> Response:
    """Money in suspense, latest first."""
    return list_answer(SUSPENSE_LIST, arguments)


@blueprint.route("/suspense/ageing")
@requires(Permission.OPERATE)
@blueprint.response(200, AgeingAnswer)
def show_ageing() -> dict[str, Any]:
    """How much is in suspense, and since when."""
    found = ageing(services().pool)
    return {
        "ageing": [
            {"age": age, "receipts": count, "amount": amount}
            for age, (count, amount) in found.items()
        ]
    }


@blueprint.route("/suspense/<uuid:receipt_id>/proposals", methods=["POST"])
@requires(Permission.OPERATE)
@blueprint.arguments(ProposalBody())
@blueprint.response(201, ProposedAnswer)
@key_optional
def propose(body: dict[str, Any], receipt_id: UUID) -> Response:
    """Say what is to become of all that is in suspense of a receipt. Another must agree."""
    at_the_desk = _at_the_desk(receipt_id, uuid4())
    note = body["note"]
    command: Any
    match body["resolution"]:
        case Resolution.ASSIGN:
            purpose = body.get("payment_purpose")
            command = desk.ProposeAssignment(
                **at_the_desk,
                note=note,
                member_id=body.get("member_id"),
                purpose=PushPurpose(purpose) if purpose else None,
                loan_id=body.get("loan_id"),
                push_id=body.get("transaction_id"),
            )
        case Resolution.REFUND:
            command = desk.ProposeRefund(**at_the_desk, note=note, phone=body.get("phone"))
        case Resolution.REVERSE:
            command = desk.ProposeReversal(**at_the_desk, note=note)
    return _done(command, status=201)


@blueprint.route(
    "/suspense/<uuid:receipt_id>/proposals/<uuid:proposal_id>/withdrawal", methods=["POST"]
)
@requires(Permission.OPERATE)
@blueprint.arguments(NothingBody())
@blueprint.response(200, ProposedAnswer)
@key_optional
def withdraw(_: dict[str, Any], receipt_id: UUID, proposal_id: UUID) -> Response:
    """Take one's own proposal back."""
    return _done(desk.WithdrawProposal(**_at_the_desk(receipt_id, proposal_id)))


@blueprint.route(
    "/suspense/<uuid:receipt_id>/proposals/<uuid:proposal_id>/rejection", methods=["POST"]
)
@requires(Permission.APPROVE)
@blueprint.arguments(RejectionBody())
@blueprint.response(200, ProposedAnswer)
@key_optional
def reject(body: dict[str, Any], receipt_id: UUID, proposal_id: UUID) -> Response:
    """Do not agree with another's proposal."""
    at_the_desk = _at_the_desk(receipt_id, proposal_id)
    return _done(desk.RejectProposal(**at_the_desk, note=body["note"]))


@blueprint.route(
    "/suspense/<uuid:receipt_id>/proposals/<uuid:proposal_id>/confirmation", methods=["POST"]
)
@requires(Permission.APPROVE)
@blueprint.arguments(NothingBody())
@blueprint.response(200, ProposedAnswer)
def confirm(_: dict[str, Any], receipt_id: UUID, proposal_id: UUID) -> Response:
    """Agree with another's proposal, within one's band: it is done."""
    try:
        pays_from = services().short_codes.paying().short_code
    except NoCredentials:
        pays_from = None
    at_the_desk = _at_the_desk(receipt_id, proposal_id)
    return _done(desk.ConfirmProposal(**at_the_desk, pays_from=pays_from))


def _at_the_desk(receipt_id: UUID, proposal_id: UUID) -> dict[str, Any]:
    return {
        "receipt_id": receipt_id,
        "proposal_id": proposal_id,
        "principal_id": g.caller.principal_id,
        "now": clock.now(),
    }


def _done(command: Any, *, status: int = 200) -> Response:
    because = cause(str(command.receipt_id))
    return run_once(command, answer=_answer, status=status, because=because)


def _answer(receipt: Receipt) -> dict[str, Any]:
    return {
        "id": str(receipt.id),
        "receipt_number": receipt.receipt_number,
        "amount": text_from_cents(receipt.amount_cents),
        "placed_amount": text_from_cents(receipt.placed_cents),
        "suspended_amount": text_from_cents(receipt.suspended_cents),
        "refunding_amount": text_from_cents(receipt.refunding_cents),
        "reversing_amount": text_from_cents(receipt.reversing_cents),
        "proposal_id": receipt.proposal["id"] if receipt.proposal else None,
    }
