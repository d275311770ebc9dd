"""The log as it stood: a moment turned into a position, once and for good.

Commits finish out of order, so moments and positions do not rise quite together. A moment means the
position just before the first event that was recorded after it: nothing recorded later is ever
taken in, and whoever asks again is told the same. That holds once no append is under way that may
still record something at or before the moment: each reads the clock while it holds the append lock,
so those that hold it when the moment is past are waited for. Nothing is guessed by time-outs.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from psycopg_pool import ConnectionPool

from infra.errors import InfrastructureError
from infra.event_store.epochs import IS_LOST
from infra.event_store.log import POSITIONS_PER_COMMIT, STATEMENT_TIMEOUT_MILLISECONDS
from infra.event_store.personal_keys import PersonalKeys
from infra.event_store.reader import RecordedEvent, Row, appends_under_way, decoded
from infra.keyring import Keyring
from infra.postgres.pool import borrowed

_LOOK_SECONDS = 0.005
_WAIT_SECONDS_MAX = STATEMENT_TIMEOUT_MILLISECONDS / 1000 + 1.0  # no append lasts longer

# The index on recorded_at knows ranges of pages, so one looks near the moment first.
_WINDOWS = ("1 day", "31 days", "1000 years")
_FIRST_AFTER = """
SELECT min(position + 0) FROM event_store.events
WHERE recorded_at > %(moment)s AND recorded_at <= %(moment)s + %(window)s::interval
"""
_FIRST = """
SELECT position, recorded_at > %s FROM event_store.events ORDER BY position LIMIT 1
"""
_LAST_BEFORE = """
SELECT position, recorded_at FROM event_store.events
WHERE position < %s ORDER BY position DESC LIMIT 1
"""
_NOW = "SELECT clock_timestamp()"
_HEAD = "SELECT coalesce(max(position), 0) FROM event_store.events"
_LOST = f"SELECT {IS_LOST}"
_POSITION_MAX = 2**63 - 1

_STREAMS = """
SELECT position, stream_id::text, topic, state, recorded_at::text
FROM event_store.events
WHERE stream_id = ANY(%(streams)s) AND position <= %(until)s AND topic = ANY(%(topics)s)
UNION ALL
SELECT last.* FROM unnest(%(streams)s::uuid[]) AS s (stream_id)
CROSS JOIN LATERAL (
    SELECT position, e.stream_id::text, topic, state, recorded_at::text
    FROM event_store.events AS e
    WHERE e.stream_id = s.stream_id AND position <= %(until)s AND topic = ANY(%(last_of)s)
    ORDER BY stream_version DESC LIMIT 1) AS last
ORDER BY position
"""
_AT = """
SELECT position, stream_id::text, topic, state, recorded_at::text
FROM event_store.events WHERE position = ANY(%(positions)s) ORDER BY position
"""
_BESIDE = """
SELECT DISTINCT e.stream_id
FROM unnest(%(commits)s::bigint[]) AS c (first)
CROSS JOIN LATERAL (
    SELECT stream_id FROM event_store.events
    WHERE position BETWEEN c.first AND c.first + %(positions_per_commit)s - 1
      AND topic = ANY(%(topics)s)) AS e
"""


class NotYet(InfrastructureError):
    """The moment, or the position, is still to come."""

    def __init__(self) -> None:
        super().__init__("That lies in the future: nobody knows yet what the books will say.")


class PositionLost(InfrastructureError):
    """A restore has lost what stood at this position."""

    def __init__(self) -> None:
        super().__init__(
            "The books were restored from a backup, and what stood at this position is lost."
        )


class LogBusy(InfrastructureError):
    """An append is under way for so long that one cannot tell yet."""

    def __init__(self) -> None:
        super().__init__("Something is just being recorded; try again in a moment.")


@dataclass(frozen=True, slots=True)
class AsOf:
    """A place between two commits of the log, for good: all up to `position`, nothing beyond.

    `recorded_at` is when its last event was recorded: what an answer says of "today" it says of
    that day.
    """

    position: int
    recorded_at: datetime


_BEFORE_EVERYTHING = AsOf(0, datetime(1970, 1, 1, tzinfo=UTC))


def as_of_moment(pool: ConnectionPool, moment: datetime) -> AsOf:
    """Where the log stood at a moment.

    Raises:
        NotYet: the moment is in the future.
        LogBusy: an append that may belong to it does not end.
    """
    with borrowed(pool) as connection:
        now = connection.execute(_NOW, prepare=True).fetchone()
    assert now is not None
    if moment > now[0]:
        raise NotYet
    _wait_for_appends(pool)
    return _last_before(pool, _first_after(pool, moment))


def as_of_position(pool: ConnectionPool, position: int) -> AsOf:
    """Where the log stood at a position; within a commit, at its end: a commit is one thing.

    Raises:
        NotYet: the log has not come so far.
        PositionLost: what stood there was lost in a restore.
        LogBusy: an append below the position does not end.
    """
    with borrowed(pool) as connection:
        head = connection.execute(_HEAD, prepare=True).fetchone()
        lost = connection.execute(_LOST, {"read_at": position}, prepare=True).fetchone()
    assert head is not None
    assert lost is not None
    if lost[0]:
        raise PositionLost
    if position > head[0]:
        raise NotYet
    _wait_for_appends(pool)
    commit = position // POSITIONS_PER_COMMIT
    return _last_before(pool, (commit + 1) * POSITIONS_PER_COMMIT)


def _wait_for_appends(pool: ConnectionPool) -> None:
    under_way = appends_under_way(pool)
    deadline = time.monotonic() + _WAIT_SECONDS_MAX
    while under_way:
        if time.monotonic() > deadline:
            raise LogBusy
        time.sleep(_LOOK_SECONDS)
        under_way &= appends_under_way(pool)


def _first_after(pool: ConnectionPool, moment: datetime) -> int:
    with borrowed(pool) as connection:
        first = connection.execute(_FIRST, (moment,), prepare=True).fetchone()
        if first is not None and first[1]:
            return int(first[0])
        for window in _WINDOWS:
            row = connection.execute(_FIRST_AFTER, {"moment": moment, "window": window}).fetchone()
            if row is not None and row[0] is not None:
                return int(row[0])
    return _POSITION_MAX


def _last_before(pool: ConnectionPool, position: int) -> AsOf:
    with borrowed(pool) as connection:
        row = connection.execute(_LAST_BEFORE, (position,), prepare=True).fetchone()
    return AsOf(*row) if row else _BEFORE_EVERYTHING


class PastEvents:
    """Reads single streams up to a place in the log.

    For one question only: it keeps no key of anybody longer than that, so that somebody erased in
    another process is a moment later nowhere read in clear.
    """

    def __init__(self, pool: ConnectionPool, keyring: Keyring) -> None:
        self._pool = pool
        self._keys = PersonalKeys(pool, keyring)

    def of_streams(
        self,
        streams: list[UUID],
        *,
        until: AsOf,
        topics: frozenset[str],
        last_of: frozenset[str] = frozenset(),
    ) -> list[RecordedEvent]:
        """What happened in these streams, in the order of the log.

        Of the topics in `last_of` only the last event of each stream: whatever they change, they
        change as a whole.
        """
        return self._read(
            _STREAMS,
            {
                "streams": streams,
                "until": until.position,
                "topics": list(topics - last_of),
                "last_of": list(last_of),
            },
        )

    def at(self, positions: list[int]) -> list[RecordedEvent]:
        """The events at these positions."""
        return self._read(_AT, {"positions": positions})

    def streams_beside(self, positions: list[int], *, topics: frozenset[str]) -> list[UUID]:
        """The streams to which something of these topics happened in the same commits."""
        commits = {position - position % POSITIONS_PER_COMMIT for position in positions}
        with borrowed(self._pool) as connection:
            rows = connection.execute(
                _BESIDE,
                {
                    "commits": sorted(commits),
                    "positions_per_commit": POSITIONS_PER_COMMIT,
                    "topics": list(topics),
                },
                prepare=True,
            ).fetchall()
        return [row[0] for row in rows]

    def _read(self, statement: str, parameters: dict[str, object]) -> list[RecordedEvent]:
        with borrowed(self._pool) as connection:
            rows: list[Row] = connection.execute(
                statement, parameters, prepare=True, binary=True
            ).fetchall()
        return decoded(rows, self._keys)
