"""The usage log: who called what, from where, how it ended and how long it took.

Requests are gathered in the process and written together, at most a second later: a process that is
killed outright loses what it gathered in that second, and nothing else. Only routes are kept, never
a path or a query. Every request is counted; what stands written down elsewhere is not logged again.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import ConnectionPool, PoolTimeout

from infra.postgres.pool import borrowed, delete_in_slices

FLUSH_SECONDS = 1.0
FLUSH_ROWS = 500
WAITING_ROWS_MAX = 20_000  # gathered while the database is away; what comes on top is let go

# Keys are locked in their order, so that two processes never wait for each other.
_WRITE = """
WITH used AS (
    SELECT * FROM unnest(%s::timestamptz[], %s::uuid[], %s::inet[], %s::text[], %s::text[],
                         %s::smallint[], %s::real[], %s::boolean[])
        AS u (occurred_at, key_id, address, method, endpoint, status, milliseconds, is_counted_only)
), logged AS (
    INSERT INTO api.usage (occurred_at, key_id, address, method, endpoint, status, milliseconds)
    SELECT occurred_at, key_id, address, method, endpoint, status, milliseconds
    FROM used WHERE NOT is_counted_only
), counted AS (
    INSERT INTO api.request_totals AS known
    SELECT method, coalesce(endpoint, ''), status, count(*), sum(milliseconds),
           count(*) FILTER (WHERE milliseconds <= 5), count(*) FILTER (WHERE milliseconds <= 25),
           count(*) FILTER (WHERE milliseconds <= 100), count(*) FILTER (WHERE milliseconds <= 500),
           count(*) FILTER (WHERE milliseconds <= 2500)
    FROM used GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (method, endpoint, status) DO UPDATE
    SET requests = known.requests + excluded.requests,
        milliseconds = known.milliseconds + excluded.milliseconds,
        within_5 = known.within_5 + excluded.within_5,
        within_25 = known.within_25 + excluded.within_25,
        within_100 = known.within_100 + excluded.within_100,
        within_500 = known.within_500 + excluded.within_500,
        within_2500 = known.within_2500 + excluded.within_2500
)
INSERT INTO api.key_uses AS known (key_id, last_used_at, address)
SELECT DISTINCT ON (key_id) key_id, occurred_at, address FROM used WHERE key_id IS NOT NULL
ORDER BY key_id, occurred_at DESC
ON CONFLICT (key_id) DO UPDATE
SET last_used_at = excluded.last_used_at, address = excluded.address
WHERE known.last_used_at < excluded.last_used_at
"""
_LAST_USES = "SELECT key_id, last_used_at FROM api.key_uses"
_EXPIRE = """
DELETE FROM api.usage WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM api.usage WHERE occurred_at < now() - make_interval(days => %s)
    ORDER BY occurred_at LIMIT %s))
"""
_log = structlog.get_logger()


@dataclass(frozen=True)
class Use:
    """One request, answered."""

    occurred_at: datetime
    key_id: UUID | None
    address: str | None
    method: str
    endpoint: str | None
    status: int
    milliseconds: float
    is_counted_only: bool = False
    """It stands written down elsewhere, and is only counted here."""


class UsageLog:
    """Gathers uses and writes them from a thread of its own, begun at the first."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._waiting: list[Use] = []
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._writer: threading.Thread | None = None

    def add(self, use: Use) -> None:
        """Note a use; somebody else writes it down."""
        with self._lock:
            if len(self._waiting) >= WAITING_ROWS_MAX:
                return
            self._waiting.append(use)
            if len(self._waiting) >= FLUSH_ROWS:
                self._wake.set()
            if self._writer is None and not self._stop.is_set():
                self._writer = threading.Thread(target=self._run, daemon=True, name="usage")
                self._writer.start()

    def flush(self) -> None:
        """Write what has been gathered. While the database is away, it waits for the next time."""
        with self._writing:
            with self._lock:
                uses, self._waiting = self._waiting, []
            if not uses:
                return
            try:
                self._write(uses)
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("usage_not_written", rows=len(uses), error=type(error).__name__)
                with self._lock:
                    self._waiting[:0] = uses
            except psycopg.Error:
                _log.exception("usage_lost", rows=len(uses))  # asking again would fail again

    def close(self) -> None:
        """Write the rest. What comes later is written no more."""
        self._stop.set()
        self._wake.set()
        if self._writer is not None:
            self._writer.join()
        self.flush()

    def last_uses(self) -> dict[UUID, datetime]:
        """When each key was last used, to the second."""
        with borrowed(self._pool) as connection:
            return dict(connection.execute(_LAST_USES).fetchall())

    def expire(self, *, days: int) -> int:
        """Forget what is older. Answers how many."""
        return delete_in_slices(self._pool, _EXPIRE, days=days)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(FLUSH_SECONDS)
            self._wake.clear()
            self.flush()

    def _write(self, uses: list[Use]) -> None:
        columns = (
            [use.occurred_at for use in uses],
            [use.key_id for use in uses],
            [use.address for use in uses],
            [use.method for use in uses],
            [use.endpoint for use in uses],
            [use.status for use in uses],
            [use.milliseconds for use in uses],
            [use.is_counted_only for use in uses],
        )
        with borrowed(self._pool) as connection:
            connection.execute(_WRITE, columns)
