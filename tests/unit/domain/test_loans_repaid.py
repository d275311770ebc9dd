"""Loans repaid, late, settled, reversed, restructured and given up, through the real store."""

from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest

from domain.contributions.commands import ReverseContribution
from domain.contributions.errors import BelongsToRepayment
from domain.contributions.rules import ContributionType, PaymentMethod
from domain.errors import InvalidInput
from domain.loans.commands import (
    ApproveLoan,
    ChargeFee,
    DeclineLoan,
    DisburseLoan,
    RestructureLoan,
    WriteOffLoan,
)
from domain.loans.errors import (
    ApproverIsApplicant,
    LoanNotFound,
    LoanNotOpen,
    LoanReferenceAlreadyUsed,
    RecoveryTooHigh,
    RepaymentAlreadyReversed,
    RepaymentBeforeDisbursement,
    RepaymentBeforeRestructure,
    RepaymentNotFound,
    SettlementNotCovered,
)
from domain.loans.loan import Loan
from domain.members.commands import ExitMember
from domain.members.errors import LoansStillOwed, MemberHasExited
from domain.principals.deciding import BeyondApprovalLimit
from tests.support.co_operative import TODAY
from tests.support.push_states import account

ZERO_INTEREST = {"rate_percent": "0", "penalty_percent": "0"}


def later(days):
    return TODAY + timedelta(days=days)


def loaded(co_operative, loan_id):
    return co_operative.load(Loan, loan_id)


def deposits(co_operative, loan):
    return account(co_operative, UUID(loan.member_id)).balances_cents["monthly"]


def parts_of(loan, repayment_id):
    parts = loan.parts[str(repayment_id)]
    return {name: cents for name, cents in parts.items() if cents}


# Repaying


def test_a_payment_takes_penalty_fee_interest_principal_of_what_is_due(co_operative):
    loan_id = co_operative.loan(disbursed_on=date(2026, 10, 1))
    loan = co_operative.assess(loan_id, date(2026, 11, 20))
    late_cents = loan.lines[0]["principal"] + loan.lines[0]["interest"]
    penalty_cents = (late_cents * 5 + 50) // 100
    repayment = co_operative.repayment(loan_id, 1_000_00)
    assert parts_of(loaded(co_operative, loan_id), repayment) == {
        "penalty": penalty_cents,
        "interest": 300_00,
        "principal": 1_000_00 - penalty_cents - 300_00,
    }


@pytest.mark.parametrize(
    ("interest", "fee_cents", "paid_on", "amount_cents", "expected"),
    [
        ("1", 0, date(2026, 9, 1), 500_00, {"interest": 30_00, "principal": 470_00}),
        ("0", 50_00, date(2026, 9, 1), 500_00, {"fee": 50_00, "principal": 450_00}),
        ("0", 0, date(2026, 8, 10), 1_000_00, {"principal": 1_000_00}),
    ],
)
def test_published_allocations_come_out(
    co_operative, interest, fee_cents, paid_on, amount_cents, expected
):
    """Three instalments of 1,000, as in Apache Fineract's LoanRepayment.feature (Apache-2.0)."""
    code = co_operative.product(
        amount_cents_min=1,
        interest_method="flat",
        rate_percent=interest,
        rate_period="month",
        penalty_percent="0",
    )
    loan_id = co_operative.loan(
        product_code=code, amount_cents=3_000_00, disbursed_on=date(2026, 8, 1)
    )
    if fee_cents:
        on = date(2026, 8, 1)
        co_operative.dispatch(ChargeFee(loan_id, uuid4(), fee_cents, "copies", paid_on, on))
    repayment = co_operative.repayment(loan_id, amount_cents, paid_on=paid_on)
    loan = loaded(co_operative, loan_id)
    assert parts_of(loan, repayment) == expected


def test_a_charge_of_the_future_is_never_taken_before_todays_dues(co_operative):
    loan_id = co_operative.loan(
        product_code=co_operative.product(**ZERO_INTEREST), disbursed_on=date(2026, 9, 23)
    )
    fee = ChargeFee(loan_id, uuid4(), 500_00, "bounced cheque", date(2026, 12, 20), TODAY)
    co_operative.dispatch(fee)
    repayment = co_operative.repayment(loan_id, 25_000_00)
    assert parts_of(loaded(co_operative, loan_id), repayment) == {"principal": 25_000_00}


def test_what_is_over_the_dues_repays_principal_and_the_rest_goes_to_deposits(co_operative):
    loan_id = co_operative.loan()
    co_operative.repayment(loan_id, 12_000_00)
    loan = loaded(co_operative, loan_id)
    assert loan.principal_cents == 18_000_00
    before = deposits(co_operative, loan)
    last = co_operative.repayment(loan_id, 20_000_00)
    loan = loaded(co_operative, loan_id)
    assert (loan.status, loan.balance_cents) == ("completed", 0)
    assert parts_of(loan, last) == {"principal": 18_000_00, "surplus": 2_000_00}
    assert deposits(co_operative, loan) == before + 2_000_00


def test_settling_early_costs_the_interest_of_the_days_used(co_operative):
    """The published case: seven percent, one instalment paid, settled after 14 of 29 days."""
    code = co_operative.product(
        amount_cents_min=1, contributed_cents_min=0, rate_percent="7", penalty_percent="0"
    )
    loan_id = co_operative.loan(
        product_code=code, amount_cents=100_00, term_months=6, disbursed_on=date(2024, 1, 1)
    )
    co_operative.repayment(loan_id, 17_01, paid_on=date(2024, 2, 1), today=date(2024, 2, 1))
    quote = loaded(co_operative, loan_id).settlement(date(2024, 2, 15), today=date(2024, 2, 15))
    assert (quote.principal_cents, quote.interest_cents, quote.total_cents) == (83_57, 24, 83_81)
    short = {"paid_on": date(2024, 2, 15), "today": date(2024, 2, 15), "settles": True}
    with pytest.raises(SettlementNotCovered, match=r"KES 83\.81"):
        co_operative.repayment(loan_id, 83_80, **short)
    co_operative.repayment(loan_id, 83_81, **short)
    assert loaded(co_operative, loan_id).status == "completed"


@pytest.mark.parametrize(
    ("policy", "interest_cents"), [("to_the_instalment", 49), ("whole_term", 147)]
)
def test_a_product_says_how_much_interest_settling_early_costs(
    co_operative, policy, interest_cents
):
    code = co_operative.product(
        amount_cents_min=1,
        contributed_cents_min=0,
        rate_percent="7",
        penalty_percent="0",
        settlement_interest=policy,
    )
    loan_id = co_operative.loan(
        product_code=code, amount_cents=100_00, term_months=6, disbursed_on=date(2024, 1, 1)
    )
    co_operative.repayment(loan_id, 17_01, paid_on=date(2024, 2, 1), today=date(2024, 2, 1))
    quote = loaded(co_operative, loan_id).settlement(date(2024, 2, 15), today=date(2024, 2, 15))
    assert quote.interest_cents == interest_cents


def test_a_back_dated_repayment_takes_back_the_penalty_that_would_not_have_arisen(co_operative):
    loan_id = co_operative.loan(disbursed_on=date(2026, 10, 1))
    loan = co_operative.assess(loan_id, TODAY)
    assert loan.lines[0]["penalties"] == [{"charged_on": "2026-11-09", "cents": 510_03}]
    assert loan.overdue
    due_cents = loan.lines[0]["principal"] + loan.lines[0]["interest"]
    co_operative.repayment(loan_id, due_cents, paid_on=date(2026, 11, 1))
    loan = loaded(co_operative, loan_id)
    assert loan.lines[0]["penalties"] == []
    assert not loan.overdue


def test_a_back_dated_repayment_shifts_what_later_ones_paid(co_operative):
    loan_id = co_operative.loan(disbursed_on=date(2026, 9, 23))
    second = co_operative.repayment(loan_id, 5_000_00, paid_on=date(2026, 10, 25))
    assert parts_of(loaded(co_operative, loan_id), second)["interest"] == 300_00
    first = co_operative.repayment(loan_id, 6_000_00, paid_on=date(2026, 10, 23))
    loan = loaded(co_operative, loan_id)
    assert parts_of(loan, first) == {"interest": 300_00, "principal": 5_700_00}
    assert parts_of(loan, second) == {"principal": 5_000_00}


@pytest.mark.parametrize("closed", ["declined", "pending", "completed"])
def test_a_loan_that_is_not_being_repaid_takes_nothing(co_operative, closed):
    if closed == "completed":
        loan_id = co_operative.loan(product_code=co_operative.product(**ZERO_INTEREST))
        co_operative.repayment(loan_id, 30_000_00)
    else:
        loan_id = co_operative.application()
        if closed == "declined":
            co_operative.dispatch(DeclineLoan(loan_id, co_operative.principal(), "no", TODAY))
    with pytest.raises(LoanNotOpen):
        co_operative.repayment(loan_id, 1_000_00)


def test_a_repayment_that_makes_no_sense_is_refused(co_operative):
    loan_id = co_operative.loan()
    with pytest.raises(LoanNotFound):
        co_operative.repayment(uuid4(), 1_000_00)
    with pytest.raises(RepaymentBeforeDisbursement):
        co_operative.repayment(loan_id, 1_000_00, paid_on=TODAY - timedelta(days=1))
    for field, value in (
        ("payment_method", PaymentMethod.MPESA),
        ("payment_date", later(1)),
        ("payment_reference", ""),
    ):
        name = "paid_on" if field == "payment_date" else field
        with pytest.raises(InvalidInput) as refused:
            co_operative.repayment(loan_id, 1_000_00, **{name: value})
        assert refused.value.field == field
    co_operative.repayment(loan_id, 1_000_00, payment_reference="FT9")
    with pytest.raises(LoanReferenceAlreadyUsed):
        co_operative.repayment(loan_id, 1_000_00, payment_reference="ft9")


# Undoing


def test_a_repayment_is_reversed_once(co_operative):
    loan_id = co_operative.loan()
    repayment = co_operative.repayment(loan_id, 1_000_00, payment_reference="FT9")
    co_operative.undo_repayment(loan_id, repayment)
    with pytest.raises(RepaymentAlreadyReversed):
        co_operative.undo_repayment(loan_id, repayment)
    with pytest.raises(RepaymentNotFound):
        co_operative.undo_repayment(loan_id, uuid4())
    co_operative.repayment(loan_id, 1_000_00, payment_reference="FT9")


def test_reversing_opens_a_completed_loan_and_takes_the_surplus_back(co_operative):
    loan_id = co_operative.loan(product_code=co_operative.product(**ZERO_INTEREST))
    first = co_operative.repayment(loan_id, 10_000_00)
    co_operative.repayment(loan_id, 21_000_00)
    loan = loaded(co_operative, loan_id)
    surplus = [
        UUID(key)
        for key, each in account(co_operative, UUID(loan.member_id)).contributions.items()
        if each["source_id"]
    ]
    with pytest.raises(BelongsToRepayment):
        co_operative.reverse(UUID(loan.member_id), surplus[0])
    before = deposits(co_operative, loan)
    co_operative.undo_repayment(loan_id, first)
    loan = loaded(co_operative, loan_id)
    assert (loan.status, loan.balance_cents) == ("active", 9_000_00)
    assert deposits(co_operative, loan) == before - 1_000_00


def test_the_surplus_alone_is_taken_back_from_the_deposits(co_operative):
    member = co_operative.member(registered_on=date(2025, 1, 1))
    own = co_operative.contribution(member, amount_cents=12_000_00)
    loan_id = co_operative.loan(member, product_code=co_operative.product(**ZERO_INTEREST))
    first = co_operative.repayment(loan_id, 10_000_00)
    co_operative.repayment(loan_id, 21_000_00)
    co_operative.dispatch(ReverseContribution(member, own, "typed twice", TODAY))
    co_operative.undo_repayment(loan_id, first)
    assert account(co_operative, member).balances_cents[ContributionType.MONTHLY] == 0


def test_a_loan_that_stays_repaid_is_completed_once(co_operative):
    loan_id = co_operative.loan(product_code=co_operative.product(**ZERO_INTEREST))
    first = co_operative.repayment(loan_id, 1_000_00)
    co_operative.repayment(loan_id, 31_000_00)
    before = loaded(co_operative, loan_id).version
    co_operative.undo_repayment(loan_id, first)
    loan = loaded(co_operative, loan_id)
    assert (loan.status, loan.balance_cents) == ("completed", 0)
    # The other repayment's new parts, and the reversal; nothing more was completed.
    assert loan.version == before + 2


# A day passes


def test_each_day_says_only_what_is_new(co_operative):
    loan_id = co_operative.loan(disbursed_on=date(2026, 9, 30))
    for days in range(160):
        loan = co_operative.assess(loan_id, date(2026, 10, 1) + timedelta(days=days))
        for _ in range(2):
            again = co_operative.assess(loan_id, date(2026, 10, 1) + timedelta(days=days))
            assert again.version == loan.version
    assert loan.status == "defaulted"
    assert [len(line["penalties"]) for line in loan.lines] == [5, 4, 3]


def test_paying_what_is_late_makes_a_loan_current_at_once(co_operative):
    loan_id = co_operative.loan(disbursed_on=date(2026, 7, 1))
    loan = co_operative.assess(loan_id, TODAY)
    assert (loan.status, loan.overdue) == ("defaulted", True)
    co_operative.repayment(loan_id, loan.overdue_cents(TODAY) - 1)
    assert loaded(co_operative, loan_id).overdue
    co_operative.repayment(loan_id, 1)
    loan = loaded(co_operative, loan_id)
    assert (loan.status, loan.overdue) == ("completed", False)


# Changing and giving up


def restructured(co_operative, loan_id, **fields):
    values = {
        "principal_id": co_operative.principal(),
        "term_months": 12,
        "rate_percent": None,
        "first_due_on": None,
        "reason": "lost her income",
        "today": TODAY,
    }
    co_operative.dispatch(RestructureLoan(loan_id, **(values | fields)))
    return loaded(co_operative, loan_id)


def test_restructuring_spreads_all_that_is_owed_anew(co_operative):
    loan_id = co_operative.loan(disbursed_on=date(2026, 9, 1))
    paid = co_operative.repayment(loan_id, 4_000_00, paid_on=date(2026, 10, 1))
    owed = co_operative.assess(loan_id, TODAY).settlement(TODAY, today=TODAY).total_cents
    loan = restructured(co_operative, loan_id)
    assert sum(line["principal"] for line in loan.lines) == owed == loan.principal_cents
    assert (len(loan.lines), loan.overdue) == (12, False)
    with pytest.raises(RepaymentBeforeRestructure):
        co_operative.undo_repayment(loan_id, paid)
    with pytest.raises(RepaymentBeforeRestructure):
        co_operative.repayment(loan_id, 1_00, paid_on=TODAY - timedelta(days=1))
    nothing_paid = co_operative.loan(disbursed_on=date(2026, 9, 1))
    restructured(co_operative, nothing_paid)
    with pytest.raises(RepaymentBeforeRestructure):
        co_operative.repayment(nothing_paid, 1_00, paid_on=TODAY - timedelta(days=1))


def test_restructuring_wants_another_approver_within_their_band(co_operative):
    clerk = co_operative.principal()
    loan_id = co_operative.loan(principal_id=clerk)
    with pytest.raises(ApproverIsApplicant):
        restructured(co_operative, loan_id, principal_id=clerk)
    officer = co_operative.principal(approval_limit_cents=1_00)
    with pytest.raises(BeyondApprovalLimit):
        restructured(co_operative, loan_id, principal_id=officer)


def test_what_was_written_off_can_be_recovered_and_no_more(co_operative):
    loan_id = co_operative.loan(product_code=co_operative.product(**ZERO_INTEREST))
    co_operative.repayment(loan_id, 29_000_00)
    co_operative.dispatch(WriteOffLoan(loan_id, co_operative.principal(), "left", TODAY))
    with pytest.raises(RecoveryTooHigh):
        co_operative.repayment(loan_id, 1_000_01)
    co_operative.repayment(loan_id, 600_00)
    co_operative.repayment(loan_id, 400_00)
    loan = loaded(co_operative, loan_id)
    assert (loan.status, loan.recoverable_cents) == ("written_off", 0)
    with pytest.raises(LoanNotOpen):
        co_operative.dispatch(WriteOffLoan(loan_id, co_operative.principal(), "left", TODAY))


# Leaving


def test_nobody_leaves_who_owes_or_may_come_to_owe(co_operative):
    member = co_operative.member()
    code = co_operative.product(contributed_cents_min=0, **ZERO_INTEREST)
    leave = ExitMember(member, "moved away", exited_on=TODAY, today=TODAY)
    loan_id = co_operative.application(member, product_code=code)
    with pytest.raises(LoansStillOwed):
        co_operative.dispatch(leave)
    co_operative.dispatch(ApproveLoan(loan_id, co_operative.principal(), None, TODAY))
    co_operative.dispatch(DisburseLoan(loan_id, "cash", "V0", TODAY, None, TODAY))
    with pytest.raises(LoansStillOwed):
        co_operative.dispatch(leave)
    co_operative.repayment(loan_id, 30_000_00)
    co_operative.dispatch(leave)
    repayment = next(iter(loaded(co_operative, loan_id).repayments))
    with pytest.raises(MemberHasExited):
        co_operative.undo_repayment(loan_id, repayment)
