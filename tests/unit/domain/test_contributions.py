from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest

from domain.contributions.account import MemberAccount
from domain.contributions.commands import ReverseContribution
from domain.contributions.errors import (
    AlreadyReversed,
    AmountBelowMinimum,
    BalanceTooLow,
    ContributionNotFound,
    ReferenceAlreadyUsed,
)
from domain.contributions.rules import ContributionRules, ContributionType, PaymentMethod
from domain.errors import InvalidInput
from domain.identities import account_id
from domain.members.errors import MemberNotFound
from domain.mpesa.errors import ReceiptStillAwaited
from tests.support.co_operative import NOW, TODAY
from tests.support.push_states import account, push_in, receipt, receipt_number_of


def contributions_of(co_operative, member_id):
    return [UUID(key) for key in account(co_operative, member_id).contributions]


def test_a_contribution_raises_its_own_balance_and_the_total(co_operative):
    member = co_operative.member()
    co_operative.contribution(member, amount_cents=2_000_50)
    shares = ContributionType.SHARE_CAPITAL
    co_operative.contribution(member, contribution_type=shares, amount_cents=1_000_00)
    after = account(co_operative, member)
    assert after.balances_cents == {
        "monthly": 2_000_50,
        "share_capital": 1_000_00,
        "registration_fee": 0,
    }
    assert after.contributed_cents == 3_000_50


@pytest.mark.parametrize(
    ("kind", "minimum_cents"),
    [
        (ContributionType.MONTHLY, 500_00),
        (ContributionType.SHARE_CAPITAL, 1_000_00),
        (ContributionType.REGISTRATION_FEE, 1_000_00),
    ],
)
def test_the_minimum_is_enough_and_a_cent_less_is_not(co_operative, kind, minimum_cents):
    member = co_operative.member()
    co_operative.contribution(member, contribution_type=kind, amount_cents=minimum_cents)
    with pytest.raises(AmountBelowMinimum) as refused:
        co_operative.contribution(member, contribution_type=kind, amount_cents=minimum_cents - 1)
    assert f"KES {minimum_cents // 100:,}.00" in refused.value.sentence
    assert account(co_operative, member).contributed_cents == minimum_cents


def test_the_minimum_is_a_setting(co_operative):
    rules = ContributionRules({ContributionType.MONTHLY: 10_00})
    co_operative.contribution(co_operative.member(), amount_cents=10_00, rules=rules)


def test_a_stranger_has_no_account_to_pay_into(co_operative):
    with pytest.raises(MemberNotFound):
        co_operative.contribution(uuid4())


def test_mpesa_money_is_not_recorded_by_hand(co_operative):
    with pytest.raises(InvalidInput) as refused:
        co_operative.contribution(co_operative.member(), payment_method=PaymentMethod.MPESA)
    assert refused.value.field == "payment_method"


@pytest.mark.parametrize("reference", ["", "  ", "R" * 41, "R\x001", "R\u202e1"])
def test_a_reference_is_one_short_line(co_operative, reference):
    with pytest.raises(InvalidInput) as refused:
        co_operative.contribution(co_operative.member(), payment_reference=reference)
    assert refused.value.field == "payment_reference"


@pytest.mark.parametrize("day", [TODAY + timedelta(days=1), date(1999, 12, 31)])
def test_money_does_not_come_tomorrow_or_before_the_books_began(co_operative, day):
    with pytest.raises(InvalidInput) as refused:
        co_operative.contribution(co_operative.member(), contributed_on=day)
    assert refused.value.field == "contribution_date"


def test_a_reference_pays_a_member_once_for_one_type(co_operative):
    member = co_operative.member()
    bank = {"payment_method": PaymentMethod.BANK, "payment_reference": "TRF 77"}
    co_operative.contribution(member, **bank)
    with pytest.raises(ReferenceAlreadyUsed):
        co_operative.contribution(member, **bank | {"payment_reference": "trf  77"})
    assert account(co_operative, member).contributed_cents == 2_000_00
    co_operative.contribution(member, **bank, contribution_type=ContributionType.SHARE_CAPITAL)
    co_operative.contribution(member, **bank | {"payment_method": PaymentMethod.CHECK_OFF})
    co_operative.contribution(co_operative.member(), **bank)


def test_a_reference_is_free_again_once_its_contribution_is_reversed(co_operative):
    member = co_operative.member()
    first = co_operative.contribution(member, payment_reference="R-again")
    co_operative.reverse(member, first)
    co_operative.contribution(member, payment_reference="R-again")
    with pytest.raises(ReferenceAlreadyUsed):
        co_operative.contribution(member, payment_reference="R-again")
    assert account(co_operative, member).contributed_cents == 2_000_00


def test_a_reversal_takes_back_the_whole_amount(co_operative):
    member = co_operative.member()
    kept = co_operative.contribution(member, amount_cents=700_00)
    undone = co_operative.contribution(member, amount_cents=900_25)
    co_operative.reverse(member, undone)
    after = account(co_operative, member)
    assert after.balances_cents["monthly"] == after.contributed_cents == 700_00
    assert after.contributions[str(undone)]["reversed"]
    assert not after.contributions[str(kept)]["reversed"]


def test_a_contribution_is_reversed_once(co_operative):
    member = co_operative.member()
    undone = co_operative.contribution(member)
    co_operative.contribution(member)
    co_operative.reverse(member, undone)
    with pytest.raises(AlreadyReversed):
        co_operative.reverse(member, undone)
    assert account(co_operative, member).contributed_cents == 2_000_00


def test_what_was_never_recorded_is_not_reversed(co_operative):
    member, other = co_operative.member(), co_operative.member()
    with pytest.raises(ContributionNotFound):
        co_operative.reverse(member, uuid4())
    with pytest.raises(ContributionNotFound):
        co_operative.reverse(other, co_operative.contribution(member))
    with pytest.raises(MemberNotFound):
        co_operative.reverse(uuid4(), uuid4())


@pytest.mark.parametrize("reason", ["", "   ", "x" * 201, "a\x00b"])
def test_a_reversal_says_why(co_operative, reason):
    member = co_operative.member()
    undone = co_operative.contribution(member)
    with pytest.raises(InvalidInput) as refused:
        co_operative.dispatch(ReverseContribution(member, undone, reason=reason, today=TODAY))
    assert refused.value.field == "reason"


def test_a_reversal_never_takes_a_balance_below_zero():
    """Nothing takes deposits out yet; the event says what an account will look like when it did."""
    member_id, contribution_id = uuid4(), uuid4()
    spent = MemberAccount.begin(
        MemberAccount.Opened,
        stream_id=account_id(member_id),
        member_id=str(member_id),
        member_number="DST1",
    )
    spent._received(
        contribution_id=str(contribution_id),
        member_id=str(member_id),
        member_number="DST1",
        contribution_type="monthly",
        amount_cents=2_000_00,
        payment_method="cash",
        payment_reference="R1",
        contributed_on="2026-11-23",
        source_id=None,
        balance_cents=1_999_99,
        contributed_cents=2_000_00,
    )
    version = spent.version
    with pytest.raises(BalanceTooLow):
        spent.reverse(contribution_id=contribution_id, reason="typed twice", reversed_on=TODAY)
    assert spent.version == version


def test_the_same_contribution_told_twice_is_received_once():
    member_id, contribution_id = uuid4(), uuid4()
    told = MemberAccount.begin(
        MemberAccount.Opened,
        stream_id=account_id(member_id),
        member_id=str(member_id),
        member_number="DST1",
    )
    for _ in range(2):
        told.receive(
            contribution_id=contribution_id,
            contribution_type=ContributionType.MONTHLY,
            amount_cents=2_000_00,
            payment_method=PaymentMethod.CASH,
            payment_reference="R1",
            contributed_on=TODAY,
        )
    assert told.contributed_cents == 2_000_00


def test_reversed_mpesa_money_goes_back_to_suspense(co_operative):
    member = co_operative.member()
    push = push_in(co_operative, member, "succeeded")
    (contribution,) = contributions_of(co_operative, member)
    co_operative.reverse(member, contribution)
    assert account(co_operative, member).contributed_cents == 0
    held = receipt(co_operative, receipt_number_of(push))
    assert (held.amount_cents, held.suspended_cents) == (2_000_00, 2_000_00)


def test_reversing_both_parts_of_a_payment_holds_the_whole_receipt(co_operative):
    member = co_operative.member()
    shares = ContributionType.SHARE_CAPITAL
    push = push_in(co_operative, member, "succeeded", purpose=shares, amount_cents=1_000_25)
    parts = contributions_of(co_operative, member)
    assert len(parts) == 2
    for part in parts:
        co_operative.reverse(member, part)
    assert receipt(co_operative, receipt_number_of(push)).suspended_cents == 1_001_00


def test_mpesa_money_is_not_reversed_before_its_receipt_came(co_operative):
    member = co_operative.member()
    push = push_in(co_operative, member, "paid_receipt_awaited")
    (contribution,) = contributions_of(co_operative, member)
    with pytest.raises(ReceiptStillAwaited):
        co_operative.reverse(member, contribution)
    assert account(co_operative, member).contributed_cents == 2_000_00
    co_operative.paid(push)
    co_operative.reverse(member, contribution)
    assert receipt(co_operative, receipt_number_of(push)).suspended_cents == 2_000_00


def test_a_reversal_gives_back_no_more_than_the_receipt_brought(co_operative):
    member = co_operative.member()
    push = push_in(co_operative, member, "paid_receipt_awaited")
    co_operative.paid(push, amount_cents=1_500_00)
    (contribution,) = contributions_of(co_operative, member)
    co_operative.reverse(member, contribution)
    assert receipt(co_operative, receipt_number_of(push)).suspended_cents == 1_500_00
    assert account(co_operative, member).contributed_cents == 0


def test_the_value_day_of_mpesa_money_is_the_day_in_nairobi(co_operative):
    member = co_operative.member()
    late = NOW.replace(hour=21, minute=30)
    push = push_in(co_operative, member, "accepted")
    co_operative.paid(push, paid_at=late)
    with co_operative.store.pool.connection() as connection:
        row = connection.execute(
            "SELECT convert_from(state, 'UTF8')::json ->> 'contributed_on'"
            " FROM event_store.events WHERE stream_id = %s AND stream_version = 2",
            (account_id(member),),
        ).fetchone()
    assert row == ("2026-11-24",)
