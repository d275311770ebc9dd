"""The lane of a paying short code: whether money may leave by it, and the float last told.

A credential that Safaricom refuses stops the whole lane: each further try would be refused too, and
a few lock the API user. Nothing is sent until somebody has put it right and resumes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.aggregate import Aggregate, Created, Event, event
from domain.dates import text_from_moment
from domain.identities import short_code_id
from domain.mpesa.errors import LaneNotFound, LaneNotStopped
from domain.mpesa.outcome import Outcome
from domain.mpesa.payout_result_codes import question_stops_lane
from domain.store import AggregateStore


class PayoutLane(Aggregate):
    """All payouts of one short code. Its stream is the short code's."""

    TOPIC = "payout-lane"

    class Opened(Created):
        """The first payout of this short code was asked for."""

        TOPIC = "payout-lane.opened"

        short_code: str

    class Stopped(Event):
        """Nothing more is sent: Safaricom refuses whoever sends."""

        TOPIC = "payout-lane.stopped"

        short_code: str
        result_code: str
        reason: str
        stopped_at: str

    class Resumed(Event):
        """Somebody says that it is put right."""

        TOPIC = "payout-lane.resumed"

        short_code: str
        resumed_by: str
        resumed_at: str

    class BalanceTold(Event):
        """Safaricom told what the accounts hold; payouts leave from the utility account. Cents."""

        TOPIC = "payout-lane.balance-told"

        short_code: str
        utility_cents: int
        accounts: dict[str, int]
        told_at: str

    @event(Opened)
    def __init__(self, *, short_code: str) -> None:
        self.short_code = short_code
        self.stopped_because = ""

    @property
    def is_stopped(self) -> bool:
        """Whether nothing may be sent."""
        return bool(self.stopped_because)

    def stop(self, *, result_code: str, reason: str, at: str) -> None:
        """Send nothing more. One that is stopped stays so, for its first reason."""
        if not self.is_stopped:
            self._stopped(
                short_code=self.short_code, result_code=result_code, reason=reason, stopped_at=at
            )

    @event(Stopped)
    def _stopped(self, *, short_code: str, result_code: str, reason: str, stopped_at: str) -> None:
        self.stopped_because = f"{reason} ({result_code})"

    def resume(self, *, by: str, at: str) -> None:
        """Send again. Raises LaneNotStopped."""
        if not self.is_stopped:
            raise LaneNotStopped
        self._resumed(short_code=self.short_code, resumed_by=by, resumed_at=at)

    @event(Resumed)
    def _resumed(self, *, short_code: str, resumed_by: str, resumed_at: str) -> None:
        self.stopped_because = ""

    def tell_balance(self, *, utility_cents: int, accounts: dict[str, int], at: str) -> None:
        """Note what the accounts hold."""
        self._balance_told(
            short_code=self.short_code, utility_cents=utility_cents, accounts=accounts, told_at=at
        )

    @event(BalanceTold)
    def _balance_told(
        self, *, short_code: str, utility_cents: int, accounts: dict[str, int], told_at: str
    ) -> None:
        pass


def lane_of(short_code: str, store: AggregateStore) -> PayoutLane:
    """The lane of a short code, opened where it is not there yet."""
    lane = store.find(PayoutLane, short_code_id(short_code))
    if lane is None:
        lane = PayoutLane.begin(
            PayoutLane.Opened, stream_id=short_code_id(short_code), short_code=short_code
        )
        store.save(lane)
    return lane


@dataclass(frozen=True)
class RecordBalance:
    """Safaricom answered what a short code's accounts hold; None where the question failed."""

    short_code_id: UUID
    result_code: str
    result_description: str
    utility_cents: int | None
    accounts: Mapping[str, int]
    now: datetime


@dataclass(frozen=True)
class StopLane:
    """A question about a payout was refused as every request of this short code would be."""

    short_code: str
    code: str
    reason: str
    now: datetime


@dataclass(frozen=True)
class ResumeLane:
    """Let payouts leave again, now that what stopped them is put right."""

    short_code: str
    principal_id: str
    now: datetime


def record_balance(command: RecordBalance, store: AggregateStore) -> Outcome:
    """Note the float; or that Safaricom refuses whoever asks."""
    lane = store.find(PayoutLane, command.short_code_id)
    if lane is None:
        raise LaneNotFound
    at = text_from_moment(command.now)
    if command.utility_cents is not None:
        lane.tell_balance(
            utility_cents=command.utility_cents, accounts=dict(command.accounts), at=at
        )
        store.save(lane)
        return Outcome.APPLIED
    if question_stops_lane(command.result_code):
        lane.stop(result_code=command.result_code, reason=command.result_description, at=at)
        store.save(lane)
    return Outcome.NOTHING_LEARNT


def stop_lane(command: StopLane, store: AggregateStore) -> None:
    """Send nothing more."""
    lane = lane_of(command.short_code, store)
    lane.stop(result_code=command.code, reason=command.reason, at=text_from_moment(command.now))
    store.save(lane)


def resume_lane(command: ResumeLane, store: AggregateStore) -> PayoutLane:
    """Send what waits."""
    lane = store.find(PayoutLane, short_code_id(command.short_code))
    if lane is None:
        raise LaneNotFound
    lane.resume(by=command.principal_id, at=text_from_moment(command.now))
    store.save(lane)
    return lane
