"""Loans and repayments, as accounting systems pull them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
from flask import Response
from marshmallow import fields, validate

from app.accounting.as_of import AsOfArguments, asked_as_of, past
from app.accounting.exports import as_files
from app.accounting.freshness import POSITION, Shown, fresh_answer, revalidates
from app.accounting.resources import (
    PaginationAnswer,
    PeriodArguments,
    blueprint,
    page_answer,
)
from app.auth import requires, services
from app.fields import Shillings, StrictSchema
from domain.api_keys.api_key import Permission
from domain.loans.errors import LoanNotFound
from domain.loans.loan import LoanStatus
from domain.loans.terms import RatePeriod
from infra.event_store.as_of import AsOf
from projections.loan_in_full import LOAN_SQL, LoanInFull, loan_in_full
from projections.loans import LOAN_LIST, REPAYMENT_LIST

PAYMENT_METHODS = ["cash", "bank", "check_off", "mpesa"]
_IN_FULL = Shown(LOAN_LIST.schema, LOAN_SQL, daily=True)


class ChangesArguments(PeriodArguments):
    """Filters by member, by day, and by the moment of the last change."""

    member_id = fields.UUID()


class LoanArguments(ChangesArguments):
    """Filters of the loan list. Dates are application dates."""

    status = fields.String(validate=validate.OneOf([str(status) for status in LoanStatus]))


class RepaymentArguments(ChangesArguments):
    """Filters of the repayment list. Dates are value dates."""

    loan_id = fields.UUID()


class LoanAnswer(StrictSchema):
    """A loan. `product_id` is the product's code; `next_due_date` its oldest unpaid instalment's.

    `total_payable` is all that was, or is, to be paid: principal, interest, fees and penalties.
    """

    id = fields.UUID(required=True)
    loan_number = fields.String(required=True)
    member_id = fields.UUID(required=True)
    member_number = fields.String(required=True)
    product_id = fields.String(required=True)
    amount = Shillings(required=True)
    interest_rate = fields.String(required=True)
    rate_period = fields.Enum(RatePeriod, by_value=True, required=True)
    term_months = fields.Integer(required=True)
    monthly_payment = Shillings(required=True, allow_none=True)
    total_payable = Shillings(required=True, allow_none=True)
    paid_amount = Shillings(required=True)
    balance = Shillings(required=True)
    principal_balance = Shillings(required=True)
    status = fields.Enum(LoanStatus, by_value=True, required=True)
    days_overdue = fields.Integer(required=True)
    application_date = fields.Date(required=True)
    approval_date = fields.Date(required=True, allow_none=True)
    disbursement_date = fields.Date(required=True, allow_none=True)
    due_date = fields.Date(required=True, allow_none=True)
    next_due_date = fields.Date(required=True, allow_none=True)
    purpose = fields.String(required=True, allow_none=True)
    updated_at = fields.AwareDateTime(required=True)


class LoansAnswer(StrictSchema):
    """A page of loans."""

    loans = fields.List(fields.Nested(LoanAnswer), required=True)
    pagination = fields.Nested(PaginationAnswer, required=True)


class RepaymentAnswer(StrictSchema):
    """What a payment did to a loan; what it did not need went to the deposits (`overpaid`)."""

    id = fields.UUID(required=True)
    loan_id = fields.UUID(required=True)
    member_id = fields.UUID(required=True)
    amount = Shillings(required=True)
    payment_method = fields.String(required=True, metadata={"enum": PAYMENT_METHODS})
    payment_reference = fields.String(required=True)
    payment_date = fields.Date(required=True)
    principal_amount = Shillings(required=True)
    interest_amount = Shillings(required=True)
    fee_amount = Shillings(required=True)
    penalty_amount = Shillings(required=True)
    overpaid_amount = Shillings(required=True)
    status = fields.String(required=True, metadata={"enum": ["completed", "reversed"]})
    updated_at = fields.AwareDateTime(required=True)


class RepaymentsAnswer(StrictSchema):
    """A page of repayments."""

    repayments = fields.List(fields.Nested(RepaymentAnswer), required=True)
    pagination = fields.Nested(PaginationAnswer, required=True)


class InstalmentAnswer(StrictSchema):
    """One instalment: what is, or was, due on it, and what is still to be paid."""

    number = fields.Integer(required=True)
    due_date = fields.Date(required=True)
    principal = Shillings(required=True)
    interest = Shillings(required=True)
    fee = Shillings(required=True)
    penalty = Shillings(required=True)
    paid = Shillings(required=True)
    balance = Shillings(required=True)


class LoanInFullAnswer(LoanAnswer):
    """A loan, its schedule, and its newest hundred repayments; `repayments_url` lists them all."""

    schedule = fields.List(fields.Nested(InstalmentAnswer), required=True)
    repayments = fields.List(fields.Nested(RepaymentAnswer), required=True)
    repayments_total = fields.Integer(required=True)
    repayments_url = fields.String(required=True)
    as_of_position = fields.String()


@blueprint.route("/loans")
@requires(Permission.READ_LOANS)
@revalidates
@as_files(blueprint)
@blueprint.arguments(LoanArguments(), location="query")
@blueprint.response(200, LoansAnswer)
def list_loans(arguments: dict[str, Any]) -> Response:
    """Loans, newest application first."""
    return page_answer(LOAN_LIST, arguments)


@blueprint.route("/loans/<uuid:loan_id>")
@requires(Permission.READ_LOANS)
@revalidates
@blueprint.arguments(AsOfArguments(), location="query")
@blueprint.response(200, LoanInFullAnswer)
def show_loan(arguments: dict[str, Any], loan_id: UUID) -> Response:
    """One loan, with its schedule and its newest repayments, now or as of a moment."""
    as_of = asked_as_of(arguments)
    if as_of is not None:
        return _in_full(loan_id, past().loan(loan_id, as_of), as_of)
    return fresh_answer(_IN_FULL, lambda: _in_full(loan_id, loan_in_full(services().pool, loan_id)))


def _in_full(loan_id: UUID, found: LoanInFull | None, as_of: AsOf | None = None) -> Response:
    if found is None:
        raise LoanNotFound
    answer = found.loan | {
        "schedule": found.schedule,
        "repayments": found.repayments,
        "repayments_total": found.repayments_total,
        "repayments_url": f"{blueprint.url_prefix}/repayments?loan_id={loan_id}",
    }
    if as_of is not None:
        answer["as_of_position"] = str(as_of.position)
        answer["repayments_url"] += f"&as_of_position={as_of.position}"
    return Response(
        orjson.dumps(answer),
        content_type="application/json",
        headers={POSITION: str(found.position)},
    )


@blueprint.route("/repayments")
@requires(Permission.READ_REPAYMENTS)
@revalidates
@as_files(blueprint)
@blueprint.arguments(RepaymentArguments(), location="query")
@blueprint.response(200, RepaymentsAnswer)
def list_repayments(arguments: dict[str, Any]) -> Response:
    """Repayments, newest value date first."""
    return page_answer(REPAYMENT_LIST, arguments)
