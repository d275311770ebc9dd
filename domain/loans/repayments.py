"""How money that was paid on a loan is taken in, and undone.

The surplus of a repayment goes to the member's deposits in the same append, and comes back from
them when a later decision shows that it was none.
"""

from __future__ import annotations

from datetime import date
from uuid import UUID

from domain.contributions.account import MemberAccount
from domain.contributions.errors import BalanceTooLow
from domain.contributions.handlers import account_of
from domain.contributions.rules import ContributionType, PaymentMethod
from domain.dates import checked_value_day
from domain.errors import InvalidInput
from domain.identities import contribution_id
from domain.loans.commands import RecordRepayment, ReverseRepayment
from domain.loans.errors import LoanReferenceAlreadyUsed, SettlementNotCovered, SurplusAlreadyUsed
from domain.loans.handlers import REASON_LENGTH_MAX, payment_reference
from domain.loans.loan import Loan, LoanStatus
from domain.loans.lookup import loan_of
from domain.loans.standing import SURPLUS
from domain.members.errors import MemberHasExited
from domain.members.handlers import member_of
from domain.mpesa.suspense import return_to_suspense
from domain.store import AggregateStore, Key
from domain.words import one_line

LOAN_REFERENCE = "loan.reference"
"""Scope: one reference of one way of paying pays one loan once."""


def record_repayment(command: RecordRepayment, store: AggregateStore) -> Loan:
    """Record a payment on a loan, or a recovery of one that was written off."""
    if command.payment_method is PaymentMethod.MPESA:
        raise InvalidInput(
            "payment_method", "M-Pesa payments record themselves; choose cash, bank or check_off."
        )
    reference = payment_reference(command.payment_reference)
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
        is_fact = source_id is not None
        recovered_cents = min(amount_cents, loan.recoverable_cents) if is_fact else amount_cents
        loan.recover(
            repayment_id=str(repayment_id),
            amount_cents=recovered_cents,
            payment_method=str(payment_method),
            payment_reference=payment_reference,
            paid_on=paid_on,
            source_id=source,
        )
        if recovered_cents < amount_cents:
            account = account_of(UUID(loan.member_id), store)
            _put_surplus(account, loan, str(repayment_id), amount_cents - recovered_cents)
            store.save(account)
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
    if not member_of(UUID(loan.member_id), store).belongs:
        raise MemberHasExited  # who left owes nothing, and their account is closed
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


def _reference_key(loan: Loan, *, method: str, reference: str) -> Key:
    value = f"{loan.id}/{method}/{reference.upper()}"
    return Key(LOAN_REFERENCE, value, taken=LoanReferenceAlreadyUsed)
