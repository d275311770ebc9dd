"""What each endpoint was told of a business day, so that its owner can prove to have all of it.

A day's digest is made once the day is over, and made anew for a week while not all was delivered. A
subscriber makes the same of what it took: those whose `timestamp` is of that day in Nairobi, in the
order of their `sequence`. No digest tells of amounts that the deliveries themselves did not.
"""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import ConnectionPool, PoolTimeout

from domain.dates import NAIROBI, business_day
from infra import clock
from infra.postgres.pool import borrowed

ROUND_SECONDS = 1_800.0
RETRY_SECONDS = 5.0
DAYS_BACK = 7  # within which the schedule of attempts is over

_log = structlog.get_logger()

_WANTED = """
SELECT s.endpoint_id
FROM webhooks.endpoint_states s
JOIN read_webhook_endpoints.endpoints e USING (endpoint_id)
LEFT JOIN webhooks.digests g ON g.endpoint_id = s.endpoint_id AND g.day = %(day)s
WHERE e.state <> 'deleted' AND e.created_at < %(end)s AND s.reads_log_after IS NULL
  AND (g.day IS NULL OR g.delivered < g.deliveries)
ORDER BY s.endpoint_id
"""
_MAKE = """
WITH told AS MATERIALIZED (
    SELECT d.delivery_id, d.sequence, d.type, d.delivered_at IS NOT NULL AS is_delivered,
           CASE WHEN e.payload = 'full' AND NOT 'amount' = ANY(e.masked_fields)
                THEN (i.item -> 'data' ->> 'amount')::numeric END AS amount
    FROM webhooks.items i
    JOIN webhooks.deliveries d ON d.delivery_id = webhooks.delivery_id(%(endpoint)s, i.item_id)
    JOIN read_webhook_endpoints.endpoints e ON e.endpoint_id = d.endpoint_id
    WHERE i.occurred_at >= %(begin)s AND i.occurred_at < %(end)s AND d.sequence IS NOT NULL
), by_type AS (
    SELECT type, jsonb_build_object('count', count(*), 'amount', sum(amount)::text) AS total
    FROM told WHERE is_delivered GROUP BY type
)
INSERT INTO webhooks.digests (endpoint_id, day, deliveries, delivered, totals, ids_sha256)
SELECT %(endpoint)s, %(day)s, count(*), count(*) FILTER (WHERE is_delivered),
       (SELECT coalesce(jsonb_strip_nulls(jsonb_object_agg(type, total)), '{}') FROM by_type),
       encode(sha256(coalesce(
           string_agg(delivery_id || E'\\n', '' ORDER BY sequence) FILTER (WHERE is_delivered), ''
       )::bytea), 'hex')
FROM told
ON CONFLICT (endpoint_id, day) DO UPDATE
SET deliveries = excluded.deliveries, delivered = excluded.delivered, totals = excluded.totals,
    ids_sha256 = excluded.ids_sha256, made_at = now()
"""


class DigestRound:
    """Makes digests. Any number may run: they make the same."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    def run(self, stop: threading.Event) -> None:
        """Look every half an hour, until told to stop."""
        pause = 0.0
        while not stop.wait(pause):
            try:
                self.work_once(business_day(clock.now()))
                pause = ROUND_SECONDS
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("database_away", error=type(error).__name__)
                pause = RETRY_SECONDS

    def work_once(self, today: date) -> int:
        """Make those that are missing, or were not whole. Answers how many."""
        days = [today - timedelta(days=back) for back in range(DAYS_BACK, 0, -1)]
        return sum(
            self._make(endpoint_id, day) for day in days for endpoint_id in self._wanted(day)
        )

    def _wanted(self, day: date) -> list[UUID]:
        with borrowed(self._pool) as connection:
            return [row[0] for row in connection.execute(_WANTED, _bounds(day)).fetchall()]

    def _make(self, endpoint_id: UUID, day: date) -> int:
        with borrowed(self._pool) as connection:
            return connection.execute(_MAKE, _bounds(day) | {"endpoint": endpoint_id}).rowcount


def _bounds(day: date) -> dict[str, object]:
    begin = datetime.combine(day, time.min, NAIROBI).astimezone(UTC)
    return {"day": day, "begin": begin, "end": begin + timedelta(days=1)}
