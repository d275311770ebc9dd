"""Reading the log in order, without ever passing over an event that commits late.

Positions are drawn while the shared append lock is held, so a transaction may commit after another
that drew a later number. A reader that meets a missing commit number notes the virtual
transactions that hold the lock at that moment. Whoever drew a missing number did so before a later
number became visible, hence held the lock then: once none of those noted holds it any more, a fresh
read shows the commit, or it was rolled back and its number is dead. No time-out takes part in
this.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple
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
SETTLED_COMMITS_MAX = 100_000  # a read of rare topics looks at no more commits than these
_APPEND_LOCK = 4803221
_HOLDER_POLL_SECONDS = 0.005

_SELECT_AFTER = """
SELECT position, stream_id::text, topic, state, recorded_at::text
FROM event_store.events WHERE position > %s AND position <= %s ORDER BY position LIMIT %s
"""
_SELECT_TOPICS_AFTER = """
SELECT position, stream_id::text, topic, state, recorded_at::text
FROM event_store.events WHERE position > %s AND position <= %s AND topic = ANY(%s)
ORDER BY position LIMIT %s
"""
_SELECT_FIRST = """
SELECT stream_id::text, topic, state FROM event_store.events
WHERE stream_id = ANY(%s::uuid[]) AND stream_version = 1
"""
_SELECT_LAST = "SELECT max(position) FROM event_store.events WHERE position <= %s"
_SELECT_HOLDERS = """
SELECT virtualtransaction FROM pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 1
  AND classid = 0 AND objid = %s
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class RecordedEvent(NamedTuple):
    """An event as followers fold it: where it stands in the log, and its decoded payload.

    No more than that, and the stream's id and the moment as text: a rebuild makes millions of them.
    """

    position: int
    stream_id: str
    topic: str
    data: dict[str, Any]
    recorded_at: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Whole commits, in order. `end` is where the next read begins, even if nothing was wanted."""

    events: list[RecordedEvent]
    end: int


Row = tuple[int, str, str, bytes, str]


class LogReader:
    """One reader a process, for all its threads.

    Keeps only what it knows of numbers that will never appear. Without `keys` it opens no personal
    field: each of them is None.
    """

    def __init__(self, pool: ConnectionPool, keys: PersonalKeys | None) -> None:
        self._pool = pool
        self._keys = keys
        self._settling = threading.Lock()
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
        limit = max(limit, EVENTS_PER_COMMIT_MAX + 1)
        settled = self._settled_below * POSITIONS_PER_COMMIT - 1
        if topics is not None and after < settled:
            rows, end = self._wanted(after, limit, min(until, settled), topics)
            if end > after:
                return Batch(self._decoded(rows, topics), end)
        rows = self._visible(after, limit, until)
        if len(rows) > limit - EVENTS_PER_COMMIT_MAX:
            self._settle(self.head() // POSITIONS_PER_COMMIT)  # there is far to go
        return Batch(self._decoded(rows, topics), rows[-1][0] if rows else after)

    def settle(self) -> None:
        """Wait until whatever was begun before what is visible now is visible too, or dead.

        Reading that far then looks for no holes and leaves unwanted topics to the database.
        """
        seen = self.head() // POSITIONS_PER_COMMIT
        while self._settled_below < seen:
            if not self._settle(seen):
                time.sleep(_HOLDER_POLL_SECONDS)

    def first_events(self, stream_ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """What the first event of each stream said, by stream; personal fields are None."""
        with borrowed(self._pool) as connection:
            rows = connection.execute(
                _SELECT_FIRST, (list(stream_ids),), prepare=True, binary=True
            ).fetchall()
        found = {}
        for stream_id, topic, state in rows:
            found[stream_id] = upcast(topic, orjson.loads(state))
            found[stream_id].update(dict.fromkeys(EVENTS[topic].PERSONAL_FIELDS))
        return found

    def head(self) -> int:
        """The highest visible position, 0 for an empty log."""
        with borrowed(self._pool) as connection:
            row = connection.execute("SELECT max(position) FROM event_store.events").fetchone()
        return row[0] or 0 if row else 0

    def _wanted(
        self, after: int, limit: int, until: int, topics: frozenset[str]
    ) -> tuple[list[Row], int]:
        """The wanted events among commits none of which is under way any more."""
        until = min(until, after + SETTLED_COMMITS_MAX * POSITIONS_PER_COMMIT)
        with borrowed(self._pool) as connection:
            rows: list[Row] = connection.execute(
                _SELECT_TOPICS_AFTER,
                (after, until, [*topics, Member.Erased.TOPIC], limit),
                prepare=True,
                binary=True,
            ).fetchall()
            if len(rows) == limit:
                return _whole_commits(rows)
            last = connection.execute(_SELECT_LAST, (until,), prepare=True).fetchone()
        return rows, last[0] if last and last[0] else after

    def _visible(self, after: int, limit: int, until: int) -> list[Row]:
        while True:
            # Known before the rows were read: another thread may learn more in the meantime.
            settled_below = self._settled_below
            rows = self._fetch(after, limit, until)
            safe = _before_first_hole(rows, after, settled_below)
            if len(safe) == len(rows) or not self._settle(rows[-1][0] // POSITIONS_PER_COMMIT):
                return safe

    def _fetch(self, after: int, limit: int, until: int) -> list[Row]:
        with borrowed(self._pool) as connection:
            rows: list[Row] = connection.execute(
                _SELECT_AFTER, (after, until, limit), prepare=True, binary=True
            ).fetchall()
        return rows if len(rows) < limit else _whole_commits(rows)[0]

    def _settle(self, seen: int) -> bool:
        """Whether every number below `seen`, or a lower one noted before, is visible or dead."""
        with self._settling:
            holders = appends_under_way(self._pool)
            if not self._settles_below:
                self._settles_below, self._waiting_for = seen, holders
            else:
                self._waiting_for &= holders
            if self._waiting_for:
                return False
            self._settled_below = max(self._settled_below, self._settles_below)
            self._settles_below = 0
            return True

    def _decoded(self, rows: list[Row], topics: frozenset[str] | None) -> list[RecordedEvent]:
        if self._keys is not None:
            # From here on nobody erased is read in clear, though their key was in memory until now.
            self._keys.forget(UUID(row[1]) for row in rows if row[2] == Member.Erased.TOPIC)
        if topics is not None:
            rows = [row for row in rows if row[2] in topics]
        return decoded(rows, self._keys)


def appends_under_way(pool: ConnectionPool) -> frozenset[str]:
    """The virtual transactions that hold the append lock at this moment."""
    with borrowed(pool) as connection:
        rows = connection.execute(_SELECT_HOLDERS, (_APPEND_LOCK,), prepare=True).fetchall()
    return frozenset(row[0] for row in rows)


def decoded(rows: list[Row], keys: PersonalKeys | None) -> list[RecordedEvent]:
    """Rows of the log as events, their personal fields opened with these keys, or left null."""
    if not rows:
        return []
    positions, stream_ids, row_topics, states, moments = zip(*rows, strict=True)
    payloads = _payloads(row_topics, states)
    events = list(map(RecordedEvent, positions, stream_ids, row_topics, payloads, moments))
    _open([n for n, topic in enumerate(row_topics) if topic in _PERSONAL], events, keys)
    return events


def _open(
    personal: list[int], events: list[RecordedEvent], personal_keys: PersonalKeys | None
) -> None:
    """Put the personal fields of some of the events in clear."""
    if not personal:
        return
    if personal_keys is None:
        for index in personal:
            kind = _PERSONAL[events[index].topic]
            events[index].data.update(dict.fromkeys(kind.PERSONAL_FIELDS))
        return
    streams = [UUID(events[index].stream_id) for index in personal]
    kinds = [_PERSONAL[events[index].topic] for index in personal]
    owners = [
        key_owner(kind, events[index].data, stream_id)
        for index, kind, stream_id in zip(personal, kinds, streams, strict=True)
    ]
    keys = personal_keys.get_many(owners)
    for index, kind, stream_id, owner in zip(personal, kinds, streams, owners, strict=True):
        event = events[index]
        try:
            open_fields(kind, event.data, stream_id=stream_id, key=keys[owner])
        except (InvalidTag, ValueError):
            events[index] = event._replace(data=UnreadablePayload())


def _before_first_hole(rows: list[Row], after: int, settled_below: int) -> list[Row]:
    expected = after // POSITIONS_PER_COMMIT + 1
    if not rows or rows[-1][0] // POSITIONS_PER_COMMIT < settled_below:
        return rows
    for index, row in enumerate(rows):
        number = row[0] // POSITIONS_PER_COMMIT
        if number > max(expected, settled_below):
            return rows[:index]
        expected = number + 1
    return rows


def _whole_commits(rows: list[Row]) -> tuple[list[Row], int]:
    """Rows without the last commit, which a limit may have cut in two, and where they end."""
    cut = rows[-1][0] // POSITIONS_PER_COMMIT
    while rows[-1][0] // POSITIONS_PER_COMMIT == cut:
        rows.pop()
    return rows, rows[-1][0]


def commits(events: list[RecordedEvent]) -> Iterator[list[RecordedEvent]]:
    """The events, grouped by commit."""
    for _, group in groupby(events, key=lambda event: event.position // POSITIONS_PER_COMMIT):
        yield list(group)


class UnreadablePayload(dict[str, Any]):
    """Stands for a payload that was tampered with: whoever looks into it stops, nobody else."""

    def __missing__(self, field: str) -> Any:
        raise ValueError(f"the payload of this event cannot be read ({field})")


def _payloads(topics: Sequence[str], states: Sequence[bytes]) -> list[dict[str, Any]]:
    try:
        payloads = list(map(orjson.loads, states))
    except orjson.JSONDecodeError:
        payloads = list(map(_payload, states))
    if not _CHANGED.isdisjoint(topics):
        payloads = [
            payload if isinstance(payload, UnreadablePayload) else upcast(topic, payload)
            for topic, payload in zip(topics, payloads, strict=True)
        ]
    return payloads


def _payload(state: bytes) -> dict[str, Any]:
    try:
        payload: dict[str, Any] = orjson.loads(state)
    except orjson.JSONDecodeError:
        return UnreadablePayload()
    return payload


_PERSONAL: Mapping[str, type[Event]] = {
    topic: kind for topic, kind in EVENTS.items() if kind.PERSONAL_FIELDS
}
_CHANGED: frozenset[str] = frozenset(
    topic for topic, kind in EVENTS.items() if getattr(kind, "class_version", 1) > 1
)
