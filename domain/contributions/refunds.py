"""How a member's money goes back: proposed by one principal, confirmed by another.

By M-Pesa it goes out as a payout; cash and bank need a reference, carry cents and any sum, and are
done with the confirmation. A member who has, or has asked for, a loan is refunded nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from domain.contributions.account import MemberAccount
from domain.contributions.errors import (
    BalanceTooLowToRefund,
    LoansBeforeRefund,
    RefundNotFound,
    RefundReferenceUsed,
)
from domain.contributions.handlers import (
    REASON_LENGTH_MAX,
    REFERENCE_LENGTH_MAX,
    account_of,
)
from domain.contributions.refund import Refund, RefundMethod
from domain.contributions.rules import ContributionType
from domain.dates import business_day
from domain.errors import InvalidInput
from domain.identities import payout_id
from domain.loans.lookup import loans_of
from domain.members.handlers import member_of
from domain.mpesa.payout import Payout
from domain.mpesa.payout_states import PayoutPurpose
from domain.mpesa.payouts import begin_payout, check_payable
from domain.principals.deciding import check_may_decide
from domain.store import AggregateStore, Key
from domain.words import one_line

REFUNDABLE = (ContributionType.MONTHLY, ContributionType.SHARE_CAPITAL)
REFUND_REFERENCE = "refund.reference"
"""Scope: one voucher, or one bank reference, pays one member one refund."""


@dataclass(frozen=True)
class ProposeRefund:
    """Ask that deposits or share capital go back to their member."""

    refund_id: UUID
    member_id: UUID
    contribution_type: ContributionType
    amount_cents: int
    payment_method: RefundMethod
    payment_reference: str | None
    reason: str
    principal_id: str
    today: date


@dataclass(frozen=True)
class ConfirmRefund:
    """Let a proposed refund go out; by M-Pesa from this short code."""

    refund_id: UUID
    principal_id: str
    short_code: str | None
    now: datetime


@dataclass(frozen=True)
class RejectRefund:
    """Leave the money where it is."""

    refund_id: UUID
    principal_id: str
    reason: str
    today: date


def propose_refund(command: ProposeRefund, store: AggregateStore) -> Refund:
    """Enter a proposal that could be confirmed now."""
    reason = one_line(command.reason, "reason", length_max=REASON_LENGTH_MAX)
    if command.contribution_type not in REFUNDABLE:
        raise InvalidInput("contribution_type", "A registration fee is not refunded.")
    refund: Refund = Refund.begin(
        Refund.Proposed,
        stream_id=command.refund_id,
        member_id=str(command.member_id),
        contribution_type=str(command.contribution_type),
        amount_cents=command.amount_cents,
        payment_method=str(command.payment_method),
        payment_reference=_checked_reference(command),
        reason=reason,
        proposed_by=command.principal_id,
        proposed_on=command.today.isoformat(),
    )
    account = account_of(command.member_id, store)
    _check_may_go_out(refund, account, store)
    store.save(refund)
    return refund


def confirm_refund(command: ConfirmRefund, store: AggregateStore) -> Refund:
    """Take the money out of the balance, and pay it or begin its payout."""
    refund = refund_of(command.refund_id, store)
    refund.check_proposed()
    check_may_decide(
        command.principal_id,
        asked_by=refund.proposed_by,
        member_id=refund.member_id,
        amount_cents=refund.amount_cents,
        store=store,
    )
    account = account_of(UUID(refund.member_id), store)
    _check_may_go_out(refund, account, store)
    today = business_day(command.now)
    account.hold_refund(
        refund_id=str(refund.id),
        contribution_type=refund.contribution_type,
        amount_cents=refund.amount_cents,
        on=today,
    )
    if refund.payment_method == RefundMethod.MPESA:
        _begin_payout(refund, command, store)
        store.save(refund)
    else:
        assert refund.payment_reference is not None, "cash and bank name their reference"
        refund.confirm(payout_id=None, by=command.principal_id, on=today)
        _pay(refund, account, reference=refund.payment_reference, on=today)
        value = f"{refund.member_id}/{refund.payment_method}/{refund.payment_reference.upper()}"
        store.save(refund, claims=(Key(REFUND_REFERENCE, value, taken=RefundReferenceUsed),))
    store.save(account)
    return refund


def reject_refund(command: RejectRefund, store: AggregateStore) -> Refund:
    """Whoever proposed it may take it back; others need the role."""
    reason = one_line(command.reason, "reason", length_max=REASON_LENGTH_MAX)
    refund = refund_of(command.refund_id, store)
    if command.principal_id != refund.proposed_by:
        check_may_decide(
            command.principal_id,
            asked_by=refund.proposed_by,
            member_id=refund.member_id,
            amount_cents=0,
            store=store,
        )
    refund.reject(reason=reason, by=command.principal_id, on=command.today)
    store.save(refund)
    return refund


def refund_of(refund_id: UUID, store: AggregateStore) -> Refund:
    """The refund as it stands. Raises RefundNotFound."""
    refund = store.find(Refund, refund_id)
    if refund is None:
        raise RefundNotFound
    return refund


def refund_paid(
    payout: Payout,
    *,
    receipt_number: str | None,
    completed_at: datetime,
    now: datetime,
    store: AggregateStore,
) -> bool:
    """Note that a payout brought it. Answers False where its money is used otherwise by now."""
    assert receipt_number is not None, "what a phone was paid has a receipt"
    refund = refund_of(UUID(payout.source_id), store)
    account = account_of(UUID(refund.member_id), store)
    day = min(business_day(completed_at), business_day(now))
    if account.refunds[str(refund.id)]["state"] == "returned":
        try:
            account.hold_refund(
                refund_id=str(refund.id),
                contribution_type=refund.contribution_type,
                amount_cents=refund.amount_cents,
                on=day,
            )
        except BalanceTooLowToRefund:
            return False
    _pay(refund, account, reference=receipt_number, on=day)
    store.save(refund)
    store.save(account)
    return True


def refund_not_paid(payout: Payout, *, reason: str, now: datetime, store: AggregateStore) -> bool:
    """Put it back into the balance. Answers False where the member has left since."""
    refund = refund_of(UUID(payout.source_id), store)
    account = account_of(UUID(refund.member_id), store)
    if account.is_closed:
        return False
    today = business_day(now)
    account.return_refund(refund_id=str(refund.id), reason=reason, on=today)
    refund.give_back(reason=reason, on=today)
    store.save(refund)
    store.save(account)
    return True


def _checked_reference(command: ProposeRefund) -> str | None:
    if command.payment_method is RefundMethod.MPESA:
        if command.payment_reference is not None:
            raise InvalidInput("payment_reference", "M-Pesa gives a refund its own reference.")
        check_payable(command.amount_cents)
        return None
    if command.payment_reference is None:
        raise InvalidInput("payment_reference", "Name the voucher, or the bank's reference.")
    return one_line(command.payment_reference, "payment_reference", length_max=REFERENCE_LENGTH_MAX)


def _check_may_go_out(refund: Refund, account: MemberAccount, store: AggregateStore) -> None:
    """Raises MemberNotActive, LoansBeforeRefund, BalanceTooLowToRefund."""
    member_id = UUID(refund.member_id)
    member_of(member_id, store).check_active()
    if any(loan.is_unsettled for loan in loans_of(member_id, store)):
        raise LoansBeforeRefund
    balance_cents = account.balances_cents[refund.contribution_type]
    if refund.amount_cents > balance_cents:
        raise BalanceTooLowToRefund(balance_cents=balance_cents)


def _begin_payout(refund: Refund, command: ConfirmRefund, store: AggregateStore) -> None:
    assert command.short_code is not None, "the door names the short code that pays"
    member = member_of(UUID(refund.member_id), store)
    assert member.phone is not None, "an active member has a phone"
    first_payout = payout_id(refund.id, number=1)
    refund.confirm(
        payout_id=str(first_payout), by=command.principal_id, on=business_day(command.now)
    )
    begin_payout(
        payout_id=first_payout,
        purpose=PayoutPurpose.MEMBER_REFUND,
        source_id=refund.id,
        member_id=member.id,
        phone=member.phone,
        amount_cents=refund.amount_cents,
        short_code=command.short_code,
        requested_by=refund.proposed_by,
        approved_by=command.principal_id,
        now=command.now,
        store=store,
    )


def _pay(refund: Refund, account: MemberAccount, *, reference: str, on: date) -> None:
    account.pay_refund(
        refund_id=str(refund.id),
        payment_method=refund.payment_method,
        payment_reference=reference,
        on=on,
    )
    refund.pay(payment_reference=reference, on=on)
