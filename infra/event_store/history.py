"""Private events as auditors look through them: by stream, topic, actor, correlation and time.

Only streams and positions have an index: an index more would slow every append. A page therefore
looks at no more than so many events, and may be short, or empty, while more follows. Moments are
turned into positions first: positions are drawn in the order of time, but for writers at work at
once.

Personal fields stay closed: an auditor sees that there was a phone, not which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from psycopg import Connection, sql
from psycopg_pool import ConnectionPool

from domain.event_catalogue import EVENTS
from infra.event_store.epochs import IS_LOST
from infra.postgres.pool import borrowed

LOOKED_AT_MAX = 20_000
MASK = "***"
_SECRETS = ("sha256", "url")  # a subscriber's address may carry a token; its host is told too
_CLOCKS_APART = timedelta(minutes=1)  # writers at work at once, and a clock put right
_BIGINT_MAX = 2**63 - 1

_CONDITIONS: Mapping[str, str] = {
    "stream_id": "e.stream_id = %(stream_id)s",
    "type": "e.topic = %(type)s",
    "actor": "convert_from(e.metadata, 'UTF8')::jsonb ->> 'actor' = %(actor)s",
    "correlation_id": "convert_from(e.metadata, 'UTF8')::jsonb ->> 'correlation_id'"
    " = %(correlation_id)s",
    "recorded_from": "e.recorded_at >= %(recorded_from)s",
    "recorded_to": "e.recorded_at <= %(recorded_to)s",
}
_BY_INDEX = frozenset({"stream_id", "position_from", "position_to"})
_PAGE = """
WITH looked_at AS (
    SELECT position, stream_id, stream_version, topic, state, recorded_at, metadata
    FROM event_store.events
    WHERE position >= %(first)s AND position <= %(last)s {of_stream}
    ORDER BY {by} LIMIT %(looked_at_max)s
)
SELECT e.position, e.stream_id::text, e.stream_version, e.topic, e.state,
       to_char(e.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'), e.metadata,
       (SELECT count(*) FROM looked_at), (SELECT {furthest}(position) FROM looked_at)
FROM (SELECT) AS always LEFT JOIN LATERAL (
    SELECT * FROM looked_at AS e WHERE {where} ORDER BY e.position {direction} LIMIT %(rows_max)s
) AS e ON true
"""
_PLACE = f"SELECT (SELECT max(position) FROM event_store.events), {IS_LOST}"
_AT = """
SELECT position, recorded_at FROM event_store.events WHERE position >= %s
ORDER BY position LIMIT 1
"""


class LostPlace(Exception):
    """The place was told before a restore, and what it was told of may be lost."""


@dataclass(frozen=True)
class HistoryPage:
    """Events as JSON values. `last` is the position to go on behind, None at the end."""

    events: list[dict[str, Any]]
    last: int | None
    head: int


class History:
    """Looks through the log."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    def page(
        self,
        filters: Mapping[str, Any],
        *,
        newest_first: bool,
        per_page: int,
        behind: Sequence[int] | None = None,
    ) -> HistoryPage:
        """One page. `behind` is the head when the search began and the position to go on behind.

        Raises:
            LostPlace: that position is one that a restore has lost.
        """
        read_at = behind[0] if behind else 0
        with borrowed(self._pool) as connection:
            head, is_lost = self._place(connection, read_at)
            if is_lost or read_at > head:
                raise LostPlace
            first = filters.get("position_from", 0)
            last = min(filters.get("position_to", _BIGINT_MAX), head)
            if "recorded_from" in filters:
                moment = _moved(filters["recorded_from"], -_CLOCKS_APART)
                first = max(first, _position_at(connection, moment, head))
            if "recorded_to" in filters:
                moment = _moved(filters["recorded_to"], _CLOCKS_APART)
                last = min(last, _position_at(connection, moment, head))
            if behind and newest_first:
                last = min(last, behind[1] - 1)
            elif behind:
                first = max(first, behind[1] + 1)
            found_by_index = _BY_INDEX.issuperset(filters)
            looked_at_max = per_page + 1 if found_by_index else LOOKED_AT_MAX
            rows = connection.execute(
                _statement(filters, newest_first=newest_first),
                {name: filters[name] for name in _CONDITIONS if name in filters}
                | {"first": first, "last": last}
                | {"rows_max": per_page + 1, "looked_at_max": looked_at_max},
                prepare=True,
                binary=True,
            ).fetchall()
        looked_at, furthest = rows[0][7], rows[0][8]
        events = [_told(row) for row in rows[:per_page] if row[0] is not None]
        following = furthest if looked_at == looked_at_max else None
        if len(rows) > per_page:
            following = rows[per_page - 1][0]
        return HistoryPage(events, following, head)

    @staticmethod
    def _place(connection: Connection[Any], read_at: int) -> tuple[int, bool]:
        row = connection.execute(_PLACE, {"read_at": read_at}).fetchone()
        assert row is not None
        return row[0] or 0, row[1]


def _statement(filters: Mapping[str, Any], *, newest_first: bool) -> sql.Composed:
    active = [condition for name, condition in _CONDITIONS.items() if name in filters]
    direction = "DESC" if newest_first else "ASC"
    # Within a stream, versions are in the order of positions, and have an index of their own.
    of_stream = "stream_id" in filters
    by = "stream_version" if of_stream else "position"
    return sql.SQL(_PAGE).format(
        of_stream=sql.SQL("AND stream_id = %(stream_id)s" if of_stream else ""),
        by=sql.SQL(f"{by} {direction}"),
        furthest=sql.SQL("min" if newest_first else "max"),
        where=sql.SQL(" AND ".join(active) or "true"),
        direction=sql.SQL(direction),
    )


def _moved(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment + by
    except OverflowError:
        return moment


def _position_at(connection: Connection[Any], moment: datetime, head: int) -> int:
    """About the first position recorded at or after a moment, found by halving."""
    low, high = 0, head
    while low < high:
        middle = (low + high) // 2
        row = connection.execute(_AT, (middle,), prepare=True).fetchone()
        assert row is not None, "the head is an event"
        if row[1] >= moment:
            high = middle
        else:
            low = row[0] + 1
    return low


def _told(row: Sequence[Any]) -> dict[str, Any]:
    position, stream_id, version, topic, state, recorded_at, metadata = row[:7]
    meta = orjson.loads(metadata)
    data = orjson.loads(state)
    class_version = data.pop("class_version", 1)
    closed = (*(EVENTS[topic].PERSONAL_FIELDS if topic in EVENTS else ()), *_SECRETS)
    for name in closed:
        if data.get(name) is not None:
            data[name] = MASK
    return {
        "position": position,
        "stream_id": stream_id,
        "stream_version": version,
        "type": topic,
        "version": class_version,
        "recorded_at": recorded_at,
        "actor": meta.get("actor"),
        "correlation_id": meta.get("correlation_id"),
        "causation_id": meta.get("causation_id"),
        "data": data,
    }
