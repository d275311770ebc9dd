"""What Safaricom tells of payouts: their results, and the answers to our questions about them.

A result may come before the acknowledgement, twice, after a time-out, or never; an answer may
contradict it. Only a success tells a receipt, and only a definite word settles anything. A failure
that is told frees what the money was for, so it is believed once our question has not been answered
otherwise; but for those that speak against the initiator, whose next question would fail too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.dates import text_from_moment
from domain.identities import short_code_id
from domain.mpesa.outcome import Outcome
from domain.mpesa.payout import Payout
from domain.mpesa.payout_lane import PayoutLane
from domain.mpesa.payout_result_codes import (
    PayoutVerdict,
    payout_result,
    question_stops_lane,
    reversal_result,
    transaction_status_verdict,
)
from domain.mpesa.payout_settling import ToldNotPaid, ToldPaid, settle_not_paid, settle_paid
from domain.mpesa.payout_states import PayoutState
from domain.mpesa.payouts import payout_of
from domain.store import AggregateStore

UNCLEAR_ANSWERS_MAX = 3
_REVERSED = "reversed"


@dataclass(frozen=True)
class RecordPayoutResult:
    """Safaricom posted what became of a payout or a reversal; `paid` is what a success tells."""

    payout_id: UUID
    result_code: str
    result_description: str
    originator_conversation_id: str
    is_timeout: bool
    paid: ToldPaid | None
    now: datetime


@dataclass(frozen=True)
class RecordStatusAnswer:
    """Safaricom answered our question about a payout. Without a status, the question failed."""

    payout_id: UUID
    result_code: str
    result_description: str
    is_timeout: bool
    transaction_status: str | None
    receipt_number: str | None
    amount_cents: int | None
    charge_cents: int | None
    finalised_at: datetime | None
    now: datetime


@dataclass(frozen=True)
class GiveUpAsking:
    """Nobody has told what became of it in all this time."""

    payout_id: UUID
    reason: str
    now: datetime


def record_payout_result(command: RecordPayoutResult, store: AggregateStore) -> Outcome:
    """Settle a payout by its result; ask about it where that says nothing definite."""
    payout = payout_of(command.payout_id, store)
    if not _is_about(payout, command.originator_conversation_id):
        return Outcome.OTHER_CONVERSATION
    read = reversal_result if payout.is_reversal else payout_result
    told = read(command.result_code)
    verdict = PayoutVerdict.AMBIGUOUS if command.is_timeout else told.verdict
    if verdict is PayoutVerdict.AMBIGUOUS:
        reason = command.result_description if command.is_timeout else told.meaning
        return _doubt(payout, command.result_code, reason, command.now, store)
    if verdict is PayoutVerdict.PAID:
        paid = command.paid or ToldPaid("result", None, command.now)
        return settle_paid(payout, paid, now=command.now, store=store)
    if verdict.stops_lane:
        _stop_lane(payout, command.result_code, told.meaning, command.now, store)
    elif payout.believes_what_is_told:
        return _report_failure(payout, command.result_code, told.meaning, command.now, store)
    not_paid = ToldNotPaid("result", command.result_code, told.meaning)
    return settle_not_paid(payout, not_paid, now=command.now, store=store)


def record_status_answer(command: RecordStatusAnswer, store: AggregateStore) -> Outcome:
    """Settle a payout by the answer to our question, where the answer is one."""
    payout = payout_of(command.payout_id, store)
    if command.is_timeout:
        return Outcome.NOTHING_LEARNT
    status = command.transaction_status
    if status is None:
        if question_stops_lane(command.result_code):
            reason = command.result_description
            _stop_lane(payout, command.result_code, reason, command.now, store)
            return Outcome.NOTHING_LEARNT
        return _unclear(payout, command, f"the question failed ({command.result_code})", store)
    verdict = _verdict(payout, command, status)
    if verdict is PayoutVerdict.PAID and (command.receipt_number or payout.is_reversal):
        paid = ToldPaid(
            source="status",
            receipt_number=None if _is_of_what_came_in(payout, command) else command.receipt_number,
            completed_at=command.finalised_at or command.now,
            amount_cents=command.amount_cents,
            charge_cents=command.charge_cents,
        )
        return settle_paid(payout, paid, now=command.now, store=store)
    if verdict is PayoutVerdict.FAILED:
        not_paid = ToldNotPaid("status", command.result_code, f"M-Pesa says: {status}.")
        return settle_not_paid(payout, not_paid, now=command.now, store=store)
    return _unclear(payout, command, f"M-Pesa says: {status}", store)


def give_up_asking(command: GiveUpAsking, store: AggregateStore) -> None:
    """Give it to a person."""
    payout = payout_of(command.payout_id, store)
    if payout.state in (PayoutState.ACCEPTED, PayoutState.IN_DOUBT):
        payout.put_under_review(
            reason=command.reason, is_contradicted=False, at=text_from_moment(command.now)
        )
        store.save(payout)


def _is_about(payout: Payout, originator_id: str) -> bool:
    """Whether a result names this payout. A time-out of a reversal names nothing of ours."""
    known = payout.known_as if payout.is_reversal else str(payout.id)
    return not (known and originator_id) or originator_id.lower() == known.lower()


def _verdict(payout: Payout, command: RecordStatusAnswer, status: str) -> PayoutVerdict:
    """Of a reversal that has no id we may learn how the receipt stands that it takes back."""
    if _is_of_what_came_in(payout, command):
        was_reversed = status.strip().lower() == _REVERSED
        return PayoutVerdict.PAID if was_reversed else PayoutVerdict.AMBIGUOUS
    return transaction_status_verdict(status)


def _is_of_what_came_in(payout: Payout, command: RecordStatusAnswer) -> bool:
    return payout.is_reversal and command.receipt_number in (None, payout.reverses)


def _doubt(payout: Payout, code: str, reason: str, now: datetime, store: AggregateStore) -> Outcome:
    before = payout.version
    payout.leave_in_doubt(result_code=code, reason=reason, at=text_from_moment(now))
    store.save(payout)
    return Outcome.APPLIED if payout.version != before else Outcome.NOTHING_LEARNT


def _report_failure(
    payout: Payout, code: str, reason: str, now: datetime, store: AggregateStore
) -> Outcome:
    """Under review it is left to the persons who look into it already."""
    if payout.state == PayoutState.REVIEW:
        return Outcome.PAYOUT_UNDER_REVIEW
    before = payout.version
    payout.report_failure(result_code=code, reason=reason, at=text_from_moment(now))
    store.save(payout)
    return Outcome.APPLIED if payout.version != before else Outcome.ALREADY_KNOWN


def _unclear(
    payout: Payout, command: RecordStatusAnswer, reason: str, store: AggregateStore
) -> Outcome:
    """So many answers that tell nothing contradict no failure; without one, a person finds out."""
    at = text_from_moment(command.now)
    payout.note_unclear_answer(reason=reason, at=at)
    is_enough = payout.unclear_answers >= UNCLEAR_ANSWERS_MAX and payout.believes_what_is_told
    if is_enough and payout.reported_failure is not None:
        not_paid = ToldNotPaid(source="result", **payout.reported_failure)
        return settle_not_paid(payout, not_paid, now=command.now, store=store)
    if is_enough:
        reason = f"After {payout.unclear_answers} answers it is not known if it was paid."
        payout.put_under_review(reason=reason, is_contradicted=False, at=at)
    store.save(payout)
    return Outcome.NOTHING_LEARNT


def _stop_lane(
    payout: Payout, code: str, reason: str, now: datetime, store: AggregateStore
) -> None:
    lane = store.get(PayoutLane, short_code_id(payout.short_code))
    lane.stop(result_code=code, reason=reason, at=text_from_moment(now))
    store.save(lane)
