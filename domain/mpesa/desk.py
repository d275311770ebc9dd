"""The suspense desk: one person says what is to become of money in suspense, another agrees.

It is assigned (to a member, to a loan, or to the push it turns out to pay), refunded by a payout,
or the whole receipt is reversed. The two are different principals, compared here; the maker may
take a proposal back. What is confirmed happens in the commit of the confirmation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.dates import business_day, text_from_moment
from domain.errors import InvalidInput
from domain.identities import refund_id
from domain.loans.lookup import loan_of
from domain.members.errors import MemberHasExited
from domain.members.handlers import member_of
from domain.members.member import Member
from domain.mpesa.commands import ToldReceipt
from domain.mpesa.handlers import push_of
from domain.mpesa.payer import Payer
from domain.mpesa.payout_states import PayoutPurpose
from domain.mpesa.payouts import begin_payout, check_payable
from domain.mpesa.posting import Destination, Payment, post
from domain.mpesa.receipt import Receipt, Resolution
from domain.mpesa.receipt_errors import (
    MakerOnlyWithdraws,
    NobodyPaysOut,
    NoPhoneToRefund,
    PushAwaitsReceipt,
    PushNotMatching,
    ReceiptNotFound,
    ShortCodeUnknown,
)
from domain.mpesa.receipts import pushes_perhaps_paid, settle
from domain.mpesa.reversals import begin_reversal
from domain.mpesa.stk_push import Push, PushPurpose, PushState
from domain.phones import normalised_phone
from domain.principals.deciding import check_may_decide
from domain.store import AggregateStore
from domain.words import one_line

NOTE_LENGTH_MAX = 200


@dataclass(frozen=True, kw_only=True)
class _AtTheDesk:
    receipt_id: UUID
    proposal_id: UUID
    principal_id: str
    now: datetime


@dataclass(frozen=True, kw_only=True)
class ProposeAssignment(_AtTheDesk):
    """The money is this member's (for what purpose), is for this loan, or is that of this push."""

    note: str
    member_id: UUID | None = None
    purpose: PushPurpose | None = None
    loan_id: UUID | None = None
    push_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class ProposeRefund(_AtTheDesk):
    """The money is to go back by a payout: to the payer's number, or to one that is given."""

    note: str
    phone: str | None = None


@dataclass(frozen=True, kw_only=True)
class ProposeReversal(_AtTheDesk):
    """Safaricom is to give the whole receipt back to whoever paid."""

    note: str


@dataclass(frozen=True, kw_only=True)
class WithdrawProposal(_AtTheDesk):
    """Its maker takes it back."""


@dataclass(frozen=True, kw_only=True)
class RejectProposal(_AtTheDesk):
    """Another does not agree."""

    note: str


@dataclass(frozen=True, kw_only=True)
class ConfirmProposal(_AtTheDesk):
    """Another agrees: it is done. A refund leaves from the short code `pays_from`."""

    pays_from: str | None


def propose_assignment(command: ProposeAssignment, store: AggregateStore) -> Receipt:
    """Raises what stands against it already now: who left, a loan that takes nothing."""
    receipt = receipt_of(command.receipt_id, store)
    targets = {
        "member_id": command.member_id,
        "loan_id": command.loan_id,
        "transaction_id": command.push_id,
    }
    named = [field for field, target in targets.items() if target is not None]
    if len(named) != 1:
        superfluous = named[-1] if named else "member_id"
        raise InvalidInput(superfluous, "Name one: a member, a loan, or a transaction.")
    if command.purpose is not None and command.member_id is None:
        raise InvalidInput("payment_purpose", "Only a member is paid for a purpose.")
    if command.purpose is PushPurpose.LOAN_REPAYMENT:
        raise InvalidInput("payment_purpose", "Name the loan in place of the member.")
    proposal = {
        "member_id": str(command.member_id) if command.member_id else None,
        "loan_id": str(command.loan_id) if command.loan_id else None,
        "push_id": str(command.push_id) if command.push_id else None,
        "purpose": str(command.purpose or PushPurpose.MONTHLY) if command.member_id else None,
    }
    _check_assignable(receipt, proposal, command.now, store)
    return _proposed(receipt, command, Resolution.ASSIGN, command.note, store, **proposal)


def propose_refund(command: ProposeRefund, store: AggregateStore) -> Receipt:
    """Raises NoPhoneToRefund, NotWholeShillings, PayoutOutsideLimits."""
    receipt = receipt_of(command.receipt_id, store)
    phone = normalised_phone(command.phone) if command.phone else receipt.payer_phone
    if phone is None:
        raise NoPhoneToRefund
    if receipt.suspended_cents:
        check_payable(receipt.suspended_cents)
    return _proposed(receipt, command, Resolution.REFUND, command.note, store, phone=phone)


def propose_reversal(command: ProposeReversal, store: AggregateStore) -> Receipt:
    """Raises NotAllInSuspense."""
    receipt = receipt_of(command.receipt_id, store)
    return _proposed(receipt, command, Resolution.REVERSE, command.note, store)


def withdraw_proposal(command: WithdrawProposal, store: AggregateStore) -> Receipt:
    """Raises NoSuchProposal, MakerOnlyWithdraws."""
    receipt = receipt_of(command.receipt_id, store)
    if receipt.proposed(command.proposal_id)["by"] != command.principal_id:
        raise MakerOnlyWithdraws
    receipt.withdraw(
        proposal_id=command.proposal_id,
        by=command.principal_id,
        at=text_from_moment(command.now),
    )
    store.save(receipt)
    return receipt


def reject_proposal(command: RejectProposal, store: AggregateStore) -> Receipt:
    """Raises NoSuchProposal, AnotherMustDecide, NotAnApprover."""
    note = one_line(command.note, "note", length_max=NOTE_LENGTH_MAX)
    receipt = receipt_of(command.receipt_id, store)
    _check_second_person(receipt.proposed(command.proposal_id), command, store, amount_cents=0)
    receipt.reject(
        proposal_id=command.proposal_id,
        note=note,
        by=command.principal_id,
        at=text_from_moment(command.now),
    )
    store.save(receipt)
    return receipt


def confirm_proposal(command: ConfirmProposal, store: AggregateStore) -> Receipt:
    """Do what was proposed. Confirmed twice, the second finds nothing that waits.

    Raises:
        NoSuchProposal, NotSoMuchInSuspense: it no longer waits, or the money has changed.
        AnotherMustDecide, NotAnApprover, BeyondApprovalLimit: not by this principal.
    """
    receipt = receipt_of(command.receipt_id, store)
    proposal = receipt.proposed(command.proposal_id)
    amount_cents: int = proposal["amount_cents"]
    _check_second_person(proposal, command, store, amount_cents=amount_cents)
    receipt.confirm(
        proposal_id=command.proposal_id,
        by=command.principal_id,
        at=text_from_moment(command.now),
    )
    do = {
        Resolution.ASSIGN: _assign,
        Resolution.REFUND: _refund,
        Resolution.REVERSE: _reverse,
    }[Resolution(proposal["resolution"])]
    do(receipt, proposal, command, store)
    store.save(receipt)
    return receipt


def receipt_of(receipt_id: UUID, store: AggregateStore) -> Receipt:
    """The receipt as it stands. Raises ReceiptNotFound."""
    receipt = store.find(Receipt, receipt_id)
    if receipt is None:
        raise ReceiptNotFound
    return receipt


def _proposed(
    receipt: Receipt,
    command: ProposeAssignment | ProposeRefund | ProposeReversal,
    resolution: Resolution,
    note: str,
    store: AggregateStore,
    **proposal: str | None,
) -> Receipt:
    receipt.propose(
        proposal_id=command.proposal_id,
        resolution=resolution,
        note=one_line(note, "note", length_max=NOTE_LENGTH_MAX),
        by=command.principal_id,
        at=text_from_moment(command.now),
        **proposal,
    )
    store.save(receipt)
    return receipt


def _check_second_person(
    proposal: dict[str, Any], command: _AtTheDesk, store: AggregateStore, *, amount_cents: int
) -> None:
    check_may_decide(
        command.principal_id,
        asked_by=proposal["by"],
        member_id=_beneficiary(proposal, store),
        amount_cents=amount_cents,
        store=store,
    )


def _beneficiary(proposal: dict[str, Any], store: AggregateStore) -> str | None:
    """The member who would have the money, where one would: they do not decide for themselves."""
    if proposal["loan_id"]:
        return loan_of(UUID(proposal["loan_id"]), store).member_id
    if proposal["push_id"]:
        return push_of(UUID(proposal["push_id"]), store).member_id
    member_id: str | None = proposal["member_id"]
    return member_id


def _check_assignable(
    receipt: Receipt, proposal: dict[str, Any], now: datetime, store: AggregateStore
) -> None:
    if proposal["push_id"]:
        _check_push(receipt, push_of(UUID(proposal["push_id"]), store), store)
        return
    if proposal["loan_id"]:
        loan = loan_of(UUID(proposal["loan_id"]), store)
        if not loan.takes_money:
            loan.check_open()
        member = member_of(UUID(loan.member_id), store)
    else:
        member = member_of(UUID(proposal["member_id"]), store)
    if not member.belongs:
        raise MemberHasExited
    _check_no_push_awaits(receipt, member, now, store)


def _check_push(receipt: Receipt, push: Push, store: AggregateStore) -> None:
    if not member_of(UUID(push.member_id), store).belongs:
        raise MemberHasExited
    fits = push.push_cents == receipt.amount_cents == receipt.suspended_cents
    free = push.receipt_id is None and receipt.push_id is None and push.believes_late_success
    if not (fits and free):
        raise PushNotMatching


def _check_no_push_awaits(
    receipt: Receipt, member: Member, now: datetime, store: AggregateStore
) -> None:
    """What was posted by a query, at about the time of this receipt, would be posted twice."""
    told = _told(receipt, now, Payer(phone=member.phone))
    for push in pushes_perhaps_paid(told, store):
        if push.state == PushState.PAID_RECEIPT_AWAITED and push.member_id == str(member.id):
            raise PushAwaitsReceipt(str(push.id))


def _assign(
    receipt: Receipt, proposal: dict[str, Any], command: ConfirmProposal, store: AggregateStore
) -> None:
    _check_assignable(receipt, proposal, command.now, store)
    receipt.release(amount_cents=receipt.suspended_cents, because="assigned")
    if proposal["push_id"]:
        push = push_of(UUID(proposal["push_id"]), store)
        settle(push, receipt, _told(receipt, command.now, Payer()), store)
        return
    if proposal["loan_id"]:
        destination = Destination.of_loan(loan_of(UUID(proposal["loan_id"]), store))
    else:
        destination = Destination(UUID(proposal["member_id"]), PushPurpose(proposal["purpose"]))
    payment = Payment(
        source_id=receipt.id,
        reference=receipt.receipt_number,
        amount_cents=receipt.unplaced_cents,
        paid_on=business_day(datetime.fromisoformat(receipt.paid_at)),
        today=business_day(command.now),
        part=proposal["id"],
    )
    post(destination, payment, receipt=receipt, store=store)


def _refund(
    receipt: Receipt, proposal: dict[str, Any], command: ConfirmProposal, store: AggregateStore
) -> None:
    if proposal["phone"] is None:  # the person whose key it was kept under was erased since
        raise NoPhoneToRefund
    if command.pays_from is None:
        raise NobodyPaysOut
    payout_id = refund_id(UUID(proposal["id"]))
    receipt.start_refund(payout_id=payout_id, amount_cents=proposal["amount_cents"])
    begin_payout(
        payout_id=payout_id,
        purpose=PayoutPurpose.SUSPENSE_REFUND,
        source_id=receipt.id,
        member_id=None,
        phone=proposal["phone"],
        amount_cents=proposal["amount_cents"],
        short_code=command.pays_from,
        requested_by=proposal["by"],
        approved_by=command.principal_id,
        now=command.now,
        store=store,
    )


def _reverse(
    receipt: Receipt, proposal: dict[str, Any], command: ConfirmProposal, store: AggregateStore
) -> None:
    receipt.start_reversal()
    begin_reversal(
        receipt_number=receipt.receipt_number,
        amount_cents=receipt.amount_cents,
        short_code=_paid_short_code(receipt, store),
        member_id=None,
        requested_by=proposal["by"],
        approved_by=command.principal_id,
        now=command.now,
        store=store,
    )


def _paid_short_code(receipt: Receipt, store: AggregateStore) -> str:
    """The short code that was paid: of the first receipts only their push says it."""
    if receipt.short_code is not None:
        return receipt.short_code
    if receipt.push_id is None:
        raise ShortCodeUnknown
    return push_of(UUID(receipt.push_id), store).short_code


def _told(receipt: Receipt, now: datetime, payer: Payer) -> ToldReceipt:
    """The receipt as a channel would tell it, of this payer."""
    return ToldReceipt(
        receipt_number=receipt.receipt_number,
        amount_cents=receipt.amount_cents,
        paid_at=datetime.fromisoformat(receipt.paid_at),
        channel="desk",
        short_code=receipt.short_code,
        account_number=None,
        payer=payer,
        now=now,
    )
