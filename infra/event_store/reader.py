"""Reading the log in order, without ever passing over an event that commits late.

Positions are drawn while the shared append lock is held, so a transaction may commit after another
that drew a later number. A reader that meets a missing commit number notes the virtual
transactions that hold the lock at that moment. Whoever drew a missing number did so before a later
number became visible, hence held the lock then: once none of those noted holds it any more, a fresh
read shows the commit, or it was rolled back and its number is dead. No time-out takes part in
this.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from psycopg_pool import ConnectionPool

from domain.aggregate import Event
from domain.event_catalogue import EVENTS
from domain.members.member import Member
from infra.event_store.log import EVENTS_PER_COMMIT_MAX, POSITIONS_PER_COMMIT
from infra.event_store.mapper import key_owner, open_fields, upcast
from infra.event_store.personal_keys import PersonalKeys
from infra.postgres.pool import borrowed

BATCH_EVENTS = 5_000
POSITION_MAX = 2**63 - 1
_APPEND_LOCK = 4803221

_SELECT_AFTER = """
SELECT position, stream_id, stream_version, topic, state, recorded_at, metadata
FROM event_store.events WHERE position > %s AND position <= %s ORDER BY position LIMIT %s
"""
_SELECT_HOLDERS = """
SELECT virtualtransaction FROM pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 1
  AND classid = 0 AND objid = %s
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event as followers see it: a decoded payload and where it stands in the log."""

    position: int
    stream_id: UUID
    stream_version: int
    topic: str
    data: dict[str, Any]
    recorded_at: datetime
    metadata: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Whole commits, in order. `end` is where the next read begins, even if nothing was wanted."""

    events: list[RecordedEvent]
    end: int


_Row = tuple[int, UUID, int, str, bytes, datetime, bytes]


class LogReader:
    """One reader a process. Keeps only what it knows of numbers that will never appear."""

    def __init__(self, pool: ConnectionPool, keys: PersonalKeys) -> None:
        self._pool = pool
        self._keys = keys
        self._settled_below = 0
        self._waiting_for: frozenset[str] = frozenset()
        self._settles_below = 0

    def read(
        self,
        after: int,
        *,
        limit: int = BATCH_EVENTS,
        topics: frozenset[str] | None = None,
        until: int = POSITION_MAX,
    ) -> Batch:
        """The whole commits after a position, up to the first one that may still be under way.

        `until` is the end of a commit that was read before.
        """
        rows = self._visible(after, limit, until)
        events = list(self._decoded(rows, topics))
        return Batch(events, rows[-1][0] if rows else after)

    def head(self) -> int:
        """The highest visible position, 0 for an empty log."""
        with borrowed(self._pool) as connection:
            row = connection.execute("SELECT max(position) FROM event_store.events").fetchone()
        return row[0] or 0 if row else 0

    def _visible(self, after: int, limit: int, until: int) -> list[_Row]:
        while True:
            rows = self._fetch(after, limit, until)
            safe = self._before_first_hole(rows, after)
            if len(safe) == len(rows) or not self._settle(rows[-1][0] // POSITIONS_PER_COMMIT):
                return safe

    def _fetch(self, after: int, limit: int, until: int) -> list[_Row]:
        limit = max(limit, EVENTS_PER_COMMIT_MAX + 1)
        with borrowed(self._pool) as connection:
            rows: list[_Row] = connection.execute(
                _SELECT_AFTER, (after, until, limit), prepare=True, binary=True
            ).fetchall()
        if len(rows) < limit:
            return rows
        # The limit may have cut the last commit in two: leave it for the next read.
        cut = rows[-1][0] // POSITIONS_PER_COMMIT
        while rows[-1][0] // POSITIONS_PER_COMMIT == cut:
            rows.pop()
        return rows

    def _before_first_hole(self, rows: list[_Row], after: int) -> list[_Row]:
        expected = after // POSITIONS_PER_COMMIT + 1
        if not rows or rows[-1][0] // POSITIONS_PER_COMMIT < self._settled_below:
            return rows
        for index, row in enumerate(rows):
            number = row[0] // POSITIONS_PER_COMMIT
            if number > max(expected, self._settled_below):
                return rows[:index]
            expected = number + 1
        return rows

    def _settle(self, seen: int) -> bool:
        """Whether every number below `seen` is now either visible or dead."""
        holders = self._holders()
        if not self._settles_below:
            self._settles_below, self._waiting_for = seen, holders
        else:
            self._waiting_for &= holders
        if self._waiting_for:
            return False
        self._settled_below, self._settles_below = self._settles_below, 0
        return True

    def _holders(self) -> frozenset[str]:
        with borrowed(self._pool) as connection:
            rows = connection.execute(_SELECT_HOLDERS, (_APPEND_LOCK,), prepare=True).fetchall()
        return frozenset(row[0] for row in rows)

    def _decoded(self, rows: list[_Row], topics: frozenset[str] | None) -> Iterator[RecordedEvent]:
        # From here on nobody erased is read in clear, though their key was in memory until now.
        self._keys.forget(row[1] for row in rows if row[3] == Member.Erased.TOPIC)
        decoded: list[tuple[_Row, dict[str, Any]]] = [
            (row, _payload(row)) for row in rows if topics is None or row[3] in topics
        ]
        owners = {
            key_owner(kind, state, row[1])
            for row, state in decoded
            if (kind := _personal(row[3])) is not None
        }
        keys = self._keys.get_many(owners) if owners else {}
        for row, state in decoded:
            kind = _personal(row[3])
            payload = state
            if kind is not None:
                key = keys[key_owner(kind, state, row[1])]
                try:
                    open_fields(kind, state, stream_id=row[1], key=key)
                except (InvalidTag, ValueError):
                    payload = UnreadablePayload()
            yield RecordedEvent(row[0], row[1], row[2], row[3], payload, row[5], row[6])


def commits(events: list[RecordedEvent]) -> Iterator[list[RecordedEvent]]:
    """The events, grouped by commit."""
    for _, group in groupby(events, key=lambda event: event.position // POSITIONS_PER_COMMIT):
        yield list(group)


class UnreadablePayload(dict[str, Any]):
    """Stands for a payload that was tampered with: whoever looks into it stops, nobody else."""

    def __missing__(self, field: str) -> Any:
        raise ValueError(f"the payload of this event cannot be read ({field})")


def _payload(row: _Row) -> dict[str, Any]:
    try:
        return upcast(row[3], orjson.loads(row[4]))
    except orjson.JSONDecodeError:
        return UnreadablePayload()


def _personal(topic: str) -> type[Event] | None:
    kind = EVENTS[topic]
    return kind if kind.PERSONAL_FIELDS else None
