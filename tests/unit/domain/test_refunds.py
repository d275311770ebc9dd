"""Refunds to members: proposed by one, confirmed by another, held back until it is known."""

import pytest

from domain.contributions.errors import (
    BalanceTooLowToRefund,
    LoansBeforeRefund,
    RefundNotProposed,
    RefundReferenceUsed,
)
from domain.contributions.refund import Refund, RefundMethod
from domain.contributions.refunds import RejectRefund
from domain.contributions.rules import ContributionType
from domain.errors import InvalidInput
from domain.loans.commands import DeclineLoan
from domain.members.commands import ExitMember, SuspendMember
from domain.members.errors import MemberNotActive, MoneyStillHeld, RefundOnItsWay
from domain.mpesa.payout import Payout
from domain.principals.deciding import AnotherMustDecide, BeyondApprovalLimit, NotAnApprover
from domain.principals.principal import Role
from tests.support import payout_states as told
from tests.support.co_operative import TODAY
from tests.support.payout_states import refund_confirmed, refund_proposed
from tests.support.push_states import account

CASH = {"payment_method": RefundMethod.CASH, "payment_reference": "V-1"}


@pytest.fixture
def member(co_operative):
    """Holds deposits of 2,000.50."""
    member_id = co_operative.member()
    co_operative.contribution(member_id, amount_cents=2_000_50)
    return member_id


def balance(co_operative, member):
    held = account(co_operative, member)
    assert held.contributed_cents == sum(held.balances_cents.values())
    return held.balances_cents[ContributionType.MONTHLY]


def test_the_balance_goes_down_with_the_confirmation_and_the_money_with_the_payout(
    co_operative, member
):
    refund = refund_proposed(co_operative, member)
    assert balance(co_operative, member) == 2_000_50
    payout = refund_confirmed(co_operative, refund)
    assert balance(co_operative, member) == 1_000_50
    told.sending_started(co_operative, payout)
    told.result_paid(co_operative, payout)
    assert balance(co_operative, member) == 1_000_50
    assert co_operative.load(Refund, refund).state == "paid"


def test_what_did_not_reach_the_member_is_in_the_balance_again(co_operative, member):
    refund = refund_proposed(co_operative, member)
    payout = refund_confirmed(co_operative, refund)
    told.sending_started(co_operative, payout)
    for _ in range(2):
        told.not_paid(co_operative, payout)
    assert balance(co_operative, member) == 2_000_50
    assert co_operative.load(Refund, refund).state == "returned"


def test_cash_pays_cents_and_is_done_with_the_confirmation(co_operative, member):
    refund = refund_proposed(co_operative, member, amount_cents=2_000_50, **CASH)
    refund_confirmed(co_operative, refund)
    assert co_operative.load(Refund, refund).state == "paid"
    assert balance(co_operative, member) == 0
    co_operative.dispatch(ExitMember(member, "moved abroad", TODAY, TODAY))


def test_nobody_confirms_what_they_proposed_or_what_is_their_own(co_operative, member):
    maker = co_operative.principal()
    refund = refund_proposed(co_operative, member, principal_id=maker)
    own = co_operative.principal(member_id=member)
    small = co_operative.principal(approval_limit_cents=999_99)
    clerk = co_operative.principal(roles=(Role.OPERATOR,))
    for principal, error in (
        (maker, AnotherMustDecide),
        (own, AnotherMustDecide),
        (small, BeyondApprovalLimit),
        (clerk, NotAnApprover),
    ):
        with pytest.raises(error):
            refund_confirmed(co_operative, refund, principal_id=principal)
    assert balance(co_operative, member) == 2_000_50


def test_no_more_is_refunded_than_is_there_however_many_propose_it(co_operative, member):
    with pytest.raises(BalanceTooLowToRefund, match=r"2,000\.50"):
        refund_proposed(co_operative, member, amount_cents=2_001_00)
    first, second = (refund_proposed(co_operative, member, amount_cents=1_500_00) for _ in "12")
    refund_confirmed(co_operative, first)
    with pytest.raises(BalanceTooLowToRefund):
        refund_confirmed(co_operative, second)


def test_who_asks_for_has_or_owes_a_loan_is_refunded_nothing(co_operative):
    member = co_operative.borrower()
    proposed_before = refund_proposed(co_operative, member)
    loan_id = co_operative.application(member)
    with pytest.raises(LoansBeforeRefund):
        refund_proposed(co_operative, member)
    with pytest.raises(LoansBeforeRefund):
        refund_confirmed(co_operative, proposed_before)
    co_operative.dispatch(DeclineLoan(loan_id, co_operative.principal(), "no", TODAY))
    refund_confirmed(co_operative, proposed_before)


def test_who_is_suspended_is_refunded_nothing(co_operative, member):
    refund = refund_proposed(co_operative, member, **CASH)
    co_operative.dispatch(SuspendMember(member, "asked by the board", TODAY))
    with pytest.raises(MemberNotActive):
        refund_confirmed(co_operative, refund)


def test_nobody_leaves_while_money_of_theirs_is_on_its_way(co_operative):
    member = co_operative.member()
    co_operative.contribution(member, amount_cents=1_000_00)
    leave = ExitMember(member, "moved abroad", TODAY, TODAY)
    with pytest.raises(MoneyStillHeld):
        co_operative.dispatch(leave)
    payout = refund_confirmed(co_operative, refund_proposed(co_operative, member))
    with pytest.raises(RefundOnItsWay):
        co_operative.dispatch(leave)
    told.sending_started(co_operative, payout)
    told.result_paid(co_operative, payout)
    co_operative.dispatch(leave)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("contribution_type", {"contribution_type": ContributionType.REGISTRATION_FEE}),
        ("payment_reference", {"payment_method": RefundMethod.BANK}),
        ("payment_reference", {"payment_reference": "V-1"}),
        ("reason", {"reason": " "}),
    ],
)
def test_a_proposal_that_makes_no_sense_is_refused(co_operative, member, field, wrong):
    with pytest.raises(InvalidInput) as refused:
        refund_proposed(co_operative, member, **wrong)
    assert refused.value.field == field


def test_one_voucher_pays_one_refund_of_a_member(co_operative, member):
    first, second = (refund_proposed(co_operative, member, **CASH) for _ in "12")
    refund_confirmed(co_operative, first)
    with pytest.raises(RefundReferenceUsed):
        refund_confirmed(co_operative, second)


def test_who_proposed_it_may_take_it_back_and_others_need_the_role(co_operative, member):
    maker = str(co_operative.principal(roles=(Role.OPERATOR,)))
    refund = refund_proposed(co_operative, member, principal_id=maker)
    clerk = co_operative.principal(roles=(Role.OPERATOR,))
    with pytest.raises(NotAnApprover):
        co_operative.dispatch(RejectRefund(refund, clerk, "no", TODAY))
    co_operative.dispatch(RejectRefund(refund, maker, "a mistake", TODAY))
    with pytest.raises(RefundNotProposed):
        refund_confirmed(co_operative, refund)


def test_a_failure_that_was_untrue_takes_the_money_out_again_where_it_is_there(co_operative):
    for spent, is_placed in ((False, True), (True, False)):
        member = co_operative.member()
        co_operative.contribution(member, amount_cents=1_000_00)
        payout = refund_confirmed(co_operative, refund_proposed(co_operative, member))
        told.sending_started(co_operative, payout)
        told.not_paid(co_operative, payout)
        if spent:
            cash = refund_proposed(co_operative, member, **CASH)
            refund_confirmed(co_operative, cash)
        told.result_paid(co_operative, payout)
        told.settled_by_persons(co_operative, payout, is_paid=True)
        assert balance(co_operative, member) == 0
        settled = co_operative.load(Payout, payout)
        assert settled.source_was_told == ("paid" if is_placed else "not_paid")


def test_a_success_that_was_untrue_brings_the_money_back(co_operative, member):
    payout = refund_confirmed(co_operative, refund_proposed(co_operative, member))
    told.sending_started(co_operative, payout)
    told.result_paid(co_operative, payout)
    told.not_paid(co_operative, payout)
    told.settled_by_persons(co_operative, payout, is_paid=False)
    assert balance(co_operative, member) == 2_000_50
