"""Epochs of the log: what to do after it was restored from a backup.

A restored log lacks its tail: what was appended after the backup. The tail's positions were told to
clients, so they are never given out again: the new epoch begins beyond all that the tail can have
held. Whoever comes with a position between the two asks for what is lost (`IS_LOST`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from infra.errors import InfrastructureError
from infra.event_store.log import POSITIONS_PER_COMMIT

# More than a server of two cores appends at full speed, for as long as the tail can have lasted.
TAIL_COMMITS_PER_SECOND_MAX = 10_000
TAIL_SECONDS_MIN = 3_600
LEAVE_SECONDS_MAX = 2.0  # a session lasts a little longer than the process that ended it
_LOOK_SECONDS = 0.05

# Whether a position, told once, belongs to what a restore has lost: a condition for `WHERE`.
IS_LOST = """EXISTS (SELECT FROM event_store.epochs AS e
    WHERE e.last_restored < %(read_at)s AND %(read_at)s <= e.begins_after)"""

_HEAD = """
SELECT position, recorded_at,
       greatest(extract(epoch FROM clock_timestamp() - recorded_at), 0)::bigint
FROM event_store.events ORDER BY position DESC LIMIT 1
"""
_CONNECTED = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND application_name LIKE 'daystar%'
"""


class HouseStillRuns(InfrastructureError):
    """Processes of ours are connected: they remember what the restored log does not know."""


@dataclass(frozen=True)
class Head:
    """Where a log ends: its last position, when that was recorded, and how long ago that is."""

    position: int = 0
    recorded_at: datetime | None = None
    seconds_ago: int = 0


def check_nobody_works(connection: Connection[Any]) -> None:
    """Refuse while a process of ours is connected to this database.

    Raises:
        HouseStillRuns: says how many connections there are.
    """
    deadline = time.monotonic() + LEAVE_SECONDS_MAX
    while (connected := _connected(connection)) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    if connected:
        raise HouseStillRuns(
            f"{connected} connections of Daystar are open. Stop all its processes first: they"
            " remember positions that the restored log does not have."
        )


def _connected(connection: Connection[Any]) -> int:
    row = connection.execute(_CONNECTED).fetchone()
    assert row is not None
    return int(row[0])


def head_of(connection: Connection[Any]) -> Head:
    """Where the log ends now."""
    row = connection.execute(_HEAD).fetchone()
    return Head(*row) if row else Head()


def open_epoch(connection: Connection[Any], head: Head, *, beyond: int = 0) -> int:
    """Begin a new epoch beyond whatever was lost; answers the position it begins after.

    The connection is the owner's. `beyond` is a position known to have been told, if any is.
    """
    tail_seconds = max(head.seconds_ago, TAIL_SECONDS_MIN)
    tail_end = head.position + (tail_seconds * TAIL_COMMITS_PER_SECOND_MAX * POSITIONS_PER_COMMIT)
    raised = connection.execute(
        "SELECT event_store.raise_epoch(%s)", (max(tail_end, beyond),)
    ).fetchone()
    assert raised is not None
    row = connection.execute(
        "SELECT begins_after FROM event_store.epochs WHERE epoch = %s", raised
    ).fetchone()
    assert row is not None, "the epoch was just begun"
    return int(row[0])
