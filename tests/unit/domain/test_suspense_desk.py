"""What becomes of money in suspense: one person proposes, another agrees."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from domain.errors import InvalidInput
from domain.identities import receipt_id, refund_id, reversal_id
from domain.loans.errors import LoanNotOpen
from domain.loans.loan import Loan
from domain.members.commands import ExitMember
from domain.members.errors import MemberHasExited
from domain.mpesa import desk
from domain.mpesa.errors import NotWholeShillings, PayoutOutsideLimits
from domain.mpesa.payer import Payer
from domain.mpesa.payout import Payout
from domain.mpesa.receipt_errors import (
    MakerOnlyWithdraws,
    NobodyPaysOut,
    NoPhoneToRefund,
    NoSuchProposal,
    NotAllInSuspense,
    NotSoMuchInSuspense,
    ProposalWaits,
    PushAwaitsReceipt,
    PushNotMatching,
    ReceiptNotFound,
    SettledOtherwise,
)
from domain.mpesa.stk_push import Push, PushPurpose, PushState
from domain.principals.deciding import AnotherMustDecide, BeyondApprovalLimit, NotAnApprover
from domain.principals.principal import PrincipalKind, Role
from tests.support.co_operative import NOW, TODAY
from tests.support.push_states import account, push_in, receipt, state_of
from tests.unit.domain.test_account_numbers import number

MONTHLY, SHARES = PushPurpose.MONTHLY, PushPurpose.SHARE_CAPITAL
MAKER = str(uuid4())


@pytest.fixture(scope="module")
def checker(co_operative):
    return co_operative.principal()


def suspended(co_operative, **fields):
    told = number()
    co_operative.told(told, None, **fields)
    return told


def propose(co_operative, told, kind, **fields):
    """Answers the proposal's id."""
    proposal_id = uuid4()
    at_the_desk = {
        "receipt_id": receipt_id(told),
        "proposal_id": proposal_id,
        "principal_id": MAKER,
        "now": NOW,
        "note": "Jane says so",
    }
    co_operative.dispatch(kind(**(at_the_desk | fields)))
    return proposal_id


def decide(co_operative, told, proposal_id, kind, principal_id, **fields):
    fields = {"pays_from": "600992"} | fields if kind is desk.ConfirmProposal else fields
    return co_operative.dispatch(
        kind(
            receipt_id=receipt_id(told),
            proposal_id=proposal_id,
            principal_id=principal_id,
            now=NOW,
            **fields,
        )
    )


def confirm(co_operative, told, proposal_id, principal_id, **fields):
    return decide(co_operative, told, proposal_id, desk.ConfirmProposal, principal_id, **fields)


def assign(co_operative, told, checker, **target):
    proposal_id = propose(co_operative, told, desk.ProposeAssignment, **target)
    return confirm(co_operative, told, proposal_id, checker)


def test_nothing_moves_until_another_person_confirms(co_operative, checker):
    member, told = co_operative.member(), suspended(co_operative)
    proposal_id = propose(co_operative, told, desk.ProposeAssignment, member_id=member)
    assert receipt(co_operative, told).suspended_cents == 2_000_00
    assert account(co_operative, member).contributed_cents == 0
    confirm(co_operative, told, proposal_id, checker)
    held = receipt(co_operative, told)
    assert (held.suspended_cents, held.placed_cents, held.proposal) == (0, 2_000_00, None)
    assert account(co_operative, member).balances_cents[MONTHLY] == 2_000_00


def test_it_goes_where_the_purpose_says(co_operative, checker):
    member, told = co_operative.member(), suspended(co_operative)
    assign(co_operative, told, checker, member_id=member, purpose=SHARES)
    assert account(co_operative, member).balances_cents[SHARES] == 2_000_00


def test_it_repays_a_loan(co_operative, checker):
    loan_id, told = co_operative.loan(), suspended(co_operative)
    before = co_operative.load(Loan, loan_id).balance_cents
    assign(co_operative, told, checker, loan_id=loan_id)
    assert co_operative.load(Loan, loan_id).balance_cents == before - 2_000_00


def test_what_was_assigned_wrongly_is_taken_back_and_assigned_anew(co_operative, checker):
    """Twice to the same account: the second time must not be taken for the first."""
    member, told = co_operative.member(), suspended(co_operative)
    for _ in range(2):
        assign(co_operative, told, checker, member_id=member)
        assert account(co_operative, member).contributed_cents == 2_000_00
        [live] = [
            key
            for key, kept in account(co_operative, member).contributions.items()
            if not kept["reversed"]
        ]
        co_operative.reverse(member, UUID(live))
        held = receipt(co_operative, told)
        assert (held.suspended_cents, held.placed_cents) == (2_000_00, 0)
    loan_id = co_operative.loan()
    for _ in range(2):
        before = co_operative.load(Loan, loan_id).balance_cents
        assign(co_operative, told, checker, loan_id=loan_id)
        loan = co_operative.load(Loan, loan_id)
        assert loan.balance_cents == before - 2_000_00
        [live] = [k for k, kept in loan.repayments.items() if kept["state"] != "reversed"]
        co_operative.undo_repayment(loan_id, UUID(live))


def test_it_turns_out_to_be_the_receipt_of_a_push(co_operative, checker):
    member = co_operative.member()
    push, told = push_in(co_operative, member, "expired"), suspended(co_operative)
    assign(co_operative, told, checker, push_id=push)
    assert state_of(co_operative, push) == PushState.SUCCEEDED
    assert receipt(co_operative, told).push_id == str(push)
    assert account(co_operative, member).contributed_cents == 2_000_00


def test_the_receipt_of_a_push_that_was_posted_is_not_posted_again(co_operative, checker):
    member = co_operative.member()
    push, told = push_in(co_operative, member, "paid_receipt_awaited"), suspended(co_operative)
    with pytest.raises(PushAwaitsReceipt, match=str(push)):
        propose(co_operative, told, desk.ProposeAssignment, member_id=member)
    assign(co_operative, told, checker, push_id=push)
    assert receipt(co_operative, told).placed_cents == 2_000_00
    assert account(co_operative, member).contributed_cents == 2_000_00
    assert co_operative.load(Push, push).receipt_id == str(receipt_id(told))


def test_a_push_that_became_posted_meanwhile_stops_the_confirmation(co_operative, checker):
    member = co_operative.member()
    push, told = push_in(co_operative, member, "accepted"), suspended(co_operative)
    proposal_id = propose(co_operative, told, desk.ProposeAssignment, member_id=member)
    co_operative.queried(push, "0")
    with pytest.raises(PushAwaitsReceipt):
        confirm(co_operative, told, proposal_id, checker)
    assert account(co_operative, member).contributed_cents == 2_000_00


@pytest.mark.parametrize("where", ["succeeded", "failed", "cancelled"])
def test_a_push_with_its_receipt_or_failed_for_certain_takes_none(co_operative, where):
    push, told = push_in(co_operative, co_operative.member(), where), suspended(co_operative)
    with pytest.raises(PushNotMatching):
        propose(co_operative, told, desk.ProposeAssignment, push_id=push)


def test_a_push_for_another_amount_takes_none(co_operative):
    push = push_in(co_operative, co_operative.member(), "expired")
    told = suspended(co_operative, amount_cents=2_001_00)
    with pytest.raises(PushNotMatching):
        propose(co_operative, told, desk.ProposeAssignment, push_id=push)


def test_a_refund_goes_to_the_payer_by_a_payout_of_its_own(co_operative, checker):
    told = suspended(co_operative, payer=Payer(phone="254722555666"))
    proposal_id = propose(co_operative, told, desk.ProposeRefund)
    confirm(co_operative, told, proposal_id, checker)
    held = receipt(co_operative, told)
    assert (held.suspended_cents, held.refunding_cents, held.placed_cents) == (0, 2_000_00, 0)
    payout = co_operative.load(Payout, refund_id(proposal_id))
    assert (payout.phone, payout.amount_cents) == ("254722555666", 2_000_00)
    assert (payout.source_id, payout.requested_by) == (str(held.id), MAKER)
    assert (payout.approved_by, payout.short_code) == (checker, "600992")


def test_a_refund_to_a_number_that_was_given(co_operative, checker):
    told = suspended(co_operative, payer=Payer(masked_phone="2547 ***** 126"))
    with pytest.raises(NoPhoneToRefund):
        propose(co_operative, told, desk.ProposeRefund)
    proposal_id = propose(co_operative, told, desk.ProposeRefund, phone="0722 555 777")
    with pytest.raises(NobodyPaysOut):
        confirm(co_operative, told, proposal_id, checker, pays_from=None)
    confirm(co_operative, told, proposal_id, checker)
    assert co_operative.load(Payout, refund_id(proposal_id)).phone == "254722555777"


@pytest.mark.parametrize(("cents", "error"), [(50, NotWholeShillings), (900, PayoutOutsideLimits)])
def test_what_no_payout_can_carry_is_not_refunded(co_operative, cents, error):
    told = suspended(co_operative, amount_cents=cents, payer=Payer(phone="254722555666"))
    with pytest.raises(error):
        propose(co_operative, told, desk.ProposeRefund)


def test_a_reversal_gives_the_whole_receipt_back(co_operative, checker):
    told = suspended(co_operative)
    proposal_id = propose(co_operative, told, desk.ProposeReversal)
    confirm(co_operative, told, proposal_id, checker)
    held = receipt(co_operative, told)
    assert (held.suspended_cents, held.reversing_cents) == (0, 2_000_00)
    reversal = co_operative.load(Payout, reversal_id(told))
    assert (reversal.reverses, reversal.short_code) == (told, "174379")


def test_a_receipt_that_is_partly_placed_is_not_reversed(co_operative):
    member = co_operative.member()
    push = push_in(co_operative, member, "paid_receipt_awaited")
    told = number()
    co_operative.paid(push, receipt_number=told, amount_cents=2_500_00)
    assert receipt(co_operative, told).suspended_cents == 500_00
    with pytest.raises(NotAllInSuspense):
        propose(co_operative, told, desk.ProposeReversal)


@pytest.mark.parametrize("kind", [desk.ConfirmProposal, desk.RejectProposal])
def test_nobody_decides_what_they_proposed(co_operative, kind):
    maker = co_operative.principal()
    member, told = co_operative.member(), suspended(co_operative)
    proposal_id = propose(
        co_operative, told, desk.ProposeAssignment, member_id=member, principal_id=maker
    )
    note = {} if kind is desk.ConfirmProposal else {"note": "no"}
    with pytest.raises(AnotherMustDecide):
        decide(co_operative, told, proposal_id, kind, maker, **note)
    assert receipt(co_operative, told).proposal is not None


def test_the_second_person_is_an_approver_within_the_band_and_not_whose_money_it_becomes(
    co_operative,
):
    member, told = co_operative.member(), suspended(co_operative)
    proposal_id = propose(co_operative, told, desk.ProposeAssignment, member_id=member)
    for fields, error in (
        ({"roles": (Role.OPERATOR,)}, NotAnApprover),
        ({"kind": PrincipalKind.SYSTEM}, NotAnApprover),
        ({"approval_limit_cents": 1_999_99}, BeyondApprovalLimit),
        ({"member_id": member}, AnotherMustDecide),
    ):
        with pytest.raises(error):
            confirm(co_operative, told, proposal_id, co_operative.principal(**fields))
    with pytest.raises(NotAnApprover):
        confirm(co_operative, told, proposal_id, str(uuid4()))
    assert account(co_operative, member).contributed_cents == 0


def test_confirmed_twice_it_is_done_once(co_operative, checker):
    member, told = co_operative.member(), suspended(co_operative)
    proposal_id = propose(co_operative, told, desk.ProposeAssignment, member_id=member)
    confirm(co_operative, told, proposal_id, checker)
    with pytest.raises(NoSuchProposal):
        confirm(co_operative, told, proposal_id, checker)
    assert account(co_operative, member).contributed_cents == 2_000_00


def test_the_maker_takes_it_back_and_nobody_else(co_operative, checker):
    told = suspended(co_operative)
    proposal_id = propose(co_operative, told, desk.ProposeReversal)
    with pytest.raises(MakerOnlyWithdraws):
        decide(co_operative, told, proposal_id, desk.WithdrawProposal, checker)
    with pytest.raises(ProposalWaits):
        propose(co_operative, told, desk.ProposeReversal)
    decide(co_operative, told, proposal_id, desk.WithdrawProposal, MAKER)
    with pytest.raises(NoSuchProposal):
        confirm(co_operative, told, proposal_id, checker)
    again = propose(co_operative, told, desk.ProposeReversal)
    decide(co_operative, told, again, desk.RejectProposal, checker, note="keep it")
    assert receipt(co_operative, told).suspended_cents == 2_000_00


def test_money_that_changed_since_it_was_proposed_stops_the_confirmation(co_operative, checker):
    member = co_operative.member()
    push = push_in(co_operative, member, "paid_receipt_awaited")
    told = number()
    co_operative.paid(push, receipt_number=told, amount_cents=2_500_00)
    proposal_id = propose(co_operative, told, desk.ProposeAssignment, member_id=member)
    [posted] = account(co_operative, member).contributions
    co_operative.reverse(member, UUID(posted))
    with pytest.raises(NotSoMuchInSuspense):
        confirm(co_operative, told, proposal_id, checker)


def test_what_somebody_is_about_to_decide_is_not_placed_behind_their_back(co_operative):
    member = co_operative.member()
    push, told = push_in(co_operative, member, "accepted"), suspended(co_operative)
    propose(co_operative, told, desk.ProposeReversal)
    co_operative.paid(push, receipt_number=told)
    held = receipt(co_operative, told)
    assert (held.push_id, held.suspended_cents) == (str(push), 2_000_00)
    assert account(co_operative, member).contributed_cents == 0


def test_where_nothing_is_in_suspense_nothing_is_proposed(co_operative):
    push = push_in(co_operative, co_operative.member(), "accepted")
    co_operative.paid(push, receipt_number=(told := number()))
    with pytest.raises(NotSoMuchInSuspense):
        propose(co_operative, told, desk.ProposeAssignment, member_id=co_operative.member())
    with pytest.raises(ReceiptNotFound):
        propose(co_operative, number(), desk.ProposeReversal)


def test_who_left_and_a_loan_that_takes_nothing_are_assigned_nothing(co_operative):
    told, gone = suspended(co_operative), co_operative.member()
    co_operative.dispatch(ExitMember(gone, "moved abroad", TODAY, TODAY))
    with pytest.raises(MemberHasExited):
        propose(co_operative, told, desk.ProposeAssignment, member_id=gone)
    with pytest.raises(LoanNotOpen):
        propose(co_operative, told, desk.ProposeAssignment, loan_id=co_operative.application())


@pytest.mark.parametrize(
    "target",
    [
        {},
        {"member_id": uuid4(), "loan_id": uuid4()},
        {"loan_id": uuid4(), "purpose": SHARES},
        {"member_id": uuid4(), "purpose": PushPurpose.LOAN_REPAYMENT},
    ],
)
def test_an_assignment_names_one_place(co_operative, target):
    told = suspended(co_operative)
    with pytest.raises(InvalidInput):
        propose(co_operative, told, desk.ProposeAssignment, **target)


def test_money_that_goes_back_ends_in_one_way(co_operative, checker):
    told = suspended(co_operative, payer=Payer(phone="254722555666"))
    proposal_id = propose(co_operative, told, desk.ProposeRefund)
    held = confirm(co_operative, told, proposal_id, checker)
    payout_id = refund_id(proposal_id)
    for _ in range(2):
        held.return_refund(payout_id=payout_id)
        assert (held.suspended_cents, held.refunding_cents) == (2_000_00, 0)
    with pytest.raises(SettledOtherwise):
        held.finish_refund(payout_id=payout_id)
    other = uuid4()
    for _ in range(2):
        held.start_refund(payout_id=other, amount_cents=2_000_00)
        held.finish_refund(payout_id=other)
        assert (held.refunding_cents, held.refunded_cents) == (0, 2_000_00)
    with pytest.raises(SettledOtherwise):
        held.return_refund(payout_id=other)
    with pytest.raises(NotSoMuchInSuspense):
        held.start_refund(payout_id=uuid4(), amount_cents=1)
