"""`/daystar/v1/contributions`: recording money paid by other ways than M-Pesa, and undoing it."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from flask import Response
from marshmallow import fields, validate

from app.auth import requires, services
from app.blueprint import Blueprint
from app.fields import Amount, Shillings, StrictSchema, Text
from app.idempotent import cause, run_once
from domain.api_keys.api_key import Permission
from domain.contributions.commands import RecordContribution, ReverseContribution
from domain.contributions.handlers import REASON_LENGTH_MAX, REFERENCE_LENGTH_MAX
from domain.contributions.rules import ContributionType, PaymentMethod
from domain.dates import business_day
from domain.money import text_from_cents
from infra import clock

blueprint = Blueprint(
    "contributions", __name__, url_prefix="/daystar/v1", description="Recording contributions."
)


class RecordContributionBody(StrictSchema):
    """Money a member paid at the counter, through the bank, or from the payroll."""

    member_id = fields.UUID(required=True)
    amount = Amount(required=True)
    contribution_type = fields.Enum(ContributionType, by_value=True, required=True)
    payment_method = fields.Enum(PaymentMethod, by_value=True, required=True)
    payment_reference = Text(
        required=True,
        validate=validate.Length(1, REFERENCE_LENGTH_MAX),
        metadata={"example": "FT26/001"},
    )
    contribution_date = fields.Date()


class ReversalBody(StrictSchema):
    """Why a contribution is undone, and whose it is."""

    member_id = fields.UUID(required=True)
    reason = Text(
        required=True,
        validate=validate.Length(1, REASON_LENGTH_MAX),
        metadata={"example": "typed twice"},
    )


class RecordedAnswer(StrictSchema):
    """The contribution, as recorded."""

    id = fields.UUID(required=True)
    member_id = fields.UUID(required=True)
    amount = Shillings(required=True)
    contribution_type = fields.Enum(ContributionType, by_value=True, required=True)
    status = fields.String(required=True, metadata={"enum": ["completed", "reversed"]})


@blueprint.route("/contributions", methods=["POST"])
@requires(Permission.OPERATE)
@blueprint.arguments(RecordContributionBody())
@blueprint.response(201, RecordedAnswer)
def record_contribution(body: dict[str, Any]) -> Response:
    """Record a contribution."""
    today = business_day(clock.now())
    command = RecordContribution(
        contribution_id=uuid4(),
        member_id=body["member_id"],
        contribution_type=body["contribution_type"],
        amount_cents=body["amount"],
        payment_method=body["payment_method"],
        payment_reference=body["payment_reference"],
        contributed_on=body.get("contribution_date", today),
        today=today,
        rules=services().settings.contribution_rules,
    )

    def answer(_: Any) -> dict[str, Any]:
        return {
            "id": str(command.contribution_id),
            "member_id": str(command.member_id),
            "amount": text_from_cents(command.amount_cents),
            "contribution_type": str(command.contribution_type),
            "status": "completed",
        }

    return run_once(command, answer=answer, status=201, because=cause())


@blueprint.route("/contributions/<uuid:contribution_id>/reversal", methods=["POST"])
@requires(Permission.OPERATE)
@blueprint.arguments(ReversalBody())
@blueprint.response(201, RecordedAnswer)
def reverse_contribution(body: dict[str, Any], contribution_id: UUID) -> Response:
    """Undo a contribution, wholly and once."""
    command = ReverseContribution(
        member_id=body["member_id"],
        contribution_id=contribution_id,
        reason=body["reason"],
        today=business_day(clock.now()),
    )

    def answer(account: Any) -> dict[str, Any]:
        undone = account.contributions[str(contribution_id)]
        return {
            "id": str(contribution_id),
            "member_id": str(command.member_id),
            "amount": text_from_cents(undone["amount_cents"]),
            "contribution_type": undone["type"],
            "status": "reversed",
        }

    return run_once(command, answer=answer, status=201, because=cause())
