"""Our books as they stand now: the read models that tell of them, brought up with the log first."""

from __future__ import annotations

from datetime import date, datetime, time

from psycopg_pool import ConnectionPool

from domain.dates import NAIROBI, business_day
from infra import clock
from infra.errors import InfrastructureError
from infra.event_store.reader import LogReader
from infra.postgres.pool import borrowed
from projections.follower import Follower
from projections.installation import schema_name
from projections.listing import position_of
from projections.read_models import READ_MODELS

_FIRST_EVENT = "SELECT recorded_at FROM event_store.events ORDER BY position LIMIT 1"
_NEEDED = ("mpesa_transactions", "payouts", "reconciliation")


class BooksBehind(InfrastructureError):
    """A read model is held or stopped, so what our books say now cannot be known."""


def books_begin(pool: ConnectionPool, since: date | None) -> datetime:
    """From when on M-Pesa's money is in these books: the day that is said, or the first event's."""
    with borrowed(pool) as connection:
        row = connection.execute(_FIRST_EVENT).fetchone() if since is None else None
    day = since or business_day(row[0] if row else clock.now())
    return datetime.combine(day, time.min, NAIROBI)


class Books:
    """Says when what is read from the read models is no older than the moment of asking."""

    def __init__(self, pool: ConnectionPool, reader: LogReader) -> None:
        self._pool = pool
        self._reader = reader
        self._follower = Follower(pool, reader, [READ_MODELS[name] for name in _NEEDED])

    def bring_up(self) -> None:
        """Follow the log to where it ends now, whether or not another process does too.

        Raises:
            BooksBehind: a read model does not follow.
        """
        head = self._reader.head()
        self._follower.catch_up()
        for name in _NEEDED:
            if position_of(self._pool, schema_name(READ_MODELS[name])) < head:
                raise BooksBehind(
                    f"The read model {name} does not follow the log; `daystar status` says why."
                )
