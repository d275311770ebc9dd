"""Cases: opened once, ended by what was missing, by agreement, or by two persons."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from consumers.mpesa.differences import payment_of
from domain.contributions.account import MemberAccount
from domain.identities import account_id, receipt_id
from domain.mpesa.payout import Payout
from domain.mpesa.receipt import Channel, Receipt
from domain.mpesa.reconciliation import DifferenceKind, compare
from domain.mpesa.reconciliation_case import Decision, Ending, Source
from domain.mpesa.reconciliation_errors import (
    CannotBePosted,
    CaseIsResolved,
    CaseNotFound,
    NothingDecided,
)
from domain.mpesa.reconciling import ConfirmDecision, ProposeDecision, TakeUpDifference
from domain.mpesa.statement import Window
from domain.principals.deciding import AnotherMustDecide, BeyondApprovalLimit, NotAnApprover
from domain.principals.principal import Role
from tests.support.co_operative import NOW
from tests.support.reconciling import BY, RULES, Reconciling
from tests.support.statements import FIRST, SHORT_CODE, Moved

NEVER = Window(FIRST, FIRST)
_numbers = iter(range(1_000, 9_000))


def moved(kind, shillings=900, **fields):
    """One that no other test here speaks of: they share a database."""
    return Moved(next(_numbers), kind, shillings, **fields)


def taken_up(co_operative, line, ours=(), *, source=Source.STATEMENT):
    [difference] = compare([line], ours, certain=NEVER).differences
    command = TakeUpDifference(
        short_code=SHORT_CODE,
        difference=difference,
        source=source,
        run_id=uuid4(),
        receipt=payment_of(line, short_code=SHORT_CODE, channel=Channel.STATEMENT, rules=RULES),
        by=BY,
        now=NOW,
    )
    return co_operative.dispatch(command)


def transferred(co_operative, shillings=900):
    """The case of money that went to the bank."""
    return taken_up(co_operative, moved("transfer", shillings).lines()[0])


def proposed(co_operative, case, *, by=None, decision=Decision.ACCEPT):
    by = by or co_operative.principal()
    return co_operative.dispatch(ProposeDecision(case.id, decision, "asked the bank", by, NOW))


def confirmed(co_operative, case, *, by=None, receipt=None):
    by = by or co_operative.principal()
    return co_operative.dispatch(ConfirmDecision(case.id, by, receipt, NOW))


def test_a_payment_that_was_missed_is_posted_to_the_member_and_its_case_is_over(co_operative):
    member_id = co_operative.member(member_number="DST4711")
    line = replace(moved("payment").lines()[0], account_number="DST4711")
    case = taken_up(co_operative, line)
    assert (case.kind, case.ending) == (DifferenceKind.ONLY_THERE, Ending.POSTED)
    account = co_operative.load(MemberAccount, account_id(member_id))
    assert account.contributed_cents == 900_00
    assert taken_up(co_operative, line) is None, "known by now"
    assert co_operative.load(MemberAccount, account_id(member_id)).contributed_cents == 900_00


def test_a_receipt_known_with_another_amount_is_a_case_of_its_own(co_operative):
    payment = moved("payment")
    Reconciling(co_operative).payment(payment, cents_more=100)
    case = taken_up(co_operative, payment.lines()[0])
    assert (case.kind, case.is_open, case.effect_cents) == (DifferenceKind.AMOUNT, True, -100)


def test_money_by_a_word_that_we_do_not_know_waits_for_a_person(co_operative):
    line = replace(moved("payment").lines()[0], reason_type="Something new")
    case = taken_up(co_operative, line)
    assert case.is_open
    receipt = payment_of(line, short_code=SHORT_CODE, channel=Channel.STATEMENT, rules=RULES)
    proposed(co_operative, case, decision=Decision.POST)
    assert confirmed(co_operative, case, receipt=receipt).ending == Ending.POSTED
    posted = co_operative.load(Receipt, receipt_id(line.receipt_number))
    assert posted.suspended_cents == 900_00


def test_whatever_is_pulled_is_a_customers_payment(co_operative):
    line = replace(moved("payment").lines()[0], reason_type="Something new")
    assert taken_up(co_operative, line, source=Source.PULL).ending == Ending.POSTED


def test_a_payout_in_doubt_is_settled_by_its_line(co_operative):
    paid = moved("payout", charge_shillings=5)
    payout_id = Reconciling(co_operative).payout(paid, in_doubt=True)
    ours = replace(paid.ours(), id=payout_id, receipt_number=None, moved=False, status="in_doubt")
    case = taken_up(co_operative, paid.lines()[-1], [ours])
    assert case.ending == Ending.SETTLED
    payout = co_operative.load(Payout, payout_id)
    assert (payout.state, payout.receipt_number) == ("succeeded", paid.receipt_number)


def test_a_payout_that_failed_here_and_left_there_is_for_a_person(co_operative):
    reconciling = Reconciling(co_operative)
    paid = moved("payout")
    payout_id = reconciling.payout(paid)
    other = moved("payout")
    ours = replace(
        paid.ours(),
        id=payout_id,
        receipt_number=None,
        moved=False,
        status="failed",
        phone=other.phone,
        begun_at=other.at,
        at=other.at,
    )
    case = taken_up(co_operative, other.lines()[-1], [ours])
    assert case.is_open
    assert co_operative.load(Payout, payout_id).state == "review"


def test_one_proposes_and_another_confirms(co_operative):
    case = transferred(co_operative)
    maker = co_operative.principal()
    proposed(co_operative, case, by=maker)
    with pytest.raises(AnotherMustDecide):
        confirmed(co_operative, case, by=maker)
    ended = confirmed(co_operative, case)
    assert (ended.ending, ended.explained_cents) == (Ending.ACCEPTED, -900_00)
    for again in (proposed, confirmed):
        with pytest.raises(CaseIsResolved):
            again(co_operative, case)


def test_nothing_is_confirmed_that_nobody_proposed(co_operative):
    with pytest.raises(NothingDecided):
        confirmed(co_operative, transferred(co_operative))


def test_only_an_approver_within_their_band_confirms(co_operative):
    case = transferred(co_operative, 2_000)
    proposed(co_operative, case)
    with pytest.raises(BeyondApprovalLimit):
        confirmed(co_operative, case, by=co_operative.principal(approval_limit_cents=1_999_99))
    with pytest.raises(NotAnApprover):
        confirmed(co_operative, case, by=co_operative.principal(roles=(Role.OPERATOR,)))
    with pytest.raises(NotAnApprover):
        confirmed(co_operative, case, by=str(uuid4()))


def test_a_balance_that_jumps_is_decided_by_who_may_approve_the_jump(co_operative):
    lines = [line for _ in range(3) for line in moved("payment").lines()]
    lines = [replace(ln, balance_cents=0) for ln in lines]
    [first, *_] = [
        each
        for each in compare(lines, (), certain=NEVER).differences
        if each.kind is DifferenceKind.RUNNING_BALANCE
    ]
    command = TakeUpDifference(
        SHORT_CODE, first, Source.STATEMENT, uuid4(), receipt=None, by=BY, now=NOW
    )
    case = co_operative.dispatch(command)
    assert (case.effect_cents, case.stake_cents) == (0, 900_00)


def test_money_that_went_out_cannot_be_posted(co_operative):
    case = transferred(co_operative)
    with pytest.raises(CannotBePosted):
        proposed(co_operative, case, decision=Decision.POST)


def test_there_is_no_case_that_nobody_opened(co_operative):
    with pytest.raises(CaseNotFound):
        co_operative.dispatch(ProposeDecision(uuid4(), Decision.ACCEPT, "x", BY, NOW))
