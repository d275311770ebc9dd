"""How loans are asked for, decided, paid out, repaid and given up.

The surplus of a repayment goes to the member's deposits in the same append, and comes back from
them when a later decision shows that it was none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from uuid import UUID

from domain.contributions.account import MemberAccount
from domain.contributions.errors import BalanceTooLow
from domain.contributions.handlers import account_of
from domain.contributions.rules import ContributionType, PaymentMethod
from domain.dates import checked_value_day
from domain.errors import InvalidInput
from domain.identities import contribution_id, loan_product_id
from domain.loans.commands import (
    ApplyForLoan,
    ApproveLoan,
    AssessLoan,
    ChargeFee,
    DeclineLoan,
    DefineLoanProduct,
    DisburseLoan,
    RecordRepayment,
    RestructureLoan,
    ReverseRepayment,
    WriteOffLoan,
)
from domain.loans.eligibility import check_eligible, check_limits
from domain.loans.errors import (
    ApproverIsApplicant,
    BeyondApprovalLimit,
    LoanNotFound,
    LoanNumberTaken,
    LoanProductNotFound,
    LoanReferenceAlreadyUsed,
    NotAnApprover,
    SettlementNotCovered,
    SurplusAlreadyUsed,
)
from domain.loans.loan import Loan, LoanStatus
from domain.loans.product import LoanProduct
from domain.loans.schedule import months_after
from domain.loans.standing import SURPLUS
from domain.loans.terms import TERM_MONTHS_MAX, LoanTerms
from domain.members.handlers import member_of
from domain.mpesa.suspense import return_to_suspense
from domain.principals.principal import Principal, PrincipalKind, Role
from domain.store import AggregateStore, Key
from domain.words import one_line

LOAN_OF_MEMBER = "loan.member"
LOAN_NUMBER = "loan.number"
LOAN_REFERENCE = "loan.reference"
"""Scopes: a member's loans; a loan by its number; one reference pays one loan once."""

DISBURSEMENT_METHODS = ("cash", "bank", "cheque")
REFERENCE_LENGTH_MAX = 40
REASON_LENGTH_MAX = 200
PURPOSE_LENGTH_MAX = 200
FIRST_DUE_DAYS_MAX = 92
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
    """Grant an application, by another person within their band."""
    loan = loan_of(command.loan_id, store)
    amount_cents = command.amount_cents or loan.amount_cents
    _check_may_decide(loan, command.principal_id, amount_cents, store)
    member_of(UUID(loan.member_id), store).check_active()
    check_limits(loan.terms, amount_cents=amount_cents, term_months=loan.term_months)
    loan.approve(approved_by=command.principal_id, amount_cents=amount_cents, on=command.today)
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
    """Pay an approved loan out at the counter or through the bank."""
    if command.payment_method not in DISBURSEMENT_METHODS:
        methods = ", ".join(DISBURSEMENT_METHODS)
        raise InvalidInput("payment_method", f"Give one of: {methods}.")
    reference = _reference(command.payment_reference)
    day = checked_value_day(command.disbursed_on, today=command.today, field="disbursement_date")
    loan = loan_of(command.loan_id, store)
    first_due_on = command.first_due_on or months_after(day, 1)
    _check_first_due(first_due_on, day)
    member_of(UUID(loan.member_id), store).check_active()
    loan.disburse(
        payment_method=command.payment_method,
        payment_reference=reference,
        on=day,
        first_due_on=first_due_on,
    )
    loan.assess(command.today)
    store.save(loan)
    return loan


def record_repayment(command: RecordRepayment, store: AggregateStore) -> Loan:
    """Record a payment on a loan, or a recovery of one that was written off."""
    if command.payment_method is PaymentMethod.MPESA:
        raise InvalidInput(
            "payment_method", "M-Pesa payments record themselves; choose cash, bank or check_off."
        )
    reference = _reference(command.payment_reference)
    day = checked_value_day(command.paid_on, today=command.today, field="payment_date")
    loan = loan_of(command.loan_id, store)
    if command.settles:
        total_cents = loan.settlement(day, today=command.today).total_cents
        if command.amount_cents < total_cents:
            raise SettlementNotCovered(total_cents=total_cents)
    take_repayment(
        loan,
        repayment_id=command.repayment_id,
        amount_cents=command.amount_cents,
        payment_method=command.payment_method,
        payment_reference=reference,
        paid_on=day,
        today=command.today,
        source_id=None,
        store=store,
    )
    key = _reference_key(loan, method=command.payment_method, reference=reference)
    store.save(loan, claims=(key,))
    return loan


def take_repayment(
    loan: Loan,
    *,
    repayment_id: UUID,
    amount_cents: int,
    payment_method: PaymentMethod,
    payment_reference: str,
    paid_on: date,
    today: date,
    source_id: UUID | None,
    store: AggregateStore,
) -> None:
    """Put money on a loan, and its surplus on the member's deposits. The loan is not saved yet."""
    source = str(source_id) if source_id else None
    if loan.status == LoanStatus.WRITTEN_OFF:
        loan.recover(
            repayment_id=str(repayment_id),
            amount_cents=amount_cents,
            payment_method=str(payment_method),
            payment_reference=payment_reference,
            paid_on=paid_on,
            source_id=source,
        )
        return
    before = _surpluses(loan)
    loan.receive(
        repayment_id=str(repayment_id),
        amount_cents=amount_cents,
        payment_method=str(payment_method),
        payment_reference=payment_reference,
        paid_on=paid_on,
        today=today,
        source_id=source,
    )
    _move_surpluses(loan, before, today=today, store=store)


def reverse_repayment(command: ReverseRepayment, store: AggregateStore) -> Loan:
    """Undo a repayment. What M-Pesa brought goes back to suspense: the money is still here."""
    reason = one_line(command.reason, "reason", length_max=REASON_LENGTH_MAX)
    loan = loan_of(command.loan_id, store)
    before = _surpluses(loan)
    undone = loan.reverse(
        repayment_id=str(command.repayment_id), reason=reason, today=command.today
    )
    _move_surpluses(loan, before, today=command.today, store=store)
    if undone["method"] == PaymentMethod.MPESA:
        return_to_suspense(
            UUID(undone["source_id"]), amount_cents=undone["amount_cents"], store=store
        )
        store.save(loan)
    else:
        key = _reference_key(loan, method=undone["method"], reference=undone["reference"])
        store.save(loan, releases=(key,))
    return loan


def charge_fee(command: ChargeFee, store: AggregateStore) -> Loan:
    """Charge something beside the schedule. It falls due today or later."""
    reason = one_line(command.reason, "reason", length_max=REASON_LENGTH_MAX)
    if command.due_on < command.today:
        raise InvalidInput("due_date", "A charge falls due today or later.")
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
    _check_first_due(first_due_on, command.today)
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


def assess_loan(command: AssessLoan, store: AggregateStore) -> Loan:
    """Say what a new day brings to a loan. Said again on the same day, nothing."""
    loan = loan_of(command.loan_id, store)
    loan.assess(command.today)
    store.save(loan)
    return loan


def loan_of(loan_id: UUID, store: AggregateStore) -> Loan:
    """The loan as it stands. Raises LoanNotFound."""
    loan = store.find(Loan, loan_id)
    if loan is None:
        raise LoanNotFound
    return loan


def loans_of(member_id: UUID, store: AggregateStore) -> Iterable[Loan]:
    """All loans of a member, whatever became of them."""
    return [loan_of(loan_id, store) for loan_id in store.lookup(LOAN_OF_MEMBER, str(member_id))]


def _check_may_decide(
    loan: Loan, principal_id: str, amount_cents: int, store: AggregateStore
) -> None:
    principal = store.find(Principal, UUID(principal_id))
    if (
        principal is None
        or principal.kind != PrincipalKind.PERSON
        or not {Role.APPROVER, Role.ADMINISTRATOR} & set(principal.roles)
    ):
        raise NotAnApprover
    if principal_id == loan.applied_by or principal.member_id == loan.member_id:
        raise ApproverIsApplicant
    if amount_cents > principal.approval_limit_cents:
        raise BeyondApprovalLimit(limit_cents=principal.approval_limit_cents)


def _surpluses(loan: Loan) -> dict[str, int]:
    return {key: parts[SURPLUS] for key, parts in loan.parts.items() if parts[SURPLUS]}


def _move_surpluses(
    loan: Loan, before: dict[str, int], *, today: date, store: AggregateStore
) -> None:
    """Bring the member's deposits to what is surplus now."""
    now = _surpluses(loan)
    moved = [key for key in sorted(before | now) if before.get(key) != now.get(key)]
    if not moved:
        return
    account = account_of(UUID(loan.member_id), store)
    for key in moved:
        if key in before:
            _take_surplus_back(account, key, today)
    for key in moved:
        if key in now:
            _put_surplus(account, loan, key, now[key])
    store.save(account)


def _put_surplus(account: MemberAccount, loan: Loan, repayment_id: str, cents: int) -> None:
    repayment = loan.repayments[repayment_id]
    times = sum(1 for each in account.contributions.values() if each["source_id"] == repayment_id)
    account.receive(
        contribution_id=contribution_id(source_id=UUID(repayment_id), part=f"surplus/{times}"),
        contribution_type=ContributionType.MONTHLY,
        amount_cents=cents,
        payment_method=PaymentMethod(repayment["method"]),
        payment_reference=repayment["reference"],
        contributed_on=date.fromisoformat(repayment["paid_on"]),
        source_id=UUID(repayment_id),
    )


def _take_surplus_back(account: MemberAccount, repayment_id: str, today: date) -> None:
    [found] = [
        key
        for key, each in account.contributions.items()
        if each["source_id"] == repayment_id and not each["reversed"]
    ]
    try:
        account.reverse(
            contribution_id=UUID(found),
            reason="the loan it was surplus of took it back",
            reversed_on=today,
        )
    except BalanceTooLow as error:
        raise SurplusAlreadyUsed from error


def _reference(text: str) -> str:
    return one_line(text, "payment_reference", length_max=REFERENCE_LENGTH_MAX)


def _reference_key(loan: Loan, *, method: str, reference: str) -> Key:
    value = f"{loan.id}/{method}/{reference.upper()}"
    return Key(LOAN_REFERENCE, value, taken=LoanReferenceAlreadyUsed)


def _check_first_due(first_due_on: date, start: date) -> None:
    if not 0 < (first_due_on - start).days <= FIRST_DUE_DAYS_MAX:
        raise InvalidInput(
            "first_due_date", f"The first instalment is due within {FIRST_DUE_DAYS_MAX} days."
        )
