"""Payouts that persons settle: one finds out and proposes, another confirms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from uuid import UUID

from domain.dates import NAIROBI, business_day, checked_value_day, text_from_moment
from domain.errors import InvalidInput
from domain.mpesa.errors import PayoutReceiptKnown
from domain.mpesa.payout import Payout
from domain.mpesa.payout_settling import (
    PAYOUT_RECEIPT,
    ToldNotPaid,
    ToldPaid,
    settle_not_paid,
    settle_paid,
)
from domain.mpesa.payout_states import PAID
from domain.mpesa.payouts import payout_of
from domain.principals.deciding import check_may_decide
from domain.store import AggregateStore
from domain.words import one_line

EVIDENCE_LENGTH_MAX = 400
REASON_LENGTH_MAX = 200
RECEIPT_LENGTH_MAX = 20


@dataclass(frozen=True)
class ProposeSettlement:
    """Say whether a payout under review was paid, and how one knows."""

    payout_id: UUID
    is_paid: bool
    receipt_number: str | None
    completed_on: date | None
    evidence: str
    principal_id: str
    now: datetime


@dataclass(frozen=True)
class ConfirmSettlement:
    """Agree with what another has found out."""

    payout_id: UUID
    principal_id: str
    now: datetime


@dataclass(frozen=True)
class RejectSettlement:
    """Disagree; the payout stays under review."""

    payout_id: UUID
    reason: str
    principal_id: str
    now: datetime


def propose_settlement(command: ProposeSettlement, store: AggregateStore) -> Payout:
    """Enter what somebody has found out. What was paid to a phone has a receipt number."""
    payout = payout_of(command.payout_id, store)
    evidence = one_line(command.evidence, "evidence", length_max=EVIDENCE_LENGTH_MAX)
    receipt_number = _checked_receipt(command, payout, store)
    today = business_day(command.now)
    day = checked_value_day(command.completed_on or today, today=today, field="completion_date")
    noon = datetime.combine(day, time(12), NAIROBI)
    payout.propose_settlement(
        told=PAID if command.is_paid else "not_paid",
        receipt_number=receipt_number,
        completed_at=text_from_moment(noon),
        evidence=evidence,
        by=command.principal_id,
        at=text_from_moment(command.now),
    )
    store.save(payout)
    return payout


def confirm_settlement(command: ConfirmSettlement, store: AggregateStore) -> Payout:
    """Settle it as proposed, by another person within their band."""
    payout = payout_of(command.payout_id, store)
    proposal = payout.proposal_for(command.principal_id)
    check_may_decide(
        command.principal_id,
        asked_by=str(proposal["by"]),
        member_id=payout.member_id,
        amount_cents=payout.amount_cents,
        store=store,
    )
    if proposal["told"] == PAID:
        paid = ToldPaid(
            source="person",
            receipt_number=proposal["receipt_number"],
            completed_at=datetime.fromisoformat(str(proposal["completed_at"])),
            settled_by=command.principal_id,
        )
        settle_paid(payout, paid, now=command.now, store=store)
    else:
        reason = "Two persons found that it was not paid."
        not_paid = ToldNotPaid("person", "", reason, settled_by=command.principal_id)
        settle_not_paid(payout, not_paid, now=command.now, store=store)
    return payout


def reject_settlement(command: RejectSettlement, store: AggregateStore) -> Payout:
    """Leave it under review."""
    payout = payout_of(command.payout_id, store)
    payout.reject_settlement(
        reason=one_line(command.reason, "reason", length_max=REASON_LENGTH_MAX),
        by=command.principal_id,
        at=text_from_moment(command.now),
    )
    store.save(payout)
    return payout


def _checked_receipt(
    command: ProposeSettlement, payout: Payout, store: AggregateStore
) -> str | None:
    if not command.is_paid:
        if command.receipt_number is not None:
            raise InvalidInput("receipt_number", "What was not paid has no receipt.")
        return None
    if command.receipt_number is None:
        if payout.is_reversal:
            return None
        raise InvalidInput("receipt_number", "Name the receipt that proves the payment.")
    number = command.receipt_number.strip().upper()
    if not (number.isascii() and number.isalnum() and len(number) <= RECEIPT_LENGTH_MAX):
        raise InvalidInput("receipt_number", "A receipt number is capital letters and digits.")
    if any(each != payout.id for each in store.lookup(PAYOUT_RECEIPT, number)):
        raise PayoutReceiptKnown
    return number
