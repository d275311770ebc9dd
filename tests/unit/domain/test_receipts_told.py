"""One receipt, one posting: whoever tells of it, in whatever order."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.contributions.rules import ContributionType
from domain.mpesa.keys import PAYER_AND_AMOUNT, payer_and_amount
from domain.mpesa.outcome import Outcome
from domain.mpesa.payer import Payer, phone_hash
from domain.mpesa.stk_push import Push, PushState
from infra.event_store.unit_of_work import UnitOfWork
from tests.support.co_operative import CAUSE, NOW
from tests.support.push_states import account, push_in, receipt, receipt_number_of, state_of
from tests.unit.domain.test_account_numbers import number, reason_of

MONTHLY = ContributionType.MONTHLY


def reference(co_operative, push_id):
    return co_operative.load(Push, push_id).account_reference


def phone(co_operative, push_id):
    return co_operative.load(Push, push_id).phone


def test_a_confirmation_with_the_pushs_reference_is_the_pushs_receipt(co_operative):
    member = co_operative.member()
    push = push_in(co_operative, member, "accepted")
    told = receipt_number_of(push)
    assert co_operative.told(told, f" {reference(co_operative, push).lower()} ") is Outcome.APPLIED
    assert state_of(co_operative, push) == PushState.SUCCEEDED
    assert account(co_operative, member).contributed_cents == 2_000_00
    assert co_operative.paid(push) is Outcome.ALREADY_KNOWN
    assert co_operative.queried(push, "0") is Outcome.ALREADY_KNOWN
    for channel in ("paybill", "pull", "statement"):
        again = co_operative.told(told, reference(co_operative, push), channel=channel)
        assert again is Outcome.ALREADY_KNOWN
    assert account(co_operative, member).contributed_cents == 2_000_00


def test_a_push_posted_by_query_gets_its_receipt_and_posts_nothing(co_operative):
    member = co_operative.member()
    push = push_in(co_operative, member, "paid_receipt_awaited")
    told = number()
    assert co_operative.told(told, reference(co_operative, push)) is Outcome.APPLIED
    assert account(co_operative, member).contributed_cents == 2_000_00
    held = receipt(co_operative, told)
    assert (held.push_id, held.placed_cents, held.suspended_cents) == (str(push), 2_000_00, 0)
    assert co_operative.load(Push, push).receipt_id == str(held.id)


def test_the_same_receipt_with_another_amount_is_a_case_for_a_person(co_operative):
    told = number()
    co_operative.told(told, "NOBODY")
    outcome = co_operative.told(told, "NOBODY", amount_cents=2_500_00)
    assert outcome is Outcome.RECEIPT_WITH_OTHER_AMOUNT
    assert outcome.needs_a_person
    push = push_in(co_operative, co_operative.member(), "accepted")
    co_operative.paid(push, receipt_number=(other := number()))
    outcome = co_operative.told(other, reference(co_operative, push), amount_cents=1_00)
    assert outcome is Outcome.RECEIPT_WITH_OTHER_AMOUNT


@pytest.mark.parametrize("where", ["accepted", "paid_receipt_awaited", "expired"])
def test_what_waited_untouched_is_placed_when_its_push_is_known(co_operative, where):
    member = co_operative.member()
    push = push_in(co_operative, member, where)
    told = number()
    co_operative.told(told, None, payer=Payer(masked_phone="2547 ***** 999"))
    assert receipt(co_operative, told).suspended_cents == 2_000_00
    assert co_operative.paid(push, receipt_number=told) is Outcome.APPLIED
    held = receipt(co_operative, told)
    assert (held.suspended_cents, held.placed_cents) == (0, 2_000_00)
    assert held.push_id == str(push)
    assert account(co_operative, member).contributed_cents == 2_000_00


def test_a_till_tells_neither_account_nor_name_so_payer_and_amount_find_the_push(co_operative):
    for payer in (lambda n: Payer(phone=n), lambda n: Payer(phone_sha256=phone_hash(n))):
        member = co_operative.member()
        push = push_in(co_operative, member, "accepted")
        told = number()
        who = payer(phone(co_operative, push))
        assert co_operative.told(told, None, payer=who) is Outcome.APPLIED
        assert state_of(co_operative, push) == PushState.SUCCEEDED
        assert receipt(co_operative, told).push_id == str(push)


@pytest.mark.parametrize(
    "fields",
    [
        {"amount_cents": 2_001_00},
        {"paid_at": NOW + timedelta(minutes=11)},
        {"paid_at": NOW - timedelta(minutes=2)},
        {"short_code": "600000"},
        {"payer": Payer(phone="254799999998")},
        {"payer": Payer(masked_phone="2547 ***** 999")},
        {"payer": Payer()},
    ],
)
def test_another_amount_time_payer_or_till_is_no_push_of_that_payer(co_operative, fields):
    push = push_in(co_operative, co_operative.member(), "accepted")
    who = {"payer": Payer(phone=phone(co_operative, push))}
    told = number()
    co_operative.told(told, None, **(who | fields))
    assert state_of(co_operative, push) == PushState.ACCEPTED
    assert reason_of(co_operative, told) == "account_number_missing"


def test_of_several_pushes_of_one_payer_a_person_says_which(co_operative):
    member = co_operative.member()
    pushes = [push_in(co_operative, member, "expired") for _ in range(2)]
    told = number()
    co_operative.told(told, None, payer=Payer(phone=phone(co_operative, pushes[0])))
    assert reason_of(co_operative, told) == "several_pushes"
    assert [state_of(co_operative, push) for push in pushes] == [PushState.EXPIRED] * 2


def test_an_account_number_comes_before_the_payer(co_operative):
    """Who pays a neighbour's deposit has not answered their own prompt."""
    payer, neighbour = co_operative.member(), co_operative.member()
    push = push_in(co_operative, payer, "accepted")
    known = account(co_operative, neighbour).member_number
    co_operative.told(number(), known, payer=Payer(phone=phone(co_operative, push)))
    assert account(co_operative, neighbour).contributed_cents == 2_000_00
    assert state_of(co_operative, push) == PushState.ACCEPTED


@pytest.mark.parametrize(
    ("payer", "is_theirs"),
    [
        (Payer(), True),
        (Payer(phone="254711111111"), False),
        (Payer(phone_sha256=phone_hash("254711111111")), False),
        (Payer(masked_phone="2541 ***** 126"), False),
    ],
)
def test_a_reference_used_by_another_phone_is_held(co_operative, payer, is_theirs):
    member = co_operative.member(phone="0722000777")
    push = push_in(co_operative, member, "accepted")
    told = number()
    co_operative.told(told, reference(co_operative, push), payer=payer)
    held = receipt(co_operative, told)
    assert (held.placed_cents == 2_000_00) == is_theirs
    assert is_theirs or reason_of(co_operative, told) == "payer_mismatch"


def test_masks_of_both_shapes_are_compared_by_the_digits_they_show():
    for mask in ("2547 ***** 126", "25470****126", "+2547*****126"):
        assert Payer(masked_phone=mask).may_be("254700000126")
        assert not Payer(masked_phone=mask).may_be("254700000127")
        assert Payer(masked_phone=mask).may_be(None)


def test_a_second_payment_under_a_pushs_reference_is_held(co_operative):
    member = co_operative.member()
    push = push_in(co_operative, member, "succeeded")
    told = number()
    assert co_operative.told(told, reference(co_operative, push)) is Outcome.SECOND_RECEIPT
    assert receipt(co_operative, told).suspended_cents == 2_000_00
    assert account(co_operative, member).contributed_cents == 2_000_00


@pytest.mark.parametrize("where", ["succeeded", "failed", "cancelled", "rejected"])
def test_a_push_that_awaits_nothing_is_no_longer_found_by_its_payer(co_operative, where):
    push = push_in(co_operative, co_operative.member(), where)
    value = payer_and_amount(phone_hash(phone(co_operative, push)), 2_000_00)
    assert UnitOfWork(co_operative.store, CAUSE).lookup(PAYER_AND_AMOUNT, value) == []
