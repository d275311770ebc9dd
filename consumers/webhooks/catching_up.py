"""Endpoints that are told from the log: from a past position on, or after they were disabled.

Each such endpoint has the position behind which it still has to read. Its deliveries are written
page by page, while the feed leaves it alone. The last step holds the endpoint's row, reads as far
as the list of endpoints knows the log at that moment, writes, and lets go of the position, in one
transaction. Whatever the feed left out of this endpoint it left out before that, holding the same
row, and it takes no item that the list of endpoints does not know; whatever it brings afterwards
comes later in the log, or is known to be written. Nothing is handed over before the feed has begun:
it begins at the head of the log.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from uuid import UUID

import psycopg
import structlog
from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolTimeout

from consumers.webhooks.deliveries import make_states, write_for_one
from consumers.webhooks.fan_out import WebhookFanOut
from infra.postgres.pool import borrowed
from projections.public_events.feed import ChangeFeed, LostPosition

PAGE_ITEMS = 500
BACKLOG_MAX = 10_000  # what waits at an endpoint need not be written before it can go
POLL_SECONDS = 0.25
RETRY_SECONDS = 1.0
PATIENCE_SECONDS = 2.0  # an append that takes longer is waited for without holding anybody up
_LOOK_SECONDS = 0.005

_BEHIND = """
SELECT s.endpoint_id, s.reads_log_after, e.types,
       (SELECT position FROM read_webhook_endpoints.position)
FROM webhooks.endpoint_states s JOIN read_webhook_endpoints.endpoints e USING (endpoint_id)
WHERE s.reads_log_after IS NOT NULL AND e.state IN ('active', 'paused')
  AND EXISTS (SELECT FROM consuming.consumers c WHERE c.name = %(consumer)s)
  AND (SELECT count(*) FROM (SELECT FROM webhooks.deliveries d
                             WHERE d.endpoint_id = s.endpoint_id AND d.state = 'due'
                             LIMIT %(most)s) AS waiting) < %(most)s
ORDER BY s.reads_log_after
"""
_HOLD = """
SELECT FROM webhooks.endpoint_states WHERE endpoint_id = %s AND reads_log_after = %s FOR UPDATE
"""
_MOVE = "UPDATE webhooks.endpoint_states SET reads_log_after = %s WHERE endpoint_id = %s"
_WANTED = """
SELECT e.types, p.position
FROM read_webhook_endpoints.endpoints e, read_webhook_endpoints.position p WHERE e.endpoint_id = %s
"""

_log = structlog.get_logger()


@dataclass(frozen=True)
class _Behind:
    """What an endpoint wants is known up to where its read model stands, and no further."""

    endpoint_id: UUID
    after: int
    types: frozenset[str]
    known: int


class _Unsettled(Exception):
    """An append that may be before the place to be reached is still under way."""


class CatchingUp:
    """Brings endpoints up with the log. Any number may run."""

    def __init__(
        self,
        pool: ConnectionPool,
        changes: ChangeFeed,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._pool = pool
        self._changes = changes
        self._patience_seconds = patience_seconds

    def run(self, stop: threading.Event) -> None:
        """Go on until told to stop."""
        pause = 0.0
        while not stop.wait(pause):
            try:
                pause = 0.0 if self.work_once() else POLL_SECONDS
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("database_away", error=type(error).__name__)
                pause = RETRY_SECONDS

    def work_once(self) -> bool:
        """A page for each endpoint that is behind. Answers whether any moved."""
        with borrowed(self._pool) as connection:
            make_states(connection)
            rows = connection.execute(
                _BEHIND, {"most": BACKLOG_MAX, "consumer": WebhookFanOut.name}
            ).fetchall()
        behind = [_Behind(row[0], row[1], frozenset(row[2]), row[3]) for row in rows]
        return any([self._advance(each) for each in behind])  # noqa: C419 - each has its turn

    def _advance(self, behind: _Behind) -> bool:
        try:
            page = self._changes.changes(behind.after, limit=PAGE_ITEMS, types=behind.types)
        except LostPosition as lost:
            return self._move(behind, lost.known)
        if not page.more:
            return self._hand_over(behind)
        if page.next_after > behind.known:
            return False
        with self._pool.connection() as connection, connection.transaction():
            if not _held(connection, behind):
                return True
            write_for_one(connection, behind.endpoint_id, page.items)
            connection.execute(_MOVE, (page.next_after, behind.endpoint_id))
        return True

    def _hand_over(self, behind: _Behind) -> bool:
        try:
            with self._pool.connection() as connection, connection.transaction():
                if _held(connection, behind):
                    self._write_to_the_end(connection, behind)
                    connection.execute(_MOVE, (None, behind.endpoint_id))
        except _Unsettled:
            return False
        _log.info("webhook_endpoint_caught_up", endpoint=str(behind.endpoint_id))
        return True

    def _write_to_the_end(self, connection: Connection[TupleRow], behind: _Behind) -> None:
        """As far as the list of endpoints is: the feed leaves out nothing beyond that."""
        row = connection.execute(_WANTED, (behind.endpoint_id,)).fetchone()
        assert row is not None, "a read model keeps its rows"
        types, known = frozenset(row[0]), row[1]
        deadline = time.monotonic() + self._patience_seconds
        after = behind.after
        while after < known:
            page = self._changes.changes(after, limit=PAGE_ITEMS, types=types)
            told = [item for item in page.items if item["position"] <= known]
            write_for_one(connection, behind.endpoint_id, told)
            if page.next_after == after:
                _rest_before(deadline)
            after = page.next_after

    def _move(self, behind: _Behind, after: int) -> bool:
        with self._pool.connection() as connection, connection.transaction():
            if _held(connection, behind):
                connection.execute(_MOVE, (after, behind.endpoint_id))
        return True


def _rest_before(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise _Unsettled
    time.sleep(_LOOK_SECONDS)


def _held(connection: Connection[TupleRow], behind: _Behind) -> bool:
    """Hold the endpoint's row, unless another has moved it meanwhile."""
    found = connection.execute(_HOLD, (behind.endpoint_id, behind.after)).fetchone()
    return found is not None
