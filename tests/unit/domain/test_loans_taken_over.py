"""A loan that began in older books goes on here to the cent."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest

from domain.errors import InvalidInput
from domain.loans.commands import Arrears, RestructureLoan, TakeOverLoan
from domain.loans.errors import LoanNumberTaken, LoanProductNotFound, RepaymentBeforeTakeOver
from domain.loans.loan import Loan
from domain.loans.standing import open_cents
from domain.members.commands import ExitMember
from domain.members.errors import LoansStillOwed
from tests.support.co_operative import TODAY

NEXT_DUE = date(2026, 12, 10)


def taking_over(co_operative, **fields):
    """A loan of 120,000 at 1 % a month over twelve months, half of it repaid, none in arrears."""
    values = {
        "loan_id": uuid4(),
        "loan_number": f"OLD-{uuid4().hex[:8]}",
        "member_id": fields.get("member_id") or co_operative.member(),
        "product_code": fields.get("product_code") or co_operative.product(),
        "rate_percent": None,
        "amount_cents": 120_000_00,
        "term_months": 12,
        "disbursed_on": date(2026, 5, 10),
        "paid_cents": 64_000_00,
        "principal_cents": 60_000_00,
        "next_due_on": NEXT_DUE,
        "remaining_months": 6,
        "interest_to_come_cents": None,
        "arrears": Arrears(),
        "as_of": TODAY,
        "today": TODAY,
    }
    return TakeOverLoan(**(values | fields))


def taken_over(co_operative, **fields):
    command = taking_over(co_operative, **fields)
    co_operative.dispatch(command)
    return co_operative.load(Loan, command.loan_id)


IN_ARREARS = {
    "principal_cents": 70_000_00,
    "paid_cents": 54_000_00,
    "arrears": Arrears(10_000_00, 700_00, 50_00, 214_00, date(2026, 11, 10)),
}


def test_what_is_to_come_is_scheduled_from_the_principal_not_yet_due(co_operative):
    loan = taken_over(co_operative)
    assert loan.status == "active"
    assert not loan.overdue
    assert [line["due_on"] for line in loan.lines][::5] == ["2026-12-10", "2027-05-10"]
    assert sum(line["principal"] for line in loan.lines) == 60_000_00
    assert loan.lines[0]["interest"] == 600_00
    assert loan.principal_cents == 60_000_00


def test_what_is_in_arrears_is_one_line_overdue_since_its_day(co_operative):
    loan = taken_over(co_operative, **IN_ARREARS)
    first, *others = loan.lines
    assert (first["number"], first["due_on"], open_cents(first)) == (1, "2026-11-10", 10_964_00)
    assert [line["number"] for line in others] == [2, 3, 4, 5, 6, 7]
    assert loan.overdue
    assert loan.overdue_cents(TODAY) == 10_964_00
    assert loan.principal_cents == 70_000_00


def test_long_in_arrears_is_defaulted_from_the_first_day(co_operative):
    arrears = Arrears(principal_cents=10_000_00, since=TODAY - timedelta(days=91))
    loan = taken_over(co_operative, principal_cents=70_000_00, arrears=arrears)
    assert loan.status == "defaulted"


def test_a_loan_past_its_term_is_arrears_alone(co_operative):
    loan = taken_over(
        co_operative,
        arrears=Arrears(principal_cents=60_000_00, since=date(2026, 11, 10)),
        next_due_on=None,
        remaining_months=0,
    )
    assert len(loan.lines) == 1
    assert loan.balance_cents == 60_000_00
    co_operative.repayment(loan.id, 60_000_00)
    assert co_operative.load(Loan, loan.id).status == "completed"


def test_penalties_of_the_months_before_are_not_charged_again_and_the_next_one_is(co_operative):
    loan = taken_over(co_operative, **IN_ARREARS)
    charged = [p for p in loan.lines[0]["penalties"] if p["cents"]]
    assert [(p["charged_on"], p["cents"]) for p in charged] == [("2026-11-18", 214_00)]
    assert co_operative.assess(loan.id, date(2026, 12, 17)).lines[0]["penalties"] == charged
    later = co_operative.assess(loan.id, date(2026, 12, 18))
    assert later.lines[0]["penalties"][1] == {"charged_on": "2026-12-18", "cents": 535_00}


def test_it_is_repaid_as_any_loan_what_is_due_first(co_operative):
    loan = taken_over(co_operative, **IN_ARREARS)
    co_operative.repayment(loan.id, 11_000_00)
    loan = co_operative.load(Loan, loan.id)
    assert not loan.overdue
    [parts] = loan.parts.values()
    assert parts == {
        "penalty": 214_00,
        "fee": 50_00,
        "interest": 700_00,
        "principal": 10_036_00,
        "surplus": 0,
    }


def test_settling_owes_interest_from_the_last_due_day_not_from_the_taking_over(co_operative):
    loan = taken_over(co_operative, **IN_ARREARS)
    quote = loan.settlement(TODAY, today=TODAY)
    # 13 of the 30 days since 10 November, of 600.00
    assert quote.interest_cents == 700_00 + 260_00
    assert quote.principal_cents == 70_000_00
    co_operative.repayment(loan.id, quote.total_cents, settles=True)
    assert co_operative.load(Loan, loan.id).status == "completed"


def test_a_repayment_undone_leaves_it_as_it_was_taken_over(co_operative):
    before = taken_over(co_operative, **IN_ARREARS)
    repayment_id = co_operative.repayment(before.id, 90_000_00)
    assert co_operative.load(Loan, before.id).status == "completed"
    co_operative.undo_repayment(before.id, repayment_id)
    after = co_operative.load(Loan, before.id)
    assert after.lines == before.lines
    assert after.is_open


def test_it_can_be_restructured(co_operative):
    loan = taken_over(co_operative, **IN_ARREARS)
    command = RestructureLoan(loan.id, co_operative.principal(), 12, None, None, "wages", TODAY)
    co_operative.dispatch(command)
    loan = co_operative.load(Loan, loan.id)
    assert loan.principal_cents == 70_000_00 + 964_00 + 260_00
    assert loan.opened_on == TODAY.isoformat()


def test_nobody_repays_it_here_on_a_day_of_the_older_books(co_operative):
    loan = taken_over(co_operative)
    with pytest.raises(RepaymentBeforeTakeOver):
        co_operative.repayment(loan.id, 1_000_00, paid_on=TODAY - timedelta(days=1))


def test_nobody_leaves_who_owes_it(co_operative):
    loan = taken_over(co_operative)
    with pytest.raises(LoansStillOwed):
        co_operative.dispatch(ExitMember(UUID(loan.member_id), "left", TODAY, TODAY))


@pytest.mark.parametrize("method", ["flat", "one_off_charge"])
def test_interest_that_is_not_on_the_balance_is_told_and_kept_to_the_cent(co_operative, method):
    period = "loan" if method == "one_off_charge" else "year"
    code = co_operative.product(interest_method=method, rate_period=period)
    loan = taken_over(
        co_operative,
        product_code=code,
        principal_cents=50_000_01,
        paid_cents=70_000_00,
        remaining_months=3,
        interest_to_come_cents=1_000_00,
    )
    assert sum(line["principal"] for line in loan.lines) == 50_000_01
    assert [line["interest"] for line in loan.lines] == [333_33, 333_33, 333_34]


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("principal_outstanding", {"principal_cents": 120_000_01}),
        ("principal_outstanding", {"principal_cents": 0, "paid_cents": 130_000_00}),
        ("principal_overdue", {"arrears": Arrears(60_000_01, since=date(2026, 11, 10))}),
        ("paid_so_far", {"paid_cents": 59_999_99}),
        ("disbursement_date", {"disbursed_on": TODAY + timedelta(days=1)}),
        ("overdue_since", {"arrears": Arrears(1_00)}),
        ("overdue_since", {"arrears": Arrears(since=date(2026, 11, 10))}),
        ("overdue_since", {"arrears": Arrears(1_00, since=TODAY)}),
        ("overdue_since", {"arrears": Arrears(1_00, since=date(2026, 5, 10))}),
        ("remaining_months", {"remaining_months": 0}),
        ("remaining_months", {"remaining_months": 120}),
        ("next_due_date", {"next_due_on": None}),
        ("next_due_date", {"next_due_on": TODAY - timedelta(days=1)}),
        ("next_due_date", {"next_due_on": TODAY + timedelta(days=93)}),
        ("interest_to_come", {"interest_to_come_cents": 1}),
        ("as_of", {"as_of": TODAY + timedelta(days=1)}),
        ("as_of", {"as_of": TODAY - timedelta(days=93)}),
    ],
)
def test_what_cannot_be_is_refused_by_the_name_of_its_column(co_operative, field, fields):
    with pytest.raises(InvalidInput) as refusal:
        co_operative.dispatch(taking_over(co_operative, **fields))
    assert refusal.value.field == field


def test_a_loan_is_taken_over_once_and_of_a_known_product(co_operative):
    command = taking_over(co_operative)
    co_operative.dispatch(command)
    with pytest.raises(LoanNumberTaken):
        co_operative.dispatch(replace(command, loan_id=uuid4()))
    with pytest.raises(LoanProductNotFound):
        co_operative.dispatch(taking_over(co_operative, product_code="unheard_of"))
