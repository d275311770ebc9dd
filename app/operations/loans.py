"""`/daystar/v1/loans`: a loan's life, from the application to the last shilling."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from flask import Response, g
from marshmallow import ValidationError, fields, validate, validates_schema

from app.auth import requires, services
from app.blueprint import Blueprint
from app.fields import Amount, Shillings, StrictSchema, Text
from app.idempotent import cause, key_optional, run_once
from app.operations.refunds import paying_short_code
from domain.api_keys.api_key import Permission
from domain.contributions.rules import PaymentMethod
from domain.dates import business_day
from domain.loans.commands import (
    ApplyForLoan,
    ApproveLoan,
    ChargeFee,
    DeclineLoan,
    DisburseLoan,
    PayOut,
    PayOutLoan,
    RestructureLoan,
    WriteOffLoan,
)
from domain.loans.handlers import (
    DISBURSEMENT_METHODS,
    PURPOSE_LENGTH_MAX,
    REASON_LENGTH_MAX,
    REFERENCE_LENGTH_MAX,
)
from domain.loans.loan import Loan, LoanStatus
from domain.loans.terms import TERM_MONTHS_MAX
from domain.money import text_from_cents
from infra import clock
from infra.mpesa.payout_settings import DisburseBy
from infra.numbers import next_loan_number

blueprint = Blueprint("loans", __name__, url_prefix="/daystar/v1", description="Lending.")

_PERCENT = r"(100(\.0+)?|[0-9]{1,2}(\.[0-9]{1,4})?)"


class ApplicationBody(StrictSchema):
    """What a member asks for. `product_id` is a loan product's code."""

    member_id = fields.UUID(required=True)
    product_id = Text(
        required=True, validate=validate.Length(2, 40), metadata={"example": "development"}
    )
    amount = Amount(required=True)
    term_months = fields.Integer(required=True, validate=validate.Range(1, TERM_MONTHS_MAX))
    purpose = Text(
        required=True,
        validate=validate.Length(1, PURPOSE_LENGTH_MAX),
        metadata={"example": "a water tank"},
    )
    application_date = fields.Date()


class ApprovalBody(StrictSchema):
    """Granted, or less of it where an amount is given; and how it is to be paid out."""

    amount = Amount()
    disburse_by = fields.Enum(
        DisburseBy,
        by_value=True,
        metadata={
            "description": "By M-Pesa, at once, or at the counter; else as the house is set."
        },
    )


class LoanReasonBody(StrictSchema):
    """Why it is done."""

    reason = Text(required=True, validate=validate.Length(1, REASON_LENGTH_MAX))


class DisbursementBody(StrictSchema):
    """How the money went out; `mpesa` sends it. The first instalment is due a month later, or then.

    What goes by M-Pesa has its reference and its day from there.
    """

    payment_method = fields.String(
        required=True,
        validate=validate.OneOf([*DISBURSEMENT_METHODS, str(PaymentMethod.MPESA)]),
        metadata={"example": "bank"},
    )
    payment_reference = Text(
        validate=validate.Length(1, REFERENCE_LENGTH_MAX),
        metadata={"example": "FT26/101"},
    )
    disbursement_date = fields.Date()
    first_due_date = fields.Date()

    @validates_schema
    def told_by_who_pays(self, data: dict[str, Any], **_: Any) -> None:
        """What we pay by hand we can prove; what M-Pesa pays, M-Pesa tells."""
        by_mpesa = data["payment_method"] == PaymentMethod.MPESA
        if by_mpesa == ("payment_reference" in data):
            raise ValidationError(
                "M-Pesa gives its own reference." if by_mpesa else "Name what proves the payment.",
                "payment_reference",
            )
        if by_mpesa and "disbursement_date" in data:
            raise ValidationError("It is the day on which M-Pesa pays.", "disbursement_date")


class FeeBody(StrictSchema):
    """Something charged beside the schedule, such as a bounced cheque."""

    amount = Amount(required=True)
    reason = Text(required=True, validate=validate.Length(1, REASON_LENGTH_MAX))
    due_date = fields.Date()


class RestructuringBody(LoanReasonBody):
    """A new term for what is owed, at another rate where one is given."""

    term_months = fields.Integer(required=True, validate=validate.Range(1, TERM_MONTHS_MAX))
    interest_rate = fields.String(
        validate=validate.Regexp(
            f"^{_PERCENT}$", error='Give a percentage of 0 to 100 as text, such as "12.5".'
        ),
        metadata={"example": "12", "pattern": f"^{_PERCENT}$"},
    )
    first_due_date = fields.Date()


class LoanStandingAnswer(StrictSchema):
    """The loan, as it stands now."""

    id = fields.UUID(required=True)
    loan_number = fields.String(required=True)
    member_id = fields.UUID(required=True)
    status = fields.Enum(LoanStatus, by_value=True, required=True)
    amount = Shillings(required=True)
    balance = Shillings(required=True)
    payout_id = fields.UUID(
        required=True,
        allow_none=True,
        metadata={"description": "The M-Pesa payout of it that is under way."},
    )


@blueprint.route("/loans", methods=["POST"])
@requires(Permission.OPERATE)
@blueprint.arguments(ApplicationBody())
@blueprint.response(201, LoanStandingAnswer)
@key_optional
def apply_for_loan(body: dict[str, Any]) -> Response:
    """Enter a member's application. Another person decides it."""
    today = business_day(clock.now())
    command = ApplyForLoan(
        loan_id=uuid4(),
        loan_number=next_loan_number(services().pool),
        member_id=body["member_id"],
        product_code=body["product_id"],
        amount_cents=body["amount"],
        term_months=body["term_months"],
        purpose=body["purpose"],
        applied_on=body.get("application_date", today),
        principal_id=g.caller.principal_id,
        today=today,
    )
    return run_once(command, answer=loan_answer, status=201, because=cause(str(command.loan_id)))


@blueprint.route("/loans/<uuid:loan_id>/approval", methods=["POST"])
@requires(Permission.APPROVE)
@blueprint.arguments(ApprovalBody())
@blueprint.response(200, LoanStandingAnswer)
@key_optional
def approve_loan(body: dict[str, Any], loan_id: UUID) -> Response:
    """Grant a loan: not one's own, not one that one entered, and within one's band.

    By M-Pesa it is paid out at once.
    """
    now = clock.now()
    by_mpesa = body.get("disburse_by", services().settings.payouts.disburse_by) == DisburseBy.MPESA
    command = ApproveLoan(
        loan_id=loan_id,
        principal_id=g.caller.principal_id,
        amount_cents=body.get("amount"),
        today=business_day(now),
        pay_out=PayOut(paying_short_code(), now) if by_mpesa else None,
    )
    return changed_loan(command)


@blueprint.route("/loans/<uuid:loan_id>/refusal", methods=["POST"])
@requires(Permission.APPROVE)
@blueprint.arguments(LoanReasonBody())
@blueprint.response(200, LoanStandingAnswer)
@key_optional
def decline_loan(body: dict[str, Any], loan_id: UUID) -> Response:
    """Refuse a loan."""
    today = business_day(clock.now())
    return changed_loan(DeclineLoan(loan_id, g.caller.principal_id, body["reason"], today))


@blueprint.route("/loans/<uuid:loan_id>/disbursement", methods=["POST"])
@requires(Permission.OPERATE)
@blueprint.arguments(DisbursementBody())
@blueprint.response(200, LoanStandingAnswer)
def disburse_loan(body: dict[str, Any], loan_id: UUID) -> Response:
    """Pay an approved loan out, once: record how it was paid, or send it by M-Pesa."""
    now = clock.now()
    today = business_day(now)
    if body["payment_method"] == PaymentMethod.MPESA:
        pay_out = PayOut(paying_short_code(), now)
        first_due_on = body.get("first_due_date")
        return changed_loan(PayOutLoan(loan_id, g.caller.principal_id, first_due_on, pay_out))
    command = DisburseLoan(
        loan_id=loan_id,
        payment_method=body["payment_method"],
        payment_reference=body["payment_reference"],
        disbursed_on=body.get("disbursement_date", today),
        first_due_on=body.get("first_due_date"),
        today=today,
    )
    return changed_loan(command)


@blueprint.route("/loans/<uuid:loan_id>/fees", methods=["POST"])
@requires(Permission.OPERATE)
@blueprint.arguments(FeeBody())
@blueprint.response(200, LoanStandingAnswer)
def charge_fee(body: dict[str, Any], loan_id: UUID) -> Response:
    """Charge something beside the schedule."""
    today = business_day(clock.now())
    command = ChargeFee(
        loan_id=loan_id,
        fee_id=uuid4(),
        amount_cents=body["amount"],
        reason=body["reason"],
        due_on=body.get("due_date", today),
        today=today,
    )
    return changed_loan(command)


@blueprint.route("/loans/<uuid:loan_id>/restructuring", methods=["POST"])
@requires(Permission.APPROVE)
@blueprint.arguments(RestructuringBody())
@blueprint.response(200, LoanStandingAnswer)
def restructure_loan(body: dict[str, Any], loan_id: UUID) -> Response:
    """Spread what is owed anew."""
    command = RestructureLoan(
        loan_id=loan_id,
        principal_id=g.caller.principal_id,
        term_months=body["term_months"],
        rate_percent=body.get("interest_rate"),
        first_due_on=body.get("first_due_date"),
        reason=body["reason"],
        today=business_day(clock.now()),
    )
    return changed_loan(command)


@blueprint.route("/loans/<uuid:loan_id>/write-off", methods=["POST"])
@requires(Permission.APPROVE)
@blueprint.arguments(LoanReasonBody())
@blueprint.response(200, LoanStandingAnswer)
def write_off_loan(body: dict[str, Any], loan_id: UUID) -> Response:
    """Give up what is owed; it may still be recovered."""
    today = business_day(clock.now())
    return changed_loan(WriteOffLoan(loan_id, g.caller.principal_id, body["reason"], today))


def changed_loan(command: Any) -> Response:
    """Do it, once, and answer how the loan stands."""
    return run_once(command, answer=loan_answer, status=200, because=cause(str(command.loan_id)))


def loan_answer(loan: Loan) -> dict[str, Any]:
    """How a loan stands, as these doors tell it."""
    return {
        "id": str(loan.id),
        "loan_number": loan.loan_number,
        "member_id": loan.member_id,
        "status": loan.status,
        "amount": text_from_cents(loan.amount_cents),
        "balance": text_from_cents(loan.owed_cents),
        "payout_id": loan.payout["id"] if loan.payout else None,
    }
