"""Loans repaid by M-Pesa: the same money is posted once, on the loan that the push names."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from domain.errors import InvalidInput
from domain.identities import receipt_id, repayment_id
from domain.loans.commands import WriteOffLoan
from domain.loans.errors import LoanNotFound, LoanNotOpen
from domain.loans.loan import Loan
from domain.mpesa.errors import LoanOfAnotherMember, ReceiptStillAwaited
from domain.mpesa.outcome import Outcome
from domain.mpesa.receipt import Receipt
from domain.mpesa.stk_push import PushPurpose
from tests.support.co_operative import NOW, TODAY
from tests.support.push_states import account

ZERO_INTEREST = {"rate_percent": "0", "penalty_percent": "0"}


@pytest.fixture
def member(co_operative):
    return co_operative.borrower()


@pytest.fixture
def loan_id(co_operative, member):
    """30,000 without interest."""
    return co_operative.loan(member, product_code=co_operative.product(**ZERO_INTEREST))


def asked(co_operative, member, loan_id, amount_cents):
    return co_operative.accepted_push(
        member, purpose=PushPurpose.LOAN_REPAYMENT, loan_id=loan_id, amount_cents=amount_cents
    )


def receipt_of(co_operative, push_id):
    return co_operative.load(Receipt, receipt_id(push_id.hex[:10].upper()))


def deposits(co_operative, member):
    return account(co_operative, member).balances_cents["monthly"]


def test_a_paid_push_repays_the_loan_it_names_once(co_operative, member, loan_id):
    other = co_operative.loan(member, product_code=co_operative.product(**ZERO_INTEREST))
    push_id = asked(co_operative, member, loan_id, 5_000_00)
    assert co_operative.paid(push_id) is Outcome.APPLIED
    for _ in range(3):
        assert co_operative.paid(push_id) is Outcome.ALREADY_KNOWN
        co_operative.queried(push_id, "0")
    assert co_operative.load(Loan, loan_id).balance_cents == 25_000_00
    assert co_operative.load(Loan, other).balance_cents == 30_000_00
    receipt = receipt_of(co_operative, push_id)
    assert (receipt.unplaced_cents, receipt.suspended_cents) == (0, 0)


def test_a_query_posts_once_and_the_late_receipt_attaches(co_operative, member, loan_id):
    push_id = asked(co_operative, member, loan_id, 5_000_00)
    assert co_operative.queried(push_id, "0") is Outcome.APPLIED
    posted = repayment_id(source_id=push_id)
    with pytest.raises(ReceiptStillAwaited):
        co_operative.undo_repayment(loan_id, posted)
    assert co_operative.paid(push_id) is Outcome.APPLIED
    loan = co_operative.load(Loan, loan_id)
    assert (loan.balance_cents, list(loan.repayments)) == (25_000_00, [str(posted)])


def test_cents_that_mpesa_rounds_up_and_surplus_go_to_the_deposits(co_operative, member, loan_id):
    co_operative.repayment(loan_id, 29_999_50)
    before = deposits(co_operative, member)
    push_id = asked(co_operative, member, loan_id, 50)
    co_operative.paid(push_id)
    assert co_operative.load(Loan, loan_id).status == "completed"
    assert deposits(co_operative, member) == before + 50


def test_money_for_a_loan_completed_meanwhile_goes_to_the_deposits(co_operative, member, loan_id):
    push_id = asked(co_operative, member, loan_id, 5_000_00)
    co_operative.repayment(loan_id, 30_000_00)
    before = deposits(co_operative, member)
    assert co_operative.paid(push_id) is Outcome.APPLIED
    assert deposits(co_operative, member) == before + 5_000_00
    assert receipt_of(co_operative, push_id).unplaced_cents == 0


def test_money_for_a_loan_written_off_meanwhile_is_recovered(co_operative, member, loan_id):
    push_id = asked(co_operative, member, loan_id, 31_000_00)
    co_operative.dispatch(WriteOffLoan(loan_id, co_operative.principal(), "left", TODAY))
    before = deposits(co_operative, member)
    co_operative.paid(push_id)
    assert co_operative.load(Loan, loan_id).recoverable_cents == 0
    assert deposits(co_operative, member) == before + 1_000_00


def test_undoing_a_repayment_by_mpesa_holds_its_money_in_suspense(co_operative, member, loan_id):
    push_id = asked(co_operative, member, loan_id, 31_000_00)
    co_operative.paid(push_id)
    before = deposits(co_operative, member)
    receipt = receipt_of(co_operative, push_id)
    co_operative.undo_repayment(loan_id, repayment_id(source_id=receipt.id))
    assert receipt_of(co_operative, push_id).suspended_cents == 31_000_00
    assert deposits(co_operative, member) == before - 1_000_00
    assert co_operative.load(Loan, loan_id).balance_cents == 30_000_00


def test_a_recovery_by_mpesa_is_undone_too(co_operative, member, loan_id):
    co_operative.dispatch(WriteOffLoan(loan_id, co_operative.principal(), "left", TODAY))
    push_id = asked(co_operative, member, loan_id, 1_000_00)
    co_operative.paid(push_id)
    posted = repayment_id(source_id=receipt_id(push_id.hex[:10].upper()))
    co_operative.undo_repayment(loan_id, posted)
    assert co_operative.load(Loan, loan_id).recoverable_cents == 30_000_00
    assert receipt_of(co_operative, push_id).suspended_cents == 1_000_00


def test_what_safaricom_dates_before_the_loan_counts_from_its_first_day(co_operative, member):
    code = co_operative.product(**ZERO_INTEREST)
    loan_id = co_operative.loan(member, product_code=code)
    push_id = asked(co_operative, member, loan_id, 5_000_00)
    co_operative.paid(push_id, paid_at=NOW - timedelta(days=3))
    loan = co_operative.load(Loan, loan_id)
    assert loan.balance_cents == 25_000_00
    [repayment] = loan.repayments.values()
    assert repayment["paid_on"] == (TODAY - timedelta(days=3)).isoformat()


@pytest.mark.parametrize(
    ("purpose", "names_loan"), [(PushPurpose.LOAN_REPAYMENT, False), (PushPurpose.MONTHLY, True)]
)
def test_a_repayment_names_a_loan_and_nothing_else_does(
    co_operative, member, loan_id, purpose, names_loan
):
    with pytest.raises(InvalidInput) as refused:
        co_operative.push(member, purpose=purpose, loan_id=loan_id if names_loan else None)
    assert refused.value.field == "loan_id"


def test_a_push_is_refused_for_a_loan_that_takes_no_money(co_operative, member, loan_id):
    with pytest.raises(LoanNotFound):
        asked(co_operative, member, uuid4(), 1_000_00)
    with pytest.raises(LoanOfAnotherMember):
        asked(co_operative, co_operative.member(), loan_id, 1_000_00)
    co_operative.repayment(loan_id, 30_000_00)
    with pytest.raises(LoanNotOpen):
        asked(co_operative, member, loan_id, 1_000_00)
    assert UUID(co_operative.load(Loan, loan_id).member_id) == member
