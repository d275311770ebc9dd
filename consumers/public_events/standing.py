"""What a consumer says of itself, in its own row: which feed, how far, what it waits for."""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import Connection
from psycopg.rows import TupleRow

_POSITION = "SELECT log_position FROM consuming.consumers WHERE name = %s"
_MOVE = """
UPDATE consuming.consumers SET log_position = %s, waits_for = NULL, waits_since = NULL
WHERE name = %s AND log_position = %s
"""
_FED_BY = """
UPDATE consuming.consumers SET feed = %s, waits_for = NULL, waits_since = NULL WHERE name = %s
"""
_FORGET_PARTITIONS = """
DELETE FROM consuming.partitions WHERE consumer = %s AND told_at < now() - interval '10 minutes'
"""
_WAITS = """
UPDATE consuming.consumers
SET waits_for = %(reason)s::text,
    waits_since = CASE WHEN %(reason)s::text IS NOT NULL THEN coalesce(waits_since, now()) END
WHERE name = %(name)s
"""
_PARTITION = """
INSERT INTO consuming.partitions AS p (consumer, topic, partition, next_offset, end_offset)
VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (consumer, topic, partition) DO UPDATE
SET next_offset = excluded.next_offset, end_offset = excluded.end_offset, told_at = now()
"""


class OtherProcess(Exception):
    """Another process of the same consumer moved it on."""


def log_position(connection: Connection[TupleRow], consumer: str) -> int:
    """Where the consumer stands in the log."""
    row = connection.execute(_POSITION, (consumer,), prepare=True).fetchone()
    assert row is not None, "the consumer is registered"
    return int(row[0])


def move(connection: Connection[TupleRow], consumer: str, *, after: int, end: int) -> None:
    """Everything up to `end` is taken.

    Raises:
        OtherProcess: the consumer did not stand where it was thought to.
    """
    moved = connection.execute(_MOVE, (end, consumer, after), prepare=True)
    if moved.rowcount != 1:
        raise OtherProcess


def fed_by(connection: Connection[TupleRow], consumer: str, feed: str) -> None:
    """From now on the items come by this feed. What nobody speaks of any more is forgotten."""
    connection.execute(_FED_BY, (feed, consumer))
    connection.execute(_FORGET_PARTITIONS, (consumer,))


def waits_for(connection: Connection[TupleRow], consumer: str, reason: str | None) -> None:
    """Something waits, or nothing does any more."""
    connection.execute(_WAITS, {"name": consumer, "reason": reason})


def tell_partitions(
    connection: Connection[TupleRow],
    consumer: str,
    offsets: Mapping[tuple[str, int], tuple[int, int]],
) -> None:
    """How far partitions are read, and where they end."""
    rows = [(consumer, *partition, *read) for partition, read in offsets.items()]
    connection.cursor().executemany(_PARTITION, rows)
