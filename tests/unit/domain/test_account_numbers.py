"""What payers type as account number, and whose the money then is."""

from __future__ import annotations

import itertools
from uuid import UUID

import pytest

from domain.contributions.rules import ContributionType
from domain.loans.loan import Loan, LoanStatus
from domain.members.commands import EraseMember, ExitMember, SuspendMember
from domain.members.member import Member
from domain.mpesa.account_numbers import AccountKind, AccountRules, normalised
from domain.mpesa.outcome import Outcome
from domain.mpesa.receipt import Receipt
from domain.mpesa.stk_push import PushPurpose
from tests.support.co_operative import TODAY
from tests.support.push_states import account, receipt

MONTHLY, SHARES, FEE = ContributionType
_receipts = itertools.count(1)


def number():
    return f"SKP{next(_receipts):07d}"


def reason_of(co_operative, receipt_number):
    events = co_operative.store.log.select_events(receipt(co_operative, receipt_number).id)
    told = [co_operative.store.mapper.to_domain_event(each) for each in events]
    return next((each.reason for each in told if isinstance(each, Receipt.Suspended)), None)


def paid(co_operative, account_number, **fields):
    """Money comes under this account number. Answers its receipt's number."""
    receipt_number = number()
    assert co_operative.told(receipt_number, account_number, **fields) is Outcome.APPLIED
    return receipt_number


def placed(co_operative, member_id):
    return account(co_operative, member_id).balances_cents


AS_IT_IS = ("{}", " {} ", "{lower}", "{head} {tail}", "{head}-{tail}", "{head}/{tail}.", "#{}")
FOR_SHARES = ("{}-s", "{}S", "{} S", "{}/s", "{} - S")
WRITTEN = (*AS_IT_IS, *FOR_SHARES)


@pytest.mark.parametrize("written", WRITTEN)
def test_a_member_number_is_understood_however_it_is_written(co_operative, written):
    member = co_operative.member()
    known = co_operative.load(Member, member).member_number
    typed = written.format(known, lower=known.lower(), head=known[:3], tail=known[3:])
    held = receipt(co_operative, paid(co_operative, typed))
    assert held.placed_cents == 2_000_00
    kind = SHARES if written in FOR_SHARES else MONTHLY
    assert placed(co_operative, member)[kind] == 2_000_00


@pytest.mark.parametrize("typed", ["0{}", "{}", "+254{}", "254 {}", "0{}-S"])
def test_a_phone_is_understood_however_it_is_written(co_operative, typed):
    nine_digits = f"7339{next(_receipts):05d}"
    member = co_operative.member(phone=f"0{nine_digits}")
    paid(co_operative, typed.format(nine_digits))
    kind = SHARES if typed.endswith("S") else MONTHLY
    assert placed(co_operative, member)[kind] == 2_000_00


def test_a_word_behind_it_says_what_the_money_is_for(co_operative):
    member = co_operative.member()
    known = co_operative.load(Member, member).member_number
    paid(co_operative, f"{known}-R", amount_cents=1_000_00)
    assert placed(co_operative, member)[FEE] == 1_000_00
    rules = AccountRules(words=(("HISA", PushPurpose.SHARE_CAPITAL),))
    paid(co_operative, f"{known} hisa", rules=rules)
    assert placed(co_operative, member)[SHARES] == 2_000_00


def test_a_loan_number_repays_the_loan(co_operative):
    loan_id = co_operative.loan()
    loan = co_operative.load(Loan, loan_id)
    paid(co_operative, loan.loan_number.lower(), amount_cents=5_000_00)
    after = co_operative.load(Loan, loan_id)
    assert after.balance_cents == loan.balance_cents - 5_000_00


def test_the_word_for_loans_finds_the_one_open_loan(co_operative):
    loan_id = co_operative.loan()
    loan = co_operative.load(Loan, loan_id)
    known = loan.member_number
    paid(co_operative, f"{known}-L", amount_cents=5_000_00)
    assert co_operative.load(Loan, loan_id).balance_cents == loan.balance_cents - 5_000_00


def test_with_several_open_loans_a_person_must_say_which(co_operative):
    member = co_operative.borrower()
    loans = [co_operative.loan(member) for _ in range(2)]
    before = [co_operative.load(Loan, each).balance_cents for each in loans]
    known = co_operative.load(Member, member).member_number
    told = paid(co_operative, f"{known}-L")
    assert reason_of(co_operative, told) == "several_loans"
    assert [co_operative.load(Loan, each).balance_cents for each in loans] == before


def test_money_for_a_loan_that_takes_none_any_more_goes_to_the_deposits(co_operative):
    loan_id = co_operative.loan()
    loan = co_operative.load(Loan, loan_id)
    co_operative.repayment(loan_id, loan.balance_cents)
    assert co_operative.load(Loan, loan_id).status == LoanStatus.COMPLETED
    member = co_operative.load(Loan, loan_id).member_id
    before = placed(co_operative, UUID(member))[MONTHLY]
    paid(co_operative, loan.loan_number)
    paid(co_operative, f"{loan.member_number}-L")
    assert placed(co_operative, UUID(member))[MONTHLY] == before + 4_000_00


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        (None, "account_number_missing"),
        ("   ", "account_number_missing"),
        ("---", "account_number_unknown"),
        ("NOBODY", "account_number_unknown"),
        ("x" * 60, "account_number_unknown"),
        ("0", "account_number_unknown"),
    ],
)
def test_what_leads_nowhere_is_held_with_its_reason(co_operative, typed, reason):
    told = paid(co_operative, typed)
    held = receipt(co_operative, told)
    assert (held.suspended_cents, held.placed_cents) == (2_000_00, 0)
    assert reason_of(co_operative, told) == reason


def test_a_phone_in_a_family_leads_to_several(co_operative):
    for _ in range(2):
        co_operative.member(phone="0711222444")
    assert reason_of(co_operative, paid(co_operative, "0711222444")) == "several_members"


def test_who_left_has_no_money_here_and_who_is_suspended_has(co_operative):
    gone, held_off = co_operative.member(), co_operative.member()
    known = [co_operative.load(Member, each).member_number for each in (gone, held_off)]
    co_operative.dispatch(ExitMember(gone, "moved abroad", TODAY, TODAY))
    co_operative.dispatch(SuspendMember(held_off, "asked by the board", TODAY))
    assert reason_of(co_operative, paid(co_operative, known[0])) == "member_not_active"
    paid(co_operative, known[1])
    assert placed(co_operative, held_off)[MONTHLY] == 2_000_00
    co_operative.dispatch(EraseMember(gone, "asked in writing", TODAY))
    assert reason_of(co_operative, paid(co_operative, known[0])) == "account_number_unknown"


def test_only_the_kinds_of_the_rules_are_understood(co_operative):
    member = co_operative.member(phone="0711333555")
    known = co_operative.load(Member, member).member_number
    rules = AccountRules(kinds=(AccountKind.PHONE,))
    assert reason_of(co_operative, paid(co_operative, known, rules=rules)) == (
        "account_number_unknown"
    )
    paid(co_operative, "0711333555", rules=rules)
    assert placed(co_operative, member)[MONTHLY] == 2_000_00


def test_what_does_not_matter_is_left_out():
    assert normalised(" dst-2026 / 00001. ") == "DST202600001"
    assert normalised(None) == normalised("") == normalised("é!?") == ""
