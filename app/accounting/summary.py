"""The financial summary of a period, as accounting systems pull it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
from flask import Response
from marshmallow import ValidationError, fields, validates_schema

from app.accounting.as_of import AsOfArguments, asked_as_of, past, told_to_wait
from app.accounting.freshness import JSON, POSITION, Shown, fresh_answer, revalidates
from app.accounting.resources import blueprint
from app.auth import requires, services
from app.fields import Shillings, StrictSchema
from domain.api_keys.api_key import Permission
from domain.dates import business_day
from domain.periods import Period, PeriodLength, window
from infra import clock
from infra.event_store.as_of import AsOf
from projections.summary import SUMMED, Summary, summary_of

_SHOWN = Shown("read_summary", SUMMED, daily=True)


class SummaryArguments(AsOfArguments):
    """Which days. One not given is an end of the calendar period that holds the other, or today."""

    period = fields.Enum(PeriodLength, by_value=True, load_default=PeriodLength.MONTHLY)
    date_from = fields.Date()
    date_to = fields.Date()

    @validates_schema
    def dates_in_order(self, data: dict[str, Any], **_: Any) -> None:
        """A period that ends before it begins is a mistake."""
        if "date_from" in data and "date_to" in data and data["date_from"] > data["date_to"]:
            raise ValidationError("date_to is before date_from.", "date_to")


class SummaryPeriodAnswer(StrictSchema):
    """The days the sums are of, both included. A week begins on Monday."""

    from_ = fields.Date(required=True, data_key="from")
    to = fields.Date(required=True)
    type = fields.Enum(PeriodLength, by_value=True, required=True)


class FinancialDataAnswer(StrictSchema):
    """Sums of the window by value day; `outstanding_loans` is what is owed now, on all loans.

    What was reversed is not counted. A repayment counts with what the loan took; what was too much
    is a contribution. `net_cash_flow` is repayments and contributions less disbursements.
    """

    loan_disbursements = Shillings(required=True)
    loan_repayments = Shillings(required=True)
    contributions = Shillings(required=True)
    outstanding_loans = Shillings(required=True)
    net_cash_flow = Shillings(required=True)


class MemberDataAnswer(StrictSchema):
    """All members as `/members` lists them now, and those who paid something in the window."""

    total_members = fields.Integer(required=True)
    active_members = fields.Integer(required=True)


class FinancialSummaryAnswer(StrictSchema):
    """The sums of a period. `generated_at` is when they were added up.

    `as_of_position` says of which position they speak, where a past was asked for.
    """

    period = fields.Nested(SummaryPeriodAnswer, required=True)
    financial_data = fields.Nested(FinancialDataAnswer, required=True)
    member_data = fields.Nested(MemberDataAnswer, required=True)
    generated_at = fields.AwareDateTime(required=True)
    as_of_position = fields.String()


@blueprint.route("/financial-summary")
@requires(Permission.READ_FINANCIAL_SUMMARY)
@revalidates
@blueprint.arguments(SummaryArguments(), location="query")
@blueprint.response(200, FinancialSummaryAnswer)
def show_financial_summary(arguments: dict[str, Any]) -> Response:
    """What was lent, repaid and put in during a period, and what is owed now.

    Without dates, today's calendar day, week, month, quarter or year in Nairobi. With one, from it,
    or up to it, as far as the calendar period reaches that holds it. With both, just those days.
    As of a moment: all of it as it was recorded by then, and then is today.
    """
    as_of = asked_as_of(arguments)
    if as_of is not None:
        return _as_of(arguments, as_of)
    return fresh_answer(_SHOWN, lambda: _now(arguments))


def _now(arguments: dict[str, Any]) -> Response:
    days = _window(arguments, clock.now())
    found = summary_of(services().pool, date_from=days.first, date_to=days.last)
    return _answer(found, arguments, days)


def _as_of(arguments: dict[str, Any], as_of: AsOf) -> Response:
    days = _window(arguments, arguments.get("as_of", as_of.recorded_at))
    with told_to_wait():
        found = past().summary(as_of, date_from=days.first, date_to=days.last)
    return _answer(found, arguments, days, as_of_position=str(as_of.position))


def _window(arguments: dict[str, Any], now: datetime) -> Period:
    given = arguments.get("date_from"), arguments.get("date_to")
    return window(arguments["period"], business_day(now), *given)


def _answer(
    found: Summary, arguments: dict[str, Any], days: Period, **of_the_past: str
) -> Response:
    answer = {
        "period": {"from": days.first, "to": days.last, "type": arguments["period"]},
        "financial_data": {
            "loan_disbursements": found.loan_disbursements,
            "loan_repayments": found.loan_repayments,
            "contributions": found.contributions,
            "outstanding_loans": found.outstanding_loans,
            "net_cash_flow": found.net_cash_flow,
        },
        "member_data": {
            "total_members": found.total_members,
            "active_members": found.active_members,
        },
        "generated_at": clock.now(),
        **of_the_past,
    }
    return Response(
        orjson.dumps(answer), content_type=JSON, headers={POSITION: str(found.position)}
    )
