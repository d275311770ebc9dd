"""Schedules against published ones, and what every schedule must hold."""

from __future__ import annotations

import json
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.loans.schedule import (
    Rounding,
    instalments,
    months_after,
    period_factors,
    schedule,
)
from domain.loans.terms import DayCount, InterestMethod, LoanTerms

PUBLISHED = json.loads(
    (Path(__file__).parents[2] / "golden" / "loans" / "schedules.json").read_text()
)


def cents(shillings):
    return int(Fraction(shillings) * 100)


def terms(**changes):
    plain = {
        "amount_cents_min": 1,
        "amount_cents_max": 10**12,
        "term_months_min": 1,
        "term_months_max": 60,
        "interest_method": "equal_instalments",
        "rate_percent": "12",
        "rate_period": "year",
    }
    return LoanTerms.from_plain(plain | changes)


def days_of(case):
    start = date.fromisoformat(case["disbursed_on"])
    if case["unit"] == "month":
        return start, [months_after(start, n + 1) for n in range(case["periods"])]
    every = timedelta(days=case["every"] * (7 if case["unit"] == "week" else 1))
    return start, [start + every * (n + 1) for n in range(case["periods"])]


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda case: case["name"])
def test_published_schedules_come_out_to_the_cent(case):
    start, due_on = days_of(case)
    of = terms(
        rate_percent=case["rate_percent"],
        rate_period=case["rate_period"],
        day_count=case["day_count"],
        interest_method=case["method"],
    )
    got = instalments(
        method=InterestMethod(case["method"]),
        principal_cents=cents(case["principal"]),
        factors=period_factors(of, disbursed_on=start, due_on=due_on),
        due_on=due_on,
        rounding=Rounding(cents(case["money_multiple"]), cents(case["instalment_multiple"])),
        principal_grace=case["principal_grace"],
    )
    for number, due, principal, interest, balance in case["instalments"]:
        line = got[number - 1]
        assert (line.principal_cents, line.interest_cents) == (cents(principal), cents(interest))
        assert due is None or line.due_on.isoformat() == due
        assert balance is None or line.balance_cents == cents(balance)
    assert got[-1].balance_cents == 0


def plan(of, *, principal_cents, term_months, first_due_on=date(2026, 2, 28)):
    return schedule(
        of,
        principal_cents=principal_cents,
        term_months=term_months,
        disbursed_on=date(2026, 1, 31),
        first_due_on=first_due_on,
    )


def test_due_days_follow_the_first_one_to_each_months_end():
    lines = plan(terms(), principal_cents=1_000_00, term_months=4, first_due_on=date(2026, 1, 31))
    assert [str(line.due_on) for line in lines] == [
        "2026-01-31",
        "2026-02-28",
        "2026-03-31",
        "2026-04-30",
    ]


def test_a_rate_per_month_is_not_divided_by_twelve():
    lines = plan(
        terms(rate_percent="5", rate_period="month", interest_method="equal_principal"),
        principal_cents=40_000_00,
        term_months=4,
    )
    assert [line.interest_cents for line in lines] == [2_000_00, 1_500_00, 1_000_00, 500_00]
    assert {line.principal_cents for line in lines} == {10_000_00}


def test_the_annuity_of_fifty_thousand_at_twelve_percent_is_4442_44():
    lines = plan(terms(), principal_cents=50_000_00, term_months=12)
    assert {line.total_cents for line in lines[:-1]} == {4_442_44}


def test_flat_interest_is_on_the_whole_loan_every_month():
    lines = plan(terms(interest_method="flat"), principal_cents=12_000_00, term_months=12)
    assert {line.interest_cents for line in lines} == {120_00}
    assert sum(line.total_cents for line in lines) == 12_000_00 + 12 * 120_00


def test_a_one_off_charge_does_not_grow_with_the_term():
    of = terms(interest_method="one_off_charge", rate_percent="10", rate_period="loan")
    for months in (1, 2, 3):
        lines = plan(of, principal_cents=10_000_00, term_months=months)
        assert sum(line.interest_cents for line in lines) == 1_000_00


@given(
    method=st.sampled_from(InterestMethod),
    principal_cents=st.integers(1, 10**11),
    months=st.integers(1, 60),
    rate=st.decimals(0, 100, places=2).map(str),
    per_month=st.booleans(),
    day_count=st.sampled_from(DayCount),
    money_multiple=st.sampled_from([1, 50, 100]),
    instalment_multiple=st.sampled_from([1, 100, 10_000]),
)
def test_principal_parts_sum_to_the_loan_and_nothing_is_below_zero(
    method, principal_cents, months, rate, per_month, day_count, money_multiple, instalment_multiple
):
    one_off = method is InterestMethod.ONE_OFF_CHARGE
    of = terms(
        interest_method=str(method),
        rate_percent=rate,
        rate_period="loan" if one_off else "month" if per_month else "year",
        day_count=str(day_count),
        money_multiple_cents=money_multiple,
        instalment_multiple_cents=instalment_multiple,
    )
    lines = plan(of, principal_cents=principal_cents, term_months=months)
    assert sum(line.principal_cents for line in lines) == principal_cents
    assert all(line.principal_cents >= 0 and line.interest_cents >= 0 for line in lines)
    assert all(line.balance_cents >= 0 for line in lines)
    assert lines[-1].balance_cents == 0
    assert [line.number for line in lines] == list(range(1, months + 1))
    assert all(a.due_on < b.due_on for a, b in pairwise(lines))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("interest_method", "compound"),
        ("rate_percent", "twelve"),
        ("rate_percent", "-1"),
        ("rate_percent", "1/3"),
        ("rate_percent", 12),
        ("rate_percent", "101"),
        ("rate_period", "loan"),
        ("amount_cents_max", 0),
        ("amount_cents_min", "1"),
        ("term_months_max", 121),
        ("term_months_min", 0),
        ("principal_grace_months", 1),
        ("allocation", ["interest", "principal"]),
        ("allocation", ["interest", "interest", "fee", "penalty"]),
        ("penalty_compounds", 1),
        ("colour", "green"),
    ],
)
def test_terms_that_make_no_sense_are_refused_by_the_name_of_the_field(field, value):
    with pytest.raises(InvalidInput) as refused:
        terms(**{field: value})
    assert refused.value.field.startswith(field.rsplit("_", 1)[0][:6])


def test_missing_terms_are_named():
    with pytest.raises(InvalidInput, match="rate_percent"):
        LoanTerms.from_plain(
            {name: value for name, value in terms().as_plain().items() if name != "rate_percent"}
        )


def test_terms_survive_their_plain_form():
    of = terms(allocation=["principal", "interest", "fee", "penalty"], day_count="actual/365")
    assert LoanTerms.from_plain(json.loads(json.dumps(of.as_plain()))) == of
