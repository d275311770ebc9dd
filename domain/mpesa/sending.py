"""The steps of handing a push to Safaricom. Each is one decision, saved before the next begins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from domain.dates import text_from_moment
from domain.mpesa.errors import PushNotFound
from domain.mpesa.keys import release_phone
from domain.mpesa.stk_push import Push, PushState
from domain.store import AggregateStore

SEND_ATTEMPTS_MAX = 5


@dataclass(frozen=True)
class StartSending:
    """Claim the push: from here on it counts as sent."""

    push_id: UUID
    now: datetime


@dataclass(frozen=True)
class RecordAcknowledgement:
    """Safaricom took the request."""

    push_id: UUID
    merchant_request_id: str
    checkout_request_id: str
    now: datetime


@dataclass(frozen=True)
class RecordNotSent:
    """Proven not received; try again later, a bounded number of times.

    With `attempt` it speaks of that sending alone: told again, it must not undo a later one.
    """

    push_id: UUID
    reason: str
    retry_after_seconds: float
    now: datetime
    attempt: int | None = None


@dataclass(frozen=True)
class RecordRefusal:
    """Safaricom refused the request itself."""

    push_id: UUID
    code: str
    reason: str
    now: datetime


@dataclass(frozen=True)
class RecordDoubt:
    """The answer was lost, or never came."""

    push_id: UUID
    reason: str
    now: datetime


@dataclass(frozen=True)
class DoubtAfterRestore:
    """The log was restored from a backup: what has been sent since, it does not know."""

    push_id: UUID
    now: datetime


@dataclass(frozen=True)
class StopWaiting:
    """No definite answer came in time."""

    push_id: UUID
    now: datetime


def start_sending(command: StartSending, store: AggregateStore) -> Push | None:
    """Answers the push, or None where another sender was first or it is settled."""
    push = _existing(command.push_id, store)
    if push.phone is None and push.state == PushState.REQUESTED:
        reason = "The member was erased before the request left."
        push.reject(result_code="not_sent", reason=reason, at=text_from_moment(command.now))
        store.save(push)
        return None
    if not push.mark_sent(at=text_from_moment(command.now)):
        return None
    store.save(push)
    return push


def record_acknowledgement(command: RecordAcknowledgement, store: AggregateStore) -> None:
    """Note the ids by which Safaricom knows the push."""
    push = _existing(command.push_id, store)
    push.accept(
        merchant_request_id=command.merchant_request_id,
        checkout_request_id=command.checkout_request_id,
        at=text_from_moment(command.now),
    )
    store.save(push)


def record_not_sent(command: RecordNotSent, store: AggregateStore) -> None:
    """Back to the queue, or rejected after the last attempt."""
    push = _existing(command.push_id, store)
    if command.attempt not in (None, push.attempts):
        return
    if push.attempts >= SEND_ATTEMPTS_MAX:
        at = text_from_moment(command.now)
        push.reject(result_code="not_sent", reason=command.reason, at=at)
        release_phone(push, store)
        return
    retry_at = command.now + timedelta(seconds=command.retry_after_seconds)
    push.mark_not_sent(reason=command.reason, retry_at=text_from_moment(retry_at))
    store.save(push)


def record_refusal(command: RecordRefusal, store: AggregateStore) -> None:
    """The push ends here."""
    push = _existing(command.push_id, store)
    at = text_from_moment(command.now)
    push.reject(result_code=command.code, reason=command.reason, at=at)
    release_phone(push, store)


def record_doubt(command: RecordDoubt, store: AggregateStore) -> None:
    """Only a callback can tell now; the phone is free again."""
    push = _existing(command.push_id, store)
    push.leave_in_doubt(reason=command.reason, at=text_from_moment(command.now))
    if push.state == PushState.IN_DOUBT:
        release_phone(push, store)


def doubt_after_restore(command: DoubtAfterRestore, store: AggregateStore) -> bool:
    """Never send again what may have been sent. Answers whether it was in question."""
    push = _existing(command.push_id, store)
    before = push.version
    push.doubt_after_restore(
        reason="The log was restored; the request may have been sent before.",
        at=text_from_moment(command.now),
    )
    if push.version == before:
        return False
    release_phone(push, store)
    return True


def stop_waiting(command: StopWaiting, store: AggregateStore) -> None:
    """Expire a push that was accepted and never answered."""
    push = _existing(command.push_id, store)
    push.expire(at=text_from_moment(command.now))
    if push.state == PushState.EXPIRED:
        release_phone(push, store)


def _existing(push_id: UUID, store: AggregateStore) -> Push:
    push = store.find(Push, push_id)
    if push is None:
        raise PushNotFound
    return push
