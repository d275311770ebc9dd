"""Loans paid out by M-Pesa: one disbursement, in parts, each sent once the last has been paid."""

from datetime import date, timedelta
from uuid import UUID

import pytest

from domain.contributions.rules import ContributionType
from domain.loans.commands import ApproveLoan, DisburseLoan, PayOut, PayOutLoan
from domain.loans.errors import (
    NotApproved,
    PayoutUnderReview,
    PayoutUnderWay,
    TooLittleByMpesa,
)
from domain.loans.first_due import first_due
from domain.loans.loan import Loan
from domain.loans.payouts import parts_of
from domain.members.commands import ChangeContact, ExitMember, SuspendMember
from domain.members.errors import LoansStillOwed, MemberNotActive
from domain.mpesa.errors import DisbursementAboveMpesaLimit
from domain.mpesa.outcome import Outcome
from domain.mpesa.payout import Payout
from domain.mpesa.payout_states import HeldBecause
from tests.support import payout_states as told
from tests.support.co_operative import NOW, TODAY
from tests.support.payout_states import loan_paid_out, payout_of_loan
from tests.support.push_states import account

LARGE = {"amount_cents": 300_000_00, "approval_limit_cents": 1_000_000_00}


def loan_of(co_operative, loan_id):
    return co_operative.load(Loan, loan_id)


def sent(co_operative, loan_id, number=None):
    """Its payout, sent and taken."""
    payout = payout_of_loan(co_operative, loan_id, number=number)
    told.sending_started(co_operative, payout)
    told.taken(co_operative, payout)
    return payout


def counter(loan_id):
    return DisburseLoan(loan_id, "cash", f"V{loan_id.hex[:8]}", TODAY, None, TODAY)


@pytest.mark.parametrize(
    ("shillings", "parts"),
    [
        (10, [10]),
        (250_000, [250_000]),
        (250_001, [249_991, 10]),
        (250_010, [250_000, 10]),
        (400_000, [250_000, 150_000]),
        (500_000, [250_000, 250_000]),
    ],
)
def test_a_sum_goes_out_in_two_parts_at_most_that_mpesa_can_carry(shillings, parts):
    assert parts_of(shillings * 100 + 99) == [part * 100 for part in parts]


def test_too_much_and_too_little_go_another_way():
    with pytest.raises(DisbursementAboveMpesaLimit, match="500,000"):
        parts_of(500_001_00)
    with pytest.raises(TooLittleByMpesa):
        parts_of(9_99)


def test_an_approved_loan_is_paid_out_once_its_payout_has_been_paid(co_operative):
    loan_id = loan_paid_out(co_operative)
    payout = sent(co_operative, loan_id)
    assert loan_of(co_operative, loan_id).status == "approved"
    told.result_paid(co_operative, payout, completed_at=NOW - timedelta(days=1))
    loan = loan_of(co_operative, loan_id)
    assert (loan.status, loan.payout, loan.opened_on) == ("active", None, "2026-11-22")
    assert loan.lines[0]["due_on"] == "2026-12-22"
    assert loan.paid_out_cents == loan.amount_cents - loan.kept_back_cents == 29_550_00


def test_what_mpesa_cannot_move_goes_to_the_deposits_in_the_same_append(co_operative):
    member = co_operative.borrower()
    loan_id = loan_paid_out(co_operative, member_id=member, amount_cents=30_000_50)
    payout = sent(co_operative, loan_id)
    net_cents = 30_000_50 - loan_of(co_operative, loan_id).kept_back_cents
    assert net_cents % 100
    before = account(co_operative, member).balances_cents[ContributionType.MONTHLY]
    told.result_paid(co_operative, payout)
    told.result_paid(co_operative, payout)
    after = account(co_operative, member).balances_cents[ContributionType.MONTHLY]
    assert co_operative.load(Payout, payout).amount_cents == net_cents // 100 * 100
    assert after - before == net_cents % 100


def test_the_second_part_is_asked_for_only_when_the_first_has_been_paid(co_operative):
    loan_id = loan_paid_out(co_operative, **LARGE)
    first = sent(co_operative, loan_id)
    told.result(co_operative, first, "26")
    assert loan_of(co_operative, loan_id).payouts_begun == 1
    told.status(co_operative, first, "Completed")
    loan = loan_of(co_operative, loan_id)
    assert (loan.status, loan.payouts_begun, loan.paid_out_cents) == ("approved", 2, 250_000_00)
    told.result_paid(co_operative, sent(co_operative, loan_id))
    loan = loan_of(co_operative, loan_id)
    assert (loan.status, loan.paid_out_cents) == ("active", 295_500_00)


def test_while_it_is_under_way_no_other_way_of_paying_it_out_is_possible(co_operative):
    loan_id = loan_paid_out(co_operative)
    with pytest.raises(PayoutUnderWay):
        co_operative.dispatch(counter(loan_id))
    with pytest.raises(PayoutUnderWay):
        told.paid_out_again(co_operative, loan_id)
    member = UUID(loan_of(co_operative, loan_id).member_id)
    with pytest.raises(LoansStillOwed):
        co_operative.dispatch(ExitMember(member, "leaves", TODAY, TODAY))
    told.result_paid(co_operative, sent(co_operative, loan_id))
    with pytest.raises(NotApproved):
        co_operative.dispatch(counter(loan_id))


def test_after_a_failure_a_person_pays_it_out_by_a_new_payout_or_at_the_counter(co_operative):
    for again in (told.paid_out_again, lambda c, loan_id: c.dispatch(counter(loan_id))):
        loan_id = loan_paid_out(co_operative)
        told.not_paid(co_operative, sent(co_operative, loan_id))
        loan = loan_of(co_operative, loan_id)
        assert (loan.status, loan.payout, loan.unpaid_cents) == ("approved", None, 29_550_00)
        again(co_operative, loan_id)
    assert loan_of(co_operative, loan_id).status == "active"


def test_the_rest_of_a_loan_partly_paid_out_may_be_paid_at_the_counter(co_operative):
    loan_id = loan_paid_out(co_operative, **LARGE)
    told.result_paid(co_operative, sent(co_operative, loan_id))
    told.not_paid(co_operative, sent(co_operative, loan_id), "8")
    loan = loan_of(co_operative, loan_id)
    assert (loan.status, loan.paid_out_cents, loan.unpaid_cents) == (
        *("approved", 250_000_00),
        45_500_00,
    )
    co_operative.dispatch(counter(loan_id))
    loan = loan_of(co_operative, loan_id)
    assert (loan.status, loan.paid_out_cents) == ("active", 250_000_00)


def test_a_loan_too_large_for_mpesa_is_not_even_approved_by_it(co_operative):
    loan_id = co_operative.application(amount_cents=600_000_00)
    approver = co_operative.principal()
    by_mpesa = PayOut(told.short_code(), NOW)
    with pytest.raises(DisbursementAboveMpesaLimit, match="bank"):
        co_operative.dispatch(ApproveLoan(loan_id, approver, None, TODAY, by_mpesa))
    assert loan_of(co_operative, loan_id).status == "pending"


def test_a_loan_approved_before_is_paid_out_when_somebody_asks_for_it(co_operative):
    loan_id = co_operative.approved_loan()
    due = TODAY + timedelta(days=45)
    co_operative.dispatch(
        PayOutLoan(loan_id, co_operative.principal(), due, PayOut(told.short_code(), NOW))
    )
    told.result_paid(co_operative, sent(co_operative, loan_id))
    assert loan_of(co_operative, loan_id).lines[0]["due_on"] == due.isoformat()


def test_a_first_due_day_that_has_passed_gives_way_to_a_month_later():
    paid_out = date(2026, 11, 23)
    assert first_due(date(2026, 11, 30), paid_out_on=paid_out) == date(2026, 11, 30)
    assert first_due(date(2026, 11, 23), paid_out_on=paid_out) == date(2026, 12, 23)
    assert first_due(None, paid_out_on=paid_out) == date(2026, 12, 23)


def test_it_goes_to_the_phone_that_is_the_members_when_it_is_sent(co_operative):
    member = co_operative.borrower()
    loan_id = loan_paid_out(co_operative, member_id=member)
    co_operative.dispatch(ChangeContact(member, "0722999888", None))
    payout = told.sending_started(co_operative, payout_of_loan(co_operative, loan_id))
    assert payout.phone == "254722999888"


def test_it_waits_while_the_member_is_suspended(co_operative):
    member = co_operative.borrower()
    loan_id = loan_paid_out(co_operative, member_id=member)
    co_operative.dispatch(SuspendMember(member, "asked by the board", TODAY))
    payout = payout_of_loan(co_operative, loan_id)
    assert told.sending_started(co_operative, payout) is HeldBecause.MEMBER_SUSPENDED
    told.not_paid(co_operative, payout, "1")
    with pytest.raises(MemberNotActive):
        told.paid_out_again(co_operative, loan_id)


# Contradictions.


def test_a_failure_that_was_untrue_counts_where_the_loan_still_waits(co_operative):
    loan_id = loan_paid_out(co_operative)
    payout = sent(co_operative, loan_id)
    told.not_paid(co_operative, payout)
    assert told.result_paid(co_operative, payout) is Outcome.CONTRADICTS_PAYOUT
    for refused in (told.paid_out_again, lambda c, loan_id: c.dispatch(counter(loan_id))):
        with pytest.raises(PayoutUnderReview):
            refused(co_operative, loan_id)
    told.settled_by_persons(co_operative, payout, is_paid=True)
    assert loan_of(co_operative, loan_id).status == "active"
    assert co_operative.load(Payout, payout).source_was_told == "paid"


def test_a_payout_in_its_place_does_not_leave_while_that_is_under_review(co_operative):
    loan_id = loan_paid_out(co_operative)
    first = sent(co_operative, loan_id)
    told.not_paid(co_operative, first)
    told.paid_out_again(co_operative, loan_id)
    told.result_paid(co_operative, first)
    second = payout_of_loan(co_operative, loan_id)
    assert told.sending_started(co_operative, second) is HeldBecause.EARLIER_UNDER_REVIEW
    told.settled_by_persons(co_operative, first, is_paid=True)
    assert told.state_of(co_operative, second) == "failed", "called off"
    assert loan_of(co_operative, loan_id).status == "active"


def test_one_in_its_place_that_has_left_shows_that_the_member_was_paid_twice(co_operative):
    loan_id = loan_paid_out(co_operative)
    first = sent(co_operative, loan_id)
    told.not_paid(co_operative, first)
    told.paid_out_again(co_operative, loan_id)
    told.result_paid(co_operative, sent(co_operative, loan_id))
    told.result_paid(co_operative, first)
    told.settled_by_persons(co_operative, first, is_paid=True)
    settled = co_operative.load(Payout, first)
    assert (settled.state, settled.source_was_told) == ("succeeded", "not_paid")
    assert loan_of(co_operative, loan_id).paid_out_cents == 29_550_00


def test_a_success_that_was_untrue_gives_the_money_to_the_members_deposits(co_operative):
    member = co_operative.borrower()
    loan_id = loan_paid_out(co_operative, member_id=member)
    payout = sent(co_operative, loan_id)
    told.result_paid(co_operative, payout)
    told.status(co_operative, payout, "Failed")
    before = account(co_operative, member).contributed_cents
    told.settled_by_persons(co_operative, payout, is_paid=False)
    assert loan_of(co_operative, loan_id).status == "active"
    assert account(co_operative, member).contributed_cents - before == 29_550_00
