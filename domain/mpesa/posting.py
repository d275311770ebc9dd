"""Where the money of a push goes: into the member's account, or on the loan that it names.

M-Pesa's rounding up and whatever a loan does not take go to the member's deposits.
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
from domain.mpesa.errors import AlreadyPosted
from domain.mpesa.receipt import Receipt
from domain.mpesa.stk_push import Push, PushPurpose
from domain.store import AggregateStore, Key

POSTING = "push.posting"
"""Scope: a push is posted once, by its receipt or without it."""


@dataclass(frozen=True)
class Payment:
    """Money of a push. Its source is the receipt, or the push itself while that is awaited."""

    source_id: UUID
    reference: str
    paid_on: date
    today: date


@dataclass(frozen=True)
class Posted:
    """What the money became."""

    contribution_ids: tuple[str, ...] = ()
    repayment_id: str | None = None


def posting_key(push: Push) -> Key:
    """The claim that both ways of posting a push make."""
    return Key(POSTING, str(push.id), taken=AlreadyPosted)


def post(push: Push, payment: Payment, *, receipt: Receipt | None, store: AggregateStore) -> Posted:
    """Post all of a push's money, and claim that it is posted. The receipt is not saved yet."""
    loan = store.get(Loan, UUID(push.loan_id)) if push.loan_id else None
    if loan is not None and loan.takes_money:
        return _post_on_loan(push, payment, loan, receipt=receipt, store=store)
    return _post_to_account(push, payment, receipt=receipt, store=store)


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
    push: Push, payment: Payment, loan: Loan, *, receipt: Receipt | None, store: AggregateStore
) -> Posted:
    posted_as = repayment_id(source_id=payment.source_id)
    if receipt is not None:
        receipt.place_on_loan(
            repayment_id=posted_as,
            loan_id=push.loan_id or "",
            member_id=push.member_id,
            amount_cents=push.push_cents,
        )
    take_repayment(
        loan,
        repayment_id=posted_as,
        amount_cents=push.push_cents,
        payment_method=PaymentMethod.MPESA,
        payment_reference=payment.reference,
        paid_on=payment.paid_on,
        today=payment.today,
        source_id=payment.source_id,
        store=store,
    )
    store.save(loan, claims=(posting_key(push),))
    return Posted(repayment_id=str(posted_as))


def _post_to_account(
    push: Push, payment: Payment, *, receipt: Receipt | None, store: AggregateStore
) -> Posted:
    account: MemberAccount = account_of(UUID(push.member_id), store)
    parts = _contributions(push, payment.source_id)
    for part, contribution_type, amount_cents in parts:
        if receipt is not None:
            receipt.place(contribution_id=part, member_id=push.member_id, amount_cents=amount_cents)
        account.receive(
            contribution_id=part,
            contribution_type=contribution_type,
            amount_cents=amount_cents,
            payment_method=PaymentMethod.MPESA,
            payment_reference=payment.reference,
            contributed_on=payment.paid_on,
            source_id=payment.source_id,
        )
    store.save(account, claims=(posting_key(push),))
    return Posted(tuple(str(part) for part, _, _ in parts))


def _contributions(push: Push, source_id: UUID) -> list[tuple[UUID, ContributionType, int]]:
    """What the payment becomes: what was asked, and the rounding surplus to the deposits."""
    monthly = ContributionType.MONTHLY
    surplus_cents = push.push_cents - push.amount_cents
    to_deposits = push.purpose in (PushPurpose.MONTHLY, PushPurpose.LOAN_REPAYMENT)
    if to_deposits or not surplus_cents:
        kind = monthly if to_deposits else ContributionType(push.purpose)
        return [(contribution_id(source_id=source_id), kind, push.push_cents)]
    surplus = contribution_id(source_id=source_id, part="surplus")
    return [
        (contribution_id(source_id=source_id), ContributionType(push.purpose), push.amount_cents),
        (surplus, monthly, surplus_cents),
    ]
