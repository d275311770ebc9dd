"""The steps of handing a payout to Safaricom. Each is one decision, saved before the next begins.

It is sent again, under the same id, only where it is proven that Safaricom never had the request;
a bounded number of times, and within the minutes for which Safaricom surely remembers the id.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from domain.dates import business_day, text_from_moment
from domain.identities import short_code_id
from domain.members.member import Member, MemberStatus
from domain.mpesa.payout import Payout
from domain.mpesa.payout_lane import PayoutLane
from domain.mpesa.payout_settling import ToldNotPaid, settle_not_paid
from domain.mpesa.payout_sources import SOURCES
from domain.mpesa.payout_states import UNSENT_STATES, HeldBecause, PayoutPurpose, PayoutState
from domain.mpesa.payouts import payout_of
from domain.mpesa.tariff import payout_charge_cents
from domain.store import AggregateStore

PAYOUT_ATTEMPTS_MAX = 5
SENDING_WINDOW = timedelta(minutes=15)
"""How long Safaricom remembers an id is not documented; after this it is not sent again."""

_TO_THE_MEMBER = (PayoutPurpose.LOAN_DISBURSEMENT, PayoutPurpose.MEMBER_REFUND)


@dataclass(frozen=True)
class StartPayout:
    """Claim the payout: from here on it counts as sent. `free_cents` is None where unknown.

    It is what the utility account holds beyond all that is under way.
    """

    payout_id: UUID
    free_cents: int | None
    now: datetime


@dataclass(frozen=True)
class RecordPayoutTaken:
    """Safaricom took the request, now or before."""

    payout_id: UUID
    conversation_id: str
    originator_conversation_id: str
    now: datetime


@dataclass(frozen=True)
class RecordPayoutNotSent:
    """Proven not received. It speaks of one attempt alone: told again, it undoes no later one."""

    payout_id: UUID
    attempt: int
    reason: str
    retry_after_seconds: float
    now: datetime


@dataclass(frozen=True)
class RecordPayoutRefused:
    """Safaricom refused the request itself; of our configuration, it would refuse every other."""

    payout_id: UUID
    attempt: int
    code: str
    reason: str
    is_configuration: bool
    now: datetime


@dataclass(frozen=True)
class RecordPayoutDoubt:
    """The answer was lost, or never came."""

    payout_id: UUID
    reason: str
    now: datetime


@dataclass(frozen=True)
class DoubtPayoutAfterRestore:
    """The log was restored from a backup: what has been sent since, it does not know."""

    payout_id: UUID
    now: datetime


def start_payout(command: StartPayout, store: AggregateStore) -> Payout | HeldBecause | None:
    """Answers the payout; or why it waits; or None where it is not to be sent by the caller."""
    payout = payout_of(command.payout_id, store)
    if payout.state not in UNSENT_STATES:
        return None
    if payout.attempts and command.now > _window_end(payout):
        _give_to_a_person(payout, "It could not be handed over in time.", command.now, store)
        return None
    reason = _why_never(payout, store)
    if reason is not None:
        told = ToldNotPaid(source="us", result_code="not_sent", reason=reason)
        settle_not_paid(payout, told, now=command.now, store=store)
        return None
    because = _why_not_yet(payout, command, store)
    if because is not None:
        payout.hold(
            because=because,
            sentence=because.sentence,
            at=text_from_moment(command.now),
            retry_at=text_from_moment(command.now + timedelta(seconds=because.pause_seconds)),
        )
        store.save(payout)
        return because
    phone = _phone(payout, store)
    if not payout.start_sending(phone=phone, at=text_from_moment(command.now)):
        return None
    store.save(payout)
    return payout


def record_payout_taken(command: RecordPayoutTaken, store: AggregateStore) -> None:
    """Note that the result is still to come."""
    payout = payout_of(command.payout_id, store)
    payout.accept(
        conversation_id=command.conversation_id,
        originator_id=command.originator_conversation_id,
        at=text_from_moment(command.now),
    )
    store.save(payout)


def record_payout_not_sent(command: RecordPayoutNotSent, store: AggregateStore) -> None:
    """Back to the queue, or to a person after the last attempt."""
    payout = payout_of(command.payout_id, store)
    if payout.state != PayoutState.SENDING or payout.attempts != command.attempt:
        return
    retry_at = command.now + timedelta(seconds=command.retry_after_seconds)
    if payout.attempts >= PAYOUT_ATTEMPTS_MAX or retry_at > _window_end(payout):
        reason = f"It could not be handed over: {command.reason}."
        _give_to_a_person(payout, reason, command.now, store)
        return
    payout.mark_not_sent(reason=command.reason, retry_at=text_from_moment(retry_at))
    store.save(payout)


def record_payout_refused(command: RecordPayoutRefused, store: AggregateStore) -> None:
    """The payout ends here, unless Safaricom has told otherwise meanwhile."""
    payout = payout_of(command.payout_id, store)
    if command.is_configuration:
        lane = store.get(PayoutLane, short_code_id(payout.short_code))
        lane.stop(result_code=command.code, reason=command.reason, at=text_from_moment(command.now))
        store.save(lane)
    if payout.state != PayoutState.SENDING or payout.attempts != command.attempt:
        return
    told = ToldNotPaid(source="gateway", result_code=command.code, reason=command.reason)
    settle_not_paid(payout, told, now=command.now, store=store)


def record_payout_doubt(command: RecordPayoutDoubt, store: AggregateStore) -> None:
    """It is asked about from now on."""
    payout = payout_of(command.payout_id, store)
    if payout.state == PayoutState.SENDING:
        payout.leave_in_doubt(
            result_code="", reason=command.reason, at=text_from_moment(command.now)
        )
        store.save(payout)


def doubt_payout_after_restore(command: DoubtPayoutAfterRestore, store: AggregateStore) -> bool:
    """Never send what may have been sent. Answers whether it was in question."""
    payout = payout_of(command.payout_id, store)
    before = payout.version
    payout.leave_in_doubt(
        result_code="",
        reason="The log was restored; the request may have been sent before.",
        at=text_from_moment(command.now),
    )
    store.save(payout)
    return payout.version != before


def _why_never(payout: Payout, store: AggregateStore) -> str | None:
    """Why it will not be sent, ever."""
    if payout.is_reversal:
        return None
    if payout.purpose in _TO_THE_MEMBER:
        member = _member(payout, store)
        if member is None or not member.belongs:
            return "The member has left."
    elif payout.phone is None:
        return "The receiver was erased."
    return None


def _why_not_yet(payout: Payout, command: StartPayout, store: AggregateStore) -> HeldBecause | None:
    if store.get(PayoutLane, short_code_id(payout.short_code)).is_stopped:
        return HeldBecause.LANE_STOPPED
    if payout.purpose in _TO_THE_MEMBER:
        member = _member(payout, store)
        assert member is not None, "why it is never sent was asked before"
        if member.status == MemberStatus.SUSPENDED:
            return HeldBecause.MEMBER_SUSPENDED
    if SOURCES[payout.purpose].waits(payout, store):
        return HeldBecause.EARLIER_UNDER_REVIEW
    return _why_no_float(payout, command)


def _why_no_float(payout: Payout, command: StartPayout) -> HeldBecause | None:
    if payout.is_reversal:
        return None  # it leaves the account that the money came to
    if command.free_cents is None:
        return HeldBecause.FLOAT_UNKNOWN
    day = business_day(command.now)
    charge_cents = payout_charge_cents(payout.amount_shillings, on=day)
    if command.free_cents < payout.amount_cents + charge_cents:
        return HeldBecause.FLOAT_TOO_LOW
    return None


def _phone(payout: Payout, store: AggregateStore) -> str | None:
    """The number that is the member's now; a refund from suspense goes where it came from."""
    if payout.purpose not in _TO_THE_MEMBER:
        return payout.phone
    member = _member(payout, store)
    assert member is not None
    return member.phone


def _member(payout: Payout, store: AggregateStore) -> Member | None:
    return store.find(Member, UUID(payout.member_id)) if payout.member_id else None


def _window_end(payout: Payout) -> datetime:
    return datetime.fromisoformat(payout.first_sent_at) + SENDING_WINDOW


def _give_to_a_person(payout: Payout, reason: str, now: datetime, store: AggregateStore) -> None:
    payout.put_under_review(reason=reason, is_contradicted=False, at=text_from_moment(now))
    store.save(payout)
