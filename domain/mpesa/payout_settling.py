"""The end of a payout: settled, its source told, its charge booked, in one append; or contradicted.

Whoever learns something definite comes through here: results, answers to our questions, refusals of
the gateway, and persons. What was settled stays so until two persons decide otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.dates import business_day, text_from_moment
from domain.mpesa.errors import PayoutReceiptKnown
from domain.mpesa.outcome import Outcome
from domain.mpesa.payout import Payout
from domain.mpesa.payout_sources import SOURCES
from domain.mpesa.payout_states import NOT_PAID, PAID, PayoutState
from domain.mpesa.payouts import open_key
from domain.mpesa.tariff import payout_charge_cents
from domain.store import AggregateStore, Key

PAYOUT_RECEIPT = "payout.receipt"
"""Scope: a receipt number proves one payout."""


@dataclass(frozen=True)
class ToldPaid:
    """The money left. Balance and charge are cents, where told."""

    source: str
    receipt_number: str | None
    completed_at: datetime
    amount_cents: int | None = None
    utility_cents: int | None = None
    charge_cents: int | None = None
    settled_by: str | None = None


@dataclass(frozen=True)
class ToldNotPaid:
    """The money did not leave, and will not."""

    source: str
    result_code: str
    reason: str
    settled_by: str | None = None


def settle_paid(payout: Payout, told: ToldPaid, *, now: datetime, store: AggregateStore) -> Outcome:
    """Count it as paid, once."""
    if payout.state == PayoutState.SUCCEEDED and told.receipt_number in (
        None,
        payout.receipt_number,
    ):
        return _correct_charge(payout, told, now=now, store=store)
    if payout.is_settled:
        return _contradict(payout, told, now=now, store=store)
    if not (told.settled_by or payout.believes_what_is_told):
        return Outcome.PAYOUT_UNDER_REVIEW
    doubt = None if told.settled_by else _why_not_believed(payout, told, store)
    if doubt is not None:
        _review(payout, doubt, now=now, store=store)
        return doubt
    is_placed = payout.source_was_told == PAID or SOURCES[payout.purpose].paid(
        payout,
        receipt_number=told.receipt_number,
        completed_at=told.completed_at,
        now=now,
        store=store,
    )
    payout.succeed(
        receipt_number=told.receipt_number,
        completed_at=text_from_moment(told.completed_at),
        utility_cents=told.utility_cents,
        source=told.source,
        settled_by=told.settled_by,
        is_placed=is_placed,
    )
    _book_charge(payout, told, now=now)
    store.save(payout, claims=_receipt_claim(payout, store), releases=(open_key(),))
    return Outcome.APPLIED


def settle_not_paid(
    payout: Payout, told: ToldNotPaid, *, now: datetime, store: AggregateStore
) -> Outcome:
    """Count it as not paid, once."""
    if payout.state == PayoutState.FAILED:
        return Outcome.ALREADY_KNOWN
    if payout.is_settled:
        return _contradict(payout, told, now=now, store=store)
    if not (told.settled_by or payout.believes_what_is_told):
        return Outcome.PAYOUT_UNDER_REVIEW
    is_placed = payout.source_was_told == NOT_PAID or SOURCES[payout.purpose].not_paid(
        payout, reason=told.reason, now=now, store=store
    )
    at = text_from_moment(now)
    payout.fail(
        result_code=told.result_code,
        reason=told.reason,
        at=at,
        source=told.source,
        settled_by=told.settled_by,
        is_placed=is_placed,
    )
    if payout.charge_cents:
        payout.book_charge(amount_cents=0, basis="not_paid", at=at)
    store.save(payout, releases=(open_key(),))
    return Outcome.APPLIED


def _why_not_believed(payout: Payout, told: ToldPaid, store: AggregateStore) -> Outcome | None:
    if told.amount_cents not in (None, payout.amount_cents):
        return Outcome.PAYOUT_OF_OTHER_AMOUNT
    if told.receipt_number and _others_with(told.receipt_number, payout, store):
        return Outcome.RECEIPT_OF_ANOTHER_PAYOUT
    return None


def _review(payout: Payout, doubt: Outcome, *, now: datetime, store: AggregateStore) -> None:
    payout.put_under_review(
        reason=f"It is told as paid, but: {doubt.replace('_', ' ')}.",
        is_contradicted=True,
        at=text_from_moment(now),
    )
    store.save(payout)


def _contradict(
    payout: Payout, told: ToldPaid | ToldNotPaid, *, now: datetime, store: AggregateStore
) -> Outcome:
    payout.contradict(
        told=PAID if isinstance(told, ToldPaid) else NOT_PAID,
        source=told.source,
        result_code="0" if isinstance(told, ToldPaid) else told.result_code,
        reason="" if isinstance(told, ToldPaid) else told.reason,
        receipt_number=told.receipt_number if isinstance(told, ToldPaid) else None,
        at=text_from_moment(now),
    )
    store.save(payout, claims=(open_key(),))
    return Outcome.CONTRADICTS_PAYOUT


def _correct_charge(
    payout: Payout, told: ToldPaid, *, now: datetime, store: AggregateStore
) -> Outcome:
    if told.charge_cents is None or told.charge_cents == (payout.charge_cents or 0):
        return Outcome.ALREADY_KNOWN
    payout.book_charge(amount_cents=told.charge_cents, basis="told", at=text_from_moment(now))
    store.save(payout)
    return Outcome.APPLIED


def _book_charge(payout: Payout, told: ToldPaid, *, now: datetime) -> None:
    """As told; or by the tariff of its day. Taking a receipt back has no tariff that we know."""
    at = text_from_moment(now)
    if told.charge_cents is not None:
        payout.book_charge(amount_cents=told.charge_cents, basis="told", at=at)
    elif not payout.is_reversal:
        day = business_day(told.completed_at)
        charge_cents = payout_charge_cents(payout.amount_shillings, on=day)
        payout.book_charge(amount_cents=charge_cents, basis="tariff", at=at)


def _receipt_claim(payout: Payout, store: AggregateStore) -> tuple[Key, ...]:
    """Unique, and claimed once: settled anew after a review, it has its receipt already."""
    number = payout.receipt_number
    if number is None or payout.id in store.lookup(PAYOUT_RECEIPT, number):
        return ()
    return (Key(PAYOUT_RECEIPT, number, taken=PayoutReceiptKnown),)


def _others_with(receipt_number: str, payout: Payout, store: AggregateStore) -> bool:
    return any(each != payout.id for each in store.lookup(PAYOUT_RECEIPT, receipt_number))
