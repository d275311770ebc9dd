"""Where each follower stands: what `daystar status` and `/readyz` tell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection, sql
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from projections.installation import schema_name
from projections.read_model import ReadModel

_LAG = """
SELECT count(*), min(recorded_at)
FROM (SELECT recorded_at FROM event_store.events WHERE position > %s ORDER BY position LIMIT 100000)
AS behind
"""


@dataclass(frozen=True)
class FollowerStatus:
    """One follower, at one moment. `events_behind` is counted up to 100,000."""

    name: str
    state: str
    position: int
    events_behind: int
    seconds_behind: float
    error: str | None
    error_position: int | None


def follower_status(
    pool: ConnectionPool, models: Iterable[ReadModel], *, now: datetime
) -> list[FollowerStatus]:
    """The status of each read model's follower."""
    return [_status(pool, model, now) for model in models]


def _status(pool: ConnectionPool, model: ReadModel, now: datetime) -> FollowerStatus:
    with pool.connection() as connection:
        row = connection.execute(
            sql.SQL(
                "SELECT f.state, f.error, f.error_position, p.position"
                " FROM followers.followers f, {}.position p WHERE f.name = %s"
            ).format(sql.Identifier(schema_name(model))),
            (model.name,),
        ).fetchone()
        assert row is not None, "an installed read model has a follower row"
        state, error, error_position, position = row
        behind = lag(connection, position, now)
    return FollowerStatus(model.name, state, position, *behind, error, error_position)


def lag(connection: Connection[TupleRow], position: int, now: datetime) -> tuple[int, float]:
    """How many events are after a position, up to 100,000, and the age of the oldest in seconds."""
    row = connection.execute(_LAG, (position,)).fetchone()
    assert row is not None
    events, oldest = row
    return events, max((now - oldest).total_seconds(), 0.0) if oldest else 0.0
