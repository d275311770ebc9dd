"""Where money goes: into a member's account, or on a loan.

M-Pesa's rounding up and whatever a loan does not take go to the member's deposits; so does all of
what was meant for a loan that takes no money any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from domain.contributions.account import MemberAccount
from domain.contributions.handlers import account_of
from domain.contributions.rules import ContributionType, PaymentMethod
from domain.identities import contribution_id, repayment_id
from domain.loans.loan import Loan
from domain.loans.repayments import take_repayment
from domain.mpesa.receipt import Receipt
from domain.mpesa.stk_push import Push, PushPurpose
from domain.store import AggregateStore, Key


@dataclass(frozen=True)
class Destination:
    """Whose the money is, and what it is for.

    `rounded_up_cents` were paid only because M-Pesa moves whole shillings.
    """

    member_id: UUID
    purpose: PushPurpose
    loan_id: UUID | None = None
    rounded_up_cents: int = 0

    @classmethod
    def of_push(cls, push: Push) -> Destination:
        """Where what a push asked for is to go."""
        return cls(
            UUID(push.member_id),
            PushPurpose(push.purpose),
            UUID(push.loan_id) if push.loan_id else None,
            push.push_cents - push.amount_cents,
        )

    @classmethod
    def of_loan(cls, loan: Loan) -> Destination:
        """On this loan, as long as it takes money."""
        return cls(UUID(loan.member_id), PushPurpose.LOAN_REPAYMENT, loan.id)


@dataclass(frozen=True)
class Payment:
    """Money to be posted. Its source is the receipt, or the push while its receipt is awaited.

    `part` tells what one source pays a second time, after the first was undone, from the first.
    """

    source_id: UUID
    reference: str
    amount_cents: int
    paid_on: date
    today: date
    part: str = ""


@dataclass(frozen=True)
class Posted:
    """What the money became."""

    contribution_ids: tuple[str, ...] = ()
    repayment_id: str | None = None


def post(
    destination: Destination,
    payment: Payment,
    *,
    receipt: Receipt | None,
    store: AggregateStore,
    claims: tuple[Key, ...] = (),
) -> Posted:
    """Post all of a payment, with what the posting claims. The receipt is not saved yet."""
    loan = store.get(Loan, destination.loan_id) if destination.loan_id else None
    if loan is not None and loan.takes_money:
        return _post_on_loan(loan, payment, receipt=receipt, store=store, claims=claims)
    return _post_to_account(destination, payment, receipt=receipt, store=store, claims=claims)


def posted_before(push: Push, store: AggregateStore) -> Posted:
    """What the money of a push became when it was posted without its receipt."""
    on_loan = str(repayment_id(source_id=push.id))
    loan = store.get(Loan, UUID(push.loan_id)) if push.loan_id else None
    account = account_of(UUID(push.member_id), store)
    sources = (str(push.id), on_loan)
    return Posted(
        tuple(key for key, each in account.contributions.items() if each["source_id"] in sources),
        on_loan if loan is not None and on_loan in loan.repayments else None,
    )


def _post_on_loan(
    loan: Loan,
    payment: Payment,
    *,
    receipt: Receipt | None,
    store: AggregateStore,
    claims: tuple[Key, ...],
) -> Posted:
    posted_as = repayment_id(source_id=payment.source_id, part=payment.part)
    if receipt is not None:
        receipt.place_on_loan(
            repayment_id=posted_as,
            loan_id=str(loan.id),
            member_id=loan.member_id,
            amount_cents=payment.amount_cents,
        )
    take_repayment(
        loan,
        repayment_id=posted_as,
        amount_cents=payment.amount_cents,
        payment_method=PaymentMethod.MPESA,
        payment_reference=payment.reference,
        paid_on=payment.paid_on,
        today=payment.today,
        source_id=payment.source_id,
        store=store,
    )
    store.save(loan, claims=claims)
    return Posted(repayment_id=str(posted_as))


def _post_to_account(
    destination: Destination,
    payment: Payment,
    *,
    receipt: Receipt | None,
    store: AggregateStore,
    claims: tuple[Key, ...],
) -> Posted:
    account: MemberAccount = account_of(destination.member_id, store)
    parts = _contributions(destination, payment)
    for part, contribution_type, amount_cents in parts:
        if receipt is not None:
            receipt.place(
                contribution_id=part,
                member_id=str(destination.member_id),
                amount_cents=amount_cents,
            )
        account.receive(
            contribution_id=part,
            contribution_type=contribution_type,
            amount_cents=amount_cents,
            payment_method=PaymentMethod.MPESA,
            payment_reference=payment.reference,
            contributed_on=payment.paid_on,
            source_id=payment.source_id,
        )
    store.save(account, claims=claims)
    return Posted(tuple(str(part) for part, _, _ in parts))


def _contributions(
    destination: Destination, payment: Payment
) -> list[tuple[UUID, ContributionType, int]]:
    """What the payment becomes: what was meant, and the rounding surplus to the deposits."""
    monthly = ContributionType.MONTHLY
    surplus_cents = destination.rounded_up_cents
    source_id, part = payment.source_id, payment.part
    to_deposits = destination.purpose in (PushPurpose.MONTHLY, PushPurpose.LOAN_REPAYMENT)
    whole = contribution_id(source_id=source_id, part=part)
    if to_deposits or not surplus_cents:
        kind = monthly if to_deposits else ContributionType(destination.purpose)
        return [(whole, kind, payment.amount_cents)]
    surplus = contribution_id(source_id=source_id, part=f"{part}/surplus" if part else "surplus")
    kind = ContributionType(destination.purpose)
    return [
        (whole, kind, payment.amount_cents - surplus_cents),
        (surplus, monthly, surplus_cents),
    ]
