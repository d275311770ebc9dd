"""How loans are offered, asked for, decided, paid out, changed and given up."""

from __future__ import annotations

import re
from uuid import UUID

from domain.contributions.handlers import account_of
from domain.dates import checked_value_day
from domain.errors import InvalidInput
from domain.identities import loan_product_id
from domain.loans.commands import (
    ApplyForLoan,
    ApproveLoan,
    AssessLoan,
    ChargeFee,
    DeclineLoan,
    DefineLoanProduct,
    DisburseLoan,
    RestructureLoan,
    WriteOffLoan,
)
from domain.loans.eligibility import check_eligible, check_limits
from domain.loans.errors import (
    ApproverIsApplicant,
    LoanNumberTaken,
    LoanProductNotFound,
)
from domain.loans.first_due import check_first_due
from domain.loans.loan import Loan
from domain.loans.lookup import LOAN_OF_MEMBER, loan_of, loans_of
from domain.loans.payouts import check_no_part_under_review, start_payouts
from domain.loans.product import LoanProduct
from domain.loans.schedule import months_after
from domain.loans.terms import TERM_MONTHS_MAX, LoanTerms
from domain.members.handlers import member_of
from domain.principals.deciding import check_may_decide
from domain.store import AggregateStore, Key
from domain.words import one_line

LOAN_NUMBER = "loan.number"
"""Scope: a loan by its number."""

DISBURSEMENT_METHODS = ("cash", "bank", "cheque")
REFERENCE_LENGTH_MAX = 40
REASON_LENGTH_MAX = 200
PURPOSE_LENGTH_MAX = 200
FEE_DUE_DAYS_MAX = 366
_PRODUCT_CODE = re.compile(r"[a-z][a-z0-9_]{1,39}", re.ASCII)


def define_loan_product(command: DefineLoanProduct, store: AggregateStore) -> LoanProduct:
    """Offer a product, or revise its terms. Said twice, it changes nothing."""
    if not _PRODUCT_CODE.fullmatch(command.code):
        raise InvalidInput("code", "Give 2 to 40 small letters, digits and underscores.")
    name = one_line(command.name, "name", length_max=60)
    terms = LoanTerms.from_plain(command.terms)
    product = store.find(LoanProduct, loan_product_id(command.code))
    if product is None:
        product = LoanProduct.begin(
            LoanProduct.Defined,
            stream_id=loan_product_id(command.code),
            code=command.code,
            name=name,
            valid_from=command.valid_from.isoformat(),
            terms=terms.as_plain(),
        )
    else:
        product.revise(name=name, valid_from=command.valid_from, terms=terms)
    store.save(product)
    return product


def apply_for_loan(command: ApplyForLoan, store: AggregateStore) -> Loan:
    """Enter an application of a member who is eligible."""
    purpose = one_line(command.purpose, "purpose", length_max=PURPOSE_LENGTH_MAX)
    day = checked_value_day(command.applied_on, today=command.today, field="application_date")
    product = store.find(LoanProduct, loan_product_id(command.product_code))
    if product is None:
        raise LoanProductNotFound
    terms = product.terms_on(day)
    check_limits(terms, amount_cents=command.amount_cents, term_months=command.term_months)
    member = member_of(command.member_id, store)
    check_eligible(
        terms,
        amount_cents=command.amount_cents,
        member=member,
        account=account_of(command.member_id, store),
        loans=loans_of(command.member_id, store),
        today=command.today,
    )
    loan: Loan = Loan.begin(
        Loan.Applied,
        stream_id=command.loan_id,
        loan_number=command.loan_number,
        member_id=str(member.id),
        member_number=member.member_number,
        product_code=product.code,
        terms=terms.as_plain(),
        amount_cents=command.amount_cents,
        term_months=command.term_months,
        purpose=purpose,
        applied_on=day.isoformat(),
        applied_by=command.principal_id,
    )
    store.save(
        loan,
        claims=(
            Key(LOAN_OF_MEMBER, str(member.id)),
            Key(LOAN_NUMBER, command.loan_number, taken=LoanNumberTaken),
        ),
    )
    return loan


def approve_loan(command: ApproveLoan, store: AggregateStore) -> Loan:
    """Grant an application, by another person within their band; and begin to pay it out."""
    loan = loan_of(command.loan_id, store)
    amount_cents = command.amount_cents or loan.amount_cents
    _check_may_decide(loan, command.principal_id, amount_cents, store)
    member_of(UUID(loan.member_id), store).check_active()
    check_limits(loan.terms, amount_cents=amount_cents, term_months=loan.term_months)
    loan.approve(approved_by=command.principal_id, amount_cents=amount_cents, on=command.today)
    if command.pay_out is not None:
        start_payouts(
            loan,
            short_code=command.pay_out.short_code,
            requested_by=command.principal_id,
            first_due_on=None,
            now=command.pay_out.now,
            store=store,
        )
    store.save(loan)
    return loan


def decline_loan(command: DeclineLoan, store: AggregateStore) -> Loan:
    """Refuse an application, by another person."""
    reason = one_line(command.reason, "reason", length_max=REASON_LENGTH_MAX)
    loan = loan_of(command.loan_id, store)
    _check_may_decide(loan, command.principal_id, 0, store)
    loan.decline(declined_by=command.principal_id, reason=reason, on=command.today)
    store.save(loan)
    return loan


def disburse_loan(command: DisburseLoan, store: AggregateStore) -> Loan:
    """Pay an approved loan out at the counter or through the bank: all of it, or the rest."""
    if command.payment_method not in DISBURSEMENT_METHODS:
        methods = ", ".join(DISBURSEMENT_METHODS)
        raise InvalidInput("payment_method", f"Give one of: {methods}.")
    reference = payment_reference(command.payment_reference)
    day = checked_value_day(command.disbursed_on, today=command.today, field="disbursement_date")
    loan = loan_of(command.loan_id, store)
    first_due_on = command.first_due_on or months_after(day, 1)
    check_first_due(first_due_on, day)
    member_of(UUID(loan.member_id), store).check_active()
    check_no_part_under_review(loan, store)
    loan.disburse(
        payment_method=command.payment_method,
        payment_reference=reference,
        on=day,
        first_due_on=first_due_on,
    )
    loan.assess(command.today)
    store.save(loan)
    return loan


def charge_fee(command: ChargeFee, store: AggregateStore) -> Loan:
    """Charge something beside the schedule. It falls due today or later."""
    reason = one_line(command.reason, "reason", length_max=REASON_LENGTH_MAX)
    if not 0 <= (command.due_on - command.today).days <= FEE_DUE_DAYS_MAX:
        raise InvalidInput("due_date", "A charge falls due today or within a year.")
    loan = loan_of(command.loan_id, store)
    loan.charge_fee(
        fee_id=str(command.fee_id),
        amount_cents=command.amount_cents,
        reason=reason,
        due_on=command.due_on,
        today=command.today,
    )
    store.save(loan)
    return loan


def restructure_loan(command: RestructureLoan, store: AggregateStore) -> Loan:
    """Spread what is owed anew, by an approver within their band."""
    reason = one_line(command.reason, "reason", length_max=REASON_LENGTH_MAX)
    if not 0 < command.term_months <= TERM_MONTHS_MAX:
        raise InvalidInput("term_months", f"Give 1 to {TERM_MONTHS_MAX} months.")
    loan = loan_of(command.loan_id, store)
    _check_may_decide(loan, command.principal_id, loan.balance_cents, store)
    first_due_on = command.first_due_on or months_after(command.today, 1)
    check_first_due(first_due_on, command.today)
    plain = loan.plain_terms | {"principal_grace_months": 0}
    if command.rate_percent is not None:
        plain |= {"rate_percent": command.rate_percent}
    loan.restructure(
        terms=LoanTerms.from_plain(plain),
        term_months=command.term_months,
        first_due_on=first_due_on,
        approved_by=command.principal_id,
        reason=reason,
        today=command.today,
    )
    store.save(loan)
    return loan


def write_off_loan(command: WriteOffLoan, store: AggregateStore) -> Loan:
    """Give up what is owed, by an approver within their band."""
    reason = one_line(command.reason, "reason", length_max=REASON_LENGTH_MAX)
    loan = loan_of(command.loan_id, store)
    _check_may_decide(loan, command.principal_id, loan.balance_cents, store)
    loan.write_off(approved_by=command.principal_id, reason=reason, today=command.today)
    store.save(loan)
    return loan


def assess_loan(command: AssessLoan, store: AggregateStore) -> bool:
    """Say what a new day brings to a loan. Answers whether that was all.

    Said again on the same day, nothing.
    """
    loan = loan_of(command.loan_id, store)
    is_all = loan.assess(command.today)
    store.save(loan)
    return is_all


def payment_reference(text: str) -> str:
    """What proves a payment: a voucher, a bank's reference. Raises InvalidInput."""
    return one_line(text, "payment_reference", length_max=REFERENCE_LENGTH_MAX)


def _check_may_decide(
    loan: Loan, principal_id: str, amount_cents: int, store: AggregateStore
) -> None:
    check_may_decide(
        principal_id,
        asked_by=loan.applied_by,
        member_id=loan.member_id,
        amount_cents=amount_cents,
        store=store,
        their_own=ApproverIsApplicant,
    )
