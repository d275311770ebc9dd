"""Asking for money, and where the money goes once it came."""

from uuid import uuid4

import pytest

from domain.contributions.errors import AmountBelowMinimum
from domain.contributions.rules import ContributionType
from domain.errors import InvalidInput
from domain.identities import receipt_id
from domain.members.errors import MemberNotFound
from domain.mpesa.commands import RecordQueryAnswer
from domain.mpesa.errors import (
    AccountReferenceTaken,
    AmountAboveMpesaLimit,
    PaymentRequestAlreadyWaiting,
    PushNotFound,
)
from domain.mpesa.outcome import Outcome
from domain.mpesa.receipt import Receipt, SuspenseReason
from domain.mpesa.result_codes import STK_RESULT_CODES, Verdict, stk_meaning, stk_verdict
from domain.mpesa.stk_push import Push
from infra.event_store.unit_of_work import UnitOfWork
from tests.support.co_operative import CAUSE, NOW
from tests.support.push_states import (
    account,
    failed,
    push_in,
    queried,
    receipt,
    receipt_number_of,
    state_of,
)


def suspense_reason(co_operative, receipt_number):
    with co_operative.store.pool.connection() as connection:
        row = connection.execute(
            "SELECT convert_from(state, 'UTF8')::json ->> 'reason' FROM event_store.events"
            " WHERE stream_id = %s AND topic = 'receipt.suspended'",
            (receipt_id(receipt_number),),
        ).fetchone()
    return row and row[0]


def exists(co_operative, receipt_number):
    unit = UnitOfWork(co_operative.store, CAUSE)
    return unit.find(Receipt, receipt_id(receipt_number)) is not None


# Asking.


def test_a_push_goes_to_the_members_own_phone_unless_another_is_named(co_operative):
    member = co_operative.member(phone="0722111000")
    assert co_operative.load(Push, co_operative.push(member)).phone == "254722111000"
    other = co_operative.push(member, phone="+254 722 111 001")
    assert co_operative.load(Push, other).phone == "254722111001"


def test_a_phone_shared_by_two_members_is_asked_once_at_a_time(co_operative):
    first, second = (co_operative.member(phone="0722222000") for _ in range(2))
    co_operative.push(first)
    with pytest.raises(PaymentRequestAlreadyWaiting):
        co_operative.push(second)
    with pytest.raises(PaymentRequestAlreadyWaiting):
        co_operative.push(second, phone="254722222000")


def test_a_push_asks_for_whole_shillings_enough_to_cover_the_amount(co_operative):
    push = co_operative.load(Push, co_operative.push(co_operative.member(), amount_cents=500_01))
    assert (push.amount_cents, push.push_shillings, push.push_cents) == (500_01, 501, 501_00)


def test_a_push_asks_for_no_more_than_mpesa_moves(co_operative):
    co_operative.push(co_operative.member(), amount_cents=250_000_00)
    with pytest.raises(AmountAboveMpesaLimit):
        co_operative.push(co_operative.member(), amount_cents=250_000_01)


def test_a_push_asks_for_no_less_than_the_minimum(co_operative):
    with pytest.raises(AmountBelowMinimum):
        co_operative.push(co_operative.member(), amount_cents=499_99)


def test_a_push_needs_a_member_a_phone_and_a_reference_of_its_own(co_operative):
    with pytest.raises(MemberNotFound):
        co_operative.push(uuid4())
    with pytest.raises(InvalidInput):
        co_operative.push(co_operative.member(), phone="12345")
    co_operative.push(co_operative.member(), account_reference="SAMEREF00001")
    with pytest.raises(AccountReferenceTaken):
        co_operative.push(co_operative.member(), account_reference="SAMEREF00001")


def test_nobody_tells_of_a_push_that_was_never_asked_for(co_operative):
    with pytest.raises(PushNotFound):
        co_operative.dispatch(RecordQueryAnswer(uuid4(), "0", "", NOW))
    for step in (failed("1"), queried("0")):
        with pytest.raises(Exception, match="no "):
            step(co_operative, uuid4())


# Where the money goes.


@pytest.mark.parametrize("awaited", [False, True])
def test_the_surplus_of_rounding_up_goes_to_deposits(co_operative, awaited):
    member = co_operative.member()
    shares = ContributionType.SHARE_CAPITAL
    push = push_in(co_operative, member, "accepted", purpose=shares, amount_cents=1_000_25)
    if awaited:
        co_operative.queried(push, "0")
    co_operative.paid(push)
    after = account(co_operative, member)
    assert after.balances_cents["share_capital"] == 1_000_25
    assert after.balances_cents["monthly"] == 75
    assert after.contributed_cents == 1_001_00


def test_a_deposit_rounded_up_is_one_contribution(co_operative):
    member = co_operative.member()
    co_operative.paid(push_in(co_operative, member, "accepted", amount_cents=500_01))
    after = account(co_operative, member)
    assert [c["amount_cents"] for c in after.contributions.values()] == [501_00]


@pytest.mark.parametrize("amount_cents", [1_999_00, 2_001_00, 1, 2_000_50])
def test_another_amount_goes_to_suspense(co_operative, amount_cents):
    member = co_operative.member()
    push = push_in(co_operative, member, "accepted")
    assert co_operative.paid(push, amount_cents=amount_cents) is Outcome.APPLIED
    assert account(co_operative, member).contributed_cents == 0
    number = receipt_number_of(push)
    assert receipt(co_operative, number).suspended_cents == amount_cents
    assert suspense_reason(co_operative, number) == SuspenseReason.AMOUNT_MISMATCH
    assert state_of(co_operative, push) == "succeeded"


def test_another_payer_goes_to_suspense(co_operative):
    member = co_operative.member()
    push = push_in(co_operative, member, "accepted")
    co_operative.paid(push, payer_phone="254700999999")
    assert account(co_operative, member).contributed_cents == 0
    number = receipt_number_of(push)
    assert suspense_reason(co_operative, number) == SuspenseReason.PAYER_MISMATCH


def test_a_hidden_payer_is_believed(co_operative):
    member = co_operative.member()
    co_operative.paid(push_in(co_operative, member, "accepted"), payer_phone=None)
    assert account(co_operative, member).contributed_cents == 2_000_00


@pytest.mark.parametrize("where", ["failed", "cancelled", "rejected"])
def test_success_after_a_definite_failure_goes_to_suspense(co_operative, where):
    member = co_operative.member()
    push = push_in(co_operative, member, where)
    assert co_operative.paid(push) is Outcome.APPLIED
    assert account(co_operative, member).contributed_cents == 0
    number = receipt_number_of(push)
    assert suspense_reason(co_operative, number) == SuspenseReason.PUSH_ALREADY_CLOSED


# The same money told twice, in every order.


def test_a_receipt_then_a_query_posts_once(co_operative):
    member = co_operative.member()
    push = push_in(co_operative, member, "accepted")
    assert co_operative.paid(push) is Outcome.APPLIED
    assert co_operative.queried(push, "0") is Outcome.ALREADY_KNOWN
    assert account(co_operative, member).contributed_cents == 2_000_00


def test_a_query_then_a_receipt_posts_once_and_ties_them(co_operative):
    member = co_operative.member()
    push = push_in(co_operative, member, "accepted")
    assert co_operative.queried(push, "0") is Outcome.APPLIED
    assert co_operative.queried(push, "0") is Outcome.ALREADY_KNOWN
    assert co_operative.paid(push) is Outcome.APPLIED
    assert co_operative.paid(push) is Outcome.ALREADY_KNOWN
    assert account(co_operative, member).contributed_cents == 2_000_00
    known = receipt(co_operative, receipt_number_of(push))
    assert (known.push_id, known.suspended_cents, known.unplaced_cents) == (str(push), 0, 0)


def test_what_a_late_receipt_brings_beyond_what_was_posted_goes_to_suspense(co_operative):
    member = co_operative.member()
    push = push_in(co_operative, member, "paid_receipt_awaited")
    assert co_operative.paid(push, amount_cents=2_300_00) is Outcome.APPLIED
    assert account(co_operative, member).contributed_cents == 2_000_00
    assert receipt(co_operative, receipt_number_of(push)).suspended_cents == 300_00


def test_a_late_receipt_for_less_than_was_posted_is_kept_and_shown_to_a_person(co_operative):
    member = co_operative.member()
    push = push_in(co_operative, member, "paid_receipt_awaited")
    outcome = co_operative.paid(push, amount_cents=1_500_00)
    assert outcome is Outcome.RECEIPT_BELOW_POSTED
    assert outcome.needs_a_person
    known = receipt(co_operative, receipt_number_of(push))
    assert (known.amount_cents, known.suspended_cents, known.unplaced_cents) == (1_500_00, 0, 0)
    assert state_of(co_operative, push) == "succeeded"
    assert co_operative.paid(push, amount_cents=1_500_00) is Outcome.ALREADY_KNOWN


@pytest.mark.parametrize("spelling", [" {} ", "{}"])
def test_a_receipt_number_is_one_whatever_its_spelling(co_operative, spelling):
    push = push_in(co_operative, co_operative.member(), "succeeded")
    number = spelling.format(receipt_number_of(push).lower())
    assert co_operative.paid(push, receipt_number=number) is Outcome.ALREADY_KNOWN


def test_a_second_receipt_for_a_push_is_held_in_suspense_and_shown_to_a_person(co_operative):
    member = co_operative.member()
    push = push_in(co_operative, member, "succeeded")
    outcome = co_operative.paid(push, receipt_number="SECOND1234")
    assert outcome is Outcome.SECOND_RECEIPT
    assert outcome.needs_a_person
    assert account(co_operative, member).contributed_cents == 2_000_00
    second = co_operative.load(Receipt, receipt_id("SECOND1234"))
    assert second.suspended_cents == second.amount_cents
    assert co_operative.paid(push, receipt_number="SECOND1234") is Outcome.SECOND_RECEIPT


@pytest.mark.parametrize("where", ["accepted", "paid_receipt_awaited", "failed"])
def test_a_receipt_of_another_push_posts_nothing_and_is_shown_to_a_person(co_operative, where):
    owner, other = co_operative.member(), co_operative.member()
    number = receipt_number_of(push_in(co_operative, owner, "succeeded"))
    push = push_in(co_operative, other, where)
    before = account(co_operative, other).contributed_cents
    outcome = co_operative.paid(push, receipt_number=number)
    assert outcome is Outcome.RECEIPT_OF_ANOTHER_PUSH
    assert outcome.needs_a_person
    assert account(co_operative, other).contributed_cents == before
    assert state_of(co_operative, push) == where


def test_a_callback_with_another_checkout_id_changes_nothing(co_operative):
    member = co_operative.member()
    push = push_in(co_operative, member, "accepted")
    for code in ("0", "1", "1037"):
        outcome = co_operative.paid(push, checkout_request_id="ws_CO_other", result_code=code)
        assert outcome is Outcome.OTHER_CHECKOUT_REQUEST
        assert outcome.needs_a_person
    assert state_of(co_operative, push) == "accepted"
    assert account(co_operative, member).contributed_cents == 0


@pytest.mark.parametrize("where", ["succeeded", "paid_receipt_awaited"])
@pytest.mark.parametrize("step", [failed("1"), failed("1032"), queried("1"), queried("1032")])
def test_failure_told_after_payment_is_shown_to_a_person(co_operative, where, step):
    member = co_operative.member()
    outcome = step(co_operative, push_in(co_operative, member, where))
    assert outcome is Outcome.CONTRADICTS_PAYMENT
    assert outcome.needs_a_person
    assert account(co_operative, member).contributed_cents == 2_000_00


@pytest.mark.parametrize("where", ["failed", "cancelled", "rejected"])
def test_a_query_alone_does_not_turn_a_definite_failure_into_money(co_operative, where):
    member = co_operative.member()
    outcome = co_operative.queried(push_in(co_operative, member, where), "0")
    assert outcome is Outcome.CONTRADICTS_PAYMENT
    assert account(co_operative, member).contributed_cents == 0


def test_a_query_that_is_still_pending_says_so(co_operative):
    push = push_in(co_operative, co_operative.member(), "accepted")
    assert co_operative.queried(push, "4999") is Outcome.STILL_PENDING


# What codes mean.


def test_only_zero_is_success():
    paid = [code for code, row in STK_RESULT_CODES.items() if row.verdict is Verdict.SUCCESS]
    assert paid == ["0"]


@pytest.mark.parametrize("code", ["", "00", "0.0", " 0", "31415", "SUCCESS", "-1"])
def test_an_unknown_code_proves_nothing(code):
    assert stk_verdict(code) is Verdict.VERIFY
    assert stk_meaning(code)
