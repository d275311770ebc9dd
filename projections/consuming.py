"""Where the relay and the consumers of public events stand: what `daystar status` tells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg_pool import ConnectionPool

from infra.postgres.pool import borrowed
from projections.status import lag

_RELAY = "SELECT position, taken_at FROM consuming.relay"
_CONSUMERS = """
SELECT c.name, c.feed, c.log_position, c.waits_for,
       coalesce(extract(epoch FROM now() - c.waits_since), 0)::float8,
       (SELECT count(*) FROM consuming.dead_letters d
        WHERE d.consumer = c.name AND d.state = 'open'),
       (SELECT count(*) FROM consuming.parked p WHERE p.consumer = c.name),
       (SELECT coalesce(sum(greatest(t.end_offset - t.next_offset, 0)), 0)::bigint
        FROM consuming.partitions t WHERE t.consumer = c.name),
       (SELECT coalesce(extract(epoch FROM now() - min(t.told_at)), 0)::float8
        FROM consuming.partitions t WHERE t.consumer = c.name)
FROM consuming.consumers c ORDER BY c.name
"""
_AGAIN = """
UPDATE consuming.relay
SET position = least(position, (SELECT min(log_position) FROM consuming.consumers))
RETURNING position
"""


@dataclass(frozen=True)
class RelayStatus:
    """How far the log is told to Kafka. `events_behind` is counted up to 100,000."""

    position: int
    events_behind: int
    seconds_behind: float


@dataclass(frozen=True)
class ConsumerStatus:
    """How far a consumer is.

    What is behind are events of the log, or records in Kafka. Of the latter it is not known for how
    long they wait; `seconds_behind` is then for how long nobody has said how far they are read.
    """

    name: str
    feed: str
    behind: int
    seconds_behind: float
    waits_for: str | None
    waits_seconds: float
    dead_letters: int
    parked: int


def relay_status(pool: ConnectionPool, *, now: datetime) -> RelayStatus | None:
    """None where no relay has ever run."""
    with borrowed(pool) as connection:
        row = connection.execute(_RELAY).fetchone()
        return RelayStatus(row[0], *lag(connection, row[0], now)) if row else None


def tell_again(connection: Connection[Any]) -> int | None:
    """Let Kafka be told again from where the consumer stands in the log that has furthest to go.

    For when Kafka may lack what was told: its topics were made anew, or the log was restored.
    Consumers know what they have taken. Answers the position; None where no relay has ever run.
    """
    row = connection.execute(_AGAIN).fetchone()
    return int(row[0]) if row else None


def consumer_status(pool: ConnectionPool, *, now: datetime) -> list[ConsumerStatus]:
    """Every consumer there is."""
    with borrowed(pool) as connection:
        told = []
        for (
            name,
            feed,
            position,
            reason,
            waits,
            letters,
            parked,
            records,
            silent,
        ) in connection.execute(_CONSUMERS).fetchall():
            behind, seconds = records, silent
            if feed == "log":
                behind, seconds = lag(connection, position, now)
            told.append(ConsumerStatus(name, feed, behind, seconds, reason, waits, letters, parked))
        return told
