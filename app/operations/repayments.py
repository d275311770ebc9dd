"""`/daystar/v1/loans/{id}/repayments`: money that comes in on a loan, and what would settle it."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID, uuid4

from flask import Response
from marshmallow import ValidationError, fields, validate, validates

from app.auth import requires, services
from app.fields import Amount, QueryArguments, Shillings, StrictSchema, Text
from app.idempotent import cause, run_once
from app.operations.loans import (
    LoanReasonBody,
    LoanStandingAnswer,
    blueprint,
    changed_loan,
    loan_answer,
)
from domain.api_keys.api_key import Permission
from domain.contributions.rules import PaymentMethod
from domain.dates import business_day
from domain.loans.commands import RecordRepayment, ReverseRepayment
from domain.loans.handlers import REFERENCE_LENGTH_MAX
from domain.loans.loan import Loan
from domain.loans.lookup import loan_of
from domain.loans.standing import nothing_owed
from domain.loans.terms import Component
from domain.money import text_from_cents
from infra import clock
from infra.event_store.unit_of_work import UnitOfWork


class RepaymentBody(StrictSchema):
    """Money paid on a loan. With `settles` it is refused unless it settles the loan."""

    amount = Amount(required=True)
    payment_method = fields.Enum(PaymentMethod, by_value=True, required=True)
    payment_reference = Text(
        required=True,
        validate=validate.Length(1, REFERENCE_LENGTH_MAX),
        metadata={"example": "FT26/102"},
    )
    payment_date = fields.Date()
    settles = fields.Boolean(load_default=False, truthy={True}, falsy={False})


class RepaymentRecordedAnswer(LoanStandingAnswer):
    """The loan after a repayment, and what became of the money."""

    repayment_id = fields.UUID(required=True)
    principal_amount = Shillings(required=True)
    interest_amount = Shillings(required=True)
    fee_amount = Shillings(required=True)
    penalty_amount = Shillings(required=True)
    overpaid_amount = Shillings(required=True)


class SettlementArguments(QueryArguments):
    """On which day the loan would be settled; today where none is given."""

    on = fields.Date()

    @validates("on")
    def not_past(self, on: date, **_: Any) -> None:
        """What would have settled it yesterday helps nobody."""
        if on < business_day(clock.now()):
            raise ValidationError("A settlement is quoted for today or a day to come.")


class SettlementAnswer(StrictSchema):
    """What settles the loan on that day."""

    id = fields.UUID(required=True)
    settlement_date = fields.Date(required=True)
    amount = Shillings(required=True)
    principal_amount = Shillings(required=True)
    interest_amount = Shillings(required=True)
    fee_amount = Shillings(required=True)
    penalty_amount = Shillings(required=True)
    waived_interest = Shillings(required=True)


@blueprint.route("/loans/<uuid:loan_id>/repayments", methods=["POST"])
@requires(Permission.OPERATE)
@blueprint.arguments(RepaymentBody())
@blueprint.response(201, RepaymentRecordedAnswer)
def record_repayment(body: dict[str, Any], loan_id: UUID) -> Response:
    """Record money that was paid on a loan; on one written off, a recovery."""
    today = business_day(clock.now())
    command = RecordRepayment(
        repayment_id=uuid4(),
        loan_id=loan_id,
        amount_cents=body["amount"],
        payment_method=body["payment_method"],
        payment_reference=body["payment_reference"],
        paid_on=body.get("payment_date", today),
        today=today,
        settles=body["settles"],
    )

    def answer(loan: Loan) -> dict[str, Any]:
        nothing = {"principal": command.amount_cents}  # a recovery is principal given up before
        parts = loan.parts.get(str(command.repayment_id), nothing)
        return (
            loan_answer(loan)
            | {"repayment_id": str(command.repayment_id)}
            | {f"{part}_amount": text_from_cents(parts.get(part, 0)) for part in Component}
            | {"overpaid_amount": text_from_cents(parts.get("surplus", 0))}
        )

    return run_once(command, answer=answer, status=201, because=cause(str(loan_id)))


@blueprint.route("/loans/<uuid:loan_id>/repayments/<uuid:repayment_id>/reversal", methods=["POST"])
@requires(Permission.OPERATE)
@blueprint.arguments(LoanReasonBody())
@blueprint.response(200, LoanStandingAnswer)
def reverse_repayment(body: dict[str, Any], loan_id: UUID, repayment_id: UUID) -> Response:
    """Undo a repayment, wholly and once."""
    today = business_day(clock.now())
    return changed_loan(ReverseRepayment(loan_id, repayment_id, body["reason"], today))


@blueprint.route("/loans/<uuid:loan_id>/settlement")
@requires(Permission.READ_LOANS)
@blueprint.arguments(SettlementArguments(), location="query")
@blueprint.response(200, SettlementAnswer)
def quote_settlement(arguments: dict[str, Any], loan_id: UUID) -> dict[str, Any]:
    """What would settle the loan today, or on a day to come; nothing, where nothing is owed."""
    today = business_day(clock.now())
    on = arguments.get("on", today)
    loan = loan_of(loan_id, UnitOfWork(services().store, cause()))
    quote = loan.settlement(on, today=today) if loan.is_open else nothing_owed(on)
    return {
        "id": loan_id,
        "settlement_date": on,
        "amount": text_from_cents(quote.total_cents),
        "principal_amount": text_from_cents(quote.principal_cents),
        "interest_amount": text_from_cents(quote.interest_cents),
        "fee_amount": text_from_cents(quote.fee_cents),
        "penalty_amount": text_from_cents(quote.penalty_cents),
        "waived_interest": text_from_cents(quote.waived_interest_cents),
    }
