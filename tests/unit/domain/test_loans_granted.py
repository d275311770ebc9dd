"""Loans asked for, decided and paid out, through the real store."""

from datetime import date, timedelta
from uuid import uuid4

import pytest

from domain.errors import InvalidInput
from domain.loans.commands import (
    ApproveLoan,
    DeclineLoan,
    DefineLoanProduct,
    DisburseLoan,
)
from domain.loans.errors import (
    AmountOutsideLimits,
    ApprovedAmountTooHigh,
    ApproverIsApplicant,
    LoanNumberTaken,
    LoanProductNotFound,
    NotApproved,
    NotEligible,
    NotPending,
    ProductNotOffered,
    TermOutsideLimits,
    VersionNotLater,
)
from domain.loans.loan import Loan
from domain.members.commands import SuspendMember
from domain.members.errors import MemberNotActive
from domain.principals.deciding import BeyondApprovalLimit, NotAnApprover
from domain.principals.principal import PrincipalKind, Role
from tests.support.co_operative import DEVELOPMENT_LOAN, TODAY


def later(days):
    return TODAY + timedelta(days=days)


def loaded(co_operative, loan_id):
    return co_operative.load(Loan, loan_id)


# Applying


def test_a_loan_copies_the_terms_it_was_asked_for_under(co_operative):
    code = co_operative.product()
    loan_id = co_operative.application(product_code=code)
    changed = DEVELOPMENT_LOAN.as_plain() | {"rate_percent": "14"}
    co_operative.dispatch(DefineLoanProduct(code, "A loan", date(2026, 1, 1), changed))
    assert loaded(co_operative, loan_id).terms.rate_percent == "12"
    newer = co_operative.application(product_code=code)
    assert loaded(co_operative, newer).terms.rate_percent == "14"
    older = co_operative.application(product_code=code, applied_on=date(2025, 12, 31))
    assert loaded(co_operative, older).terms.rate_percent == "12"


def test_a_product_is_revised_from_a_later_day_only(co_operative):
    code = co_operative.product()
    changed = DEVELOPMENT_LOAN.as_plain() | {"rate_percent": "14"}
    with pytest.raises(VersionNotLater):
        co_operative.dispatch(DefineLoanProduct(code, "A loan", date(2020, 1, 1), changed))
    same = DEVELOPMENT_LOAN.as_plain()
    co_operative.dispatch(DefineLoanProduct(code, "A loan", date(2020, 1, 1), same))


def test_nothing_is_lent_before_the_product_is_offered(co_operative):
    with pytest.raises(ProductNotOffered):
        co_operative.application(product_code=co_operative.product(), applied_on=date(2019, 1, 1))
    with pytest.raises(LoanProductNotFound):
        co_operative.application(product_code="gold")


@pytest.mark.parametrize("amount_cents", [9_999_99, 2_000_000_01])
def test_amounts_outside_the_products_limits_are_refused(co_operative, amount_cents):
    with pytest.raises(AmountOutsideLimits, match=r"KES 10,000\.00 to KES 2,000,000\.00"):
        co_operative.application(amount_cents=amount_cents)


@pytest.mark.parametrize("term_months", [0, 37])
def test_terms_outside_the_products_limits_are_refused(co_operative, term_months):
    with pytest.raises(TermOutsideLimits, match="1 to 36 months"):
        co_operative.application(term_months=term_months)


def test_whoever_is_not_eligible_is_told_every_reason(co_operative):
    code = co_operative.product(
        membership_months_min=6, share_capital_cents_min=5_000_00, deposits_multiple=3
    )
    member = co_operative.member(registered_on=TODAY - timedelta(days=100))
    co_operative.contribution(member, amount_cents=5_000_00)
    with pytest.raises(NotEligible) as refused:
        co_operative.application(member, product_code=code)
    sentence = refused.value.sentence
    assert "less than 6 months" in sentence
    assert "contributions of KES 5,000.00 are below KES 12,000.00" in sentence
    assert "share capital of KES 0.00 are below KES 5,000.00" in sentence
    assert "exceed 3 times the deposits" in sentence


def test_who_is_late_with_one_loan_is_granted_no_other(co_operative):
    member = co_operative.borrower(registered_on=date(2025, 1, 1))
    co_operative.loan(member, disbursed_on=TODAY - timedelta(days=45))
    with pytest.raises(NotEligible, match="another loan is overdue"):
        co_operative.application(member)


def test_a_suspended_member_borrows_nothing(co_operative):
    member = co_operative.borrower()
    co_operative.dispatch(SuspendMember(member, "under inquiry", TODAY))
    with pytest.raises(MemberNotActive):
        co_operative.application(member)


def test_a_loan_number_is_given_once(co_operative):
    co_operative.application(loan_number="L777777")
    with pytest.raises(LoanNumberTaken):
        co_operative.application(loan_number="L777777")


# Deciding


def test_nobody_approves_what_they_entered(co_operative):
    clerk = co_operative.principal()
    loan_id = co_operative.application(principal_id=clerk)
    for command in (
        ApproveLoan(loan_id, clerk, None, TODAY),
        DeclineLoan(loan_id, clerk, "no", TODAY),
    ):
        with pytest.raises(ApproverIsApplicant):
            co_operative.dispatch(command)


def test_nobody_approves_their_own_loan(co_operative):
    member = co_operative.borrower()
    officer = co_operative.principal(member_id=member)
    loan_id = co_operative.application(member)
    with pytest.raises(ApproverIsApplicant):
        co_operative.dispatch(ApproveLoan(loan_id, officer, None, TODAY))


def test_nobody_approves_beyond_their_band(co_operative):
    officer = co_operative.principal(approval_limit_cents=29_999_99)
    loan_id = co_operative.application()
    with pytest.raises(BeyondApprovalLimit, match=r"KES 29,999\.99"):
        co_operative.dispatch(ApproveLoan(loan_id, officer, None, TODAY))
    co_operative.dispatch(ApproveLoan(loan_id, officer, 29_999_99, TODAY))
    assert loaded(co_operative, loan_id).amount_cents == 29_999_99


@pytest.mark.parametrize(
    "fields", [{"kind": PrincipalKind.SYSTEM}, {"roles": (Role.OPERATOR, Role.VIEWER)}]
)
def test_only_persons_with_the_role_approve(co_operative, fields):
    loan_id = co_operative.application()
    with pytest.raises(NotAnApprover):
        co_operative.dispatch(ApproveLoan(loan_id, co_operative.principal(**fields), None, TODAY))
    with pytest.raises(NotAnApprover):
        co_operative.dispatch(ApproveLoan(loan_id, str(uuid4()), None, TODAY))


def test_no_more_is_approved_than_was_asked_for(co_operative):
    loan_id = co_operative.application()
    with pytest.raises(ApprovedAmountTooHigh):
        co_operative.dispatch(ApproveLoan(loan_id, co_operative.principal(), 30_000_01, TODAY))


def test_an_application_is_decided_once(co_operative):
    officer = co_operative.principal()
    declined = co_operative.application()
    co_operative.dispatch(DeclineLoan(declined, officer, "too much", TODAY))
    approved = co_operative.approved_loan()
    for loan_id in (declined, approved):
        with pytest.raises(NotPending):
            co_operative.dispatch(ApproveLoan(loan_id, officer, None, TODAY))
        with pytest.raises(NotPending):
            co_operative.dispatch(DeclineLoan(loan_id, officer, "no", TODAY))


# Paying out


def test_a_loan_is_paid_out_once_and_only_when_approved(co_operative):
    pending = co_operative.application()
    paid_out = co_operative.loan()
    for loan_id in (pending, paid_out):
        with pytest.raises(NotApproved):
            co_operative.dispatch(DisburseLoan(loan_id, "cash", "V1", TODAY, None, TODAY))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"payment_method": "mpesa"}, "payment_method"),
        ({"payment_reference": " "}, "payment_reference"),
        ({"disbursed_on": later(1)}, "disbursement_date"),
        ({"first_due_on": TODAY}, "first_due_date"),
        ({"first_due_on": later(93)}, "first_due_date"),
    ],
)
def test_a_disbursement_that_makes_no_sense_names_the_field(co_operative, changes, field):
    values = {
        "payment_method": "bank",
        "payment_reference": "FT1",
        "disbursed_on": TODAY,
        "first_due_on": None,
    }
    command = DisburseLoan(co_operative.approved_loan(), today=TODAY, **(values | changes))
    with pytest.raises(InvalidInput) as refused:
        co_operative.dispatch(command)
    assert refused.value.field == field
