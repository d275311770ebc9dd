"""What came of attempts: a row for each, the delivery moved on, the next of its subject let go.

Many are written in one transaction, which holds the rows of their endpoints: nobody numbers or
orders deliveries there meanwhile. It also judges the endpoints: any success clears one; too many
failures break the circuit for a while; days of nothing else make it a case for being disabled.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from consumers.webhooks.claiming import QUICKLY

BREAKER_WINDOW_SECONDS = 300
BREAKER_TRIES_MIN = 10
BREAKER_FAILURES_PERCENT = 70
BREAKER_SECONDS_MIN = 30  # and twice as long each time the one that tries fails too
BREAKER_SECONDS_MAX = 300
FAILING_DAYS_MAX = 5  # of nothing but failures

_HOLD = """
SELECT FROM webhooks.endpoint_states WHERE endpoint_id = ANY(%s) ORDER BY endpoint_id FOR UPDATE
"""
# Whatever another process has recorded meanwhile (a lease may run out): delivered is delivered.
_RECORD = """
WITH told AS (
    SELECT * FROM unnest(%(delivery_id)s::uuid[], %(started_at)s::timestamptz[],
                         %(latency_ms)s::int[], %(status)s::smallint[], %(outcome)s::text[],
                         %(excerpt)s::text[], %(is_delivered)s::bool[], %(pause)s::float8[])
    AS t (delivery_id, started_at, latency_ms, status, outcome, excerpt, is_delivered, pause)
), judged AS (
    SELECT t.*, CASE WHEN t.is_delivered OR d.state = 'delivered' THEN 'delivered'
                     WHEN d.state <> 'due' OR t.pause IS NOT NULL THEN d.state
                     WHEN d.delivered_at IS NOT NULL THEN 'delivered'
                     ELSE 'exhausted' END AS state
    FROM told t JOIN webhooks.deliveries d USING (delivery_id)
), moved AS (
    UPDATE webhooks.deliveries d
    SET attempts = d.attempts + 1, leased_until = NULL, state = j.state,
        next_at = coalesce(now() + make_interval(secs => j.pause), d.next_at),
        delivered_at = CASE WHEN j.is_delivered THEN coalesce(d.delivered_at, now())
                            ELSE d.delivered_at END,
        finished_at = CASE WHEN j.state = 'due' THEN NULL
                           ELSE coalesce(d.finished_at, now()) END
    FROM judged j WHERE d.delivery_id = j.delivery_id
    RETURNING d.delivery_id, d.endpoint_id, d.subject, d.state, d.attempts
), noted AS (
    INSERT INTO webhooks.attempts
        (delivery_id, number, started_at, latency_ms, status, outcome, excerpt)
    SELECT t.delivery_id, m.attempts, t.started_at, t.latency_ms, t.status, t.outcome, t.excerpt
    FROM told t JOIN moved m USING (delivery_id)
)
SELECT delivery_id, endpoint_id, subject, state FROM moved WHERE state <> 'due'
"""
_LET_GO = """
UPDATE webhooks.deliveries d SET is_next = true
FROM unnest(%s::uuid[], %s::text[]) AS f (endpoint_id, subject)
CROSS JOIN LATERAL (
    SELECT o.delivery_id FROM webhooks.deliveries o
    WHERE o.endpoint_id = f.endpoint_id AND o.subject = f.subject AND o.state = 'due'
    ORDER BY o.sequence LIMIT 1
) AS oldest
WHERE d.delivery_id = oldest.delivery_id AND NOT d.is_next
"""
_JUDGE = """
WITH told AS (
    SELECT endpoint_id, count(*) AS tries, count(*) FILTER (WHERE NOT is_delivered) AS failures
    FROM unnest(%(endpoint_id)s::uuid[], %(is_delivered)s::bool[]) AS t (endpoint_id, is_delivered)
    GROUP BY endpoint_id
), counted AS (
    SELECT s.endpoint_id, t.failures = t.tries AS failed, s.broken_seconds,
           s.window_began_at > now() - make_interval(secs => %(window)s) IS TRUE AS goes_on,
           t.tries, t.failures, s.window_tries, s.window_failures
    FROM webhooks.endpoint_states s JOIN told t USING (endpoint_id)
    WHERE t.failures > 0 OR s.failing_since IS NOT NULL OR s.broken_until IS NOT NULL
), judged AS (
    SELECT c.endpoint_id, c.failed, c.goes_on, w.tries, w.failures,
           CASE WHEN c.failed AND (c.broken_seconds > 0 OR (
                         w.tries >= %(tries_min)s
                         AND w.failures * 100 >= w.tries * %(percent)s))
                THEN least(greatest(c.broken_seconds * 2, %(broken_min)s), %(broken_max)s)
                ELSE 0 END AS broken_seconds
    FROM counted c CROSS JOIN LATERAL (
        SELECT c.tries + CASE WHEN c.goes_on THEN c.window_tries ELSE 0 END AS tries,
               c.failures + CASE WHEN c.goes_on THEN c.window_failures ELSE 0 END AS failures
    ) AS w
)
UPDATE webhooks.endpoint_states s
SET failing_since = CASE WHEN j.failed THEN coalesce(s.failing_since, now()) END,
    last_failed_at = CASE WHEN j.failed THEN now() ELSE s.last_failed_at END,
    window_began_at = CASE WHEN j.goes_on THEN s.window_began_at ELSE now() END,
    window_tries = j.tries, window_failures = j.failures, broken_seconds = j.broken_seconds,
    broken_until = CASE WHEN j.broken_seconds > 0
                        THEN now() + make_interval(secs => j.broken_seconds) END
FROM judged j WHERE s.endpoint_id = j.endpoint_id
RETURNING s.endpoint_id, s.failing_since < now() - make_interval(days => %(failing_days)s) IS TRUE
"""


class Attempt(NamedTuple):
    """One attempt at a delivery. `pause_seconds` is until the next one; None: there is none."""

    delivery_id: UUID
    endpoint_id: UUID
    started_at: datetime
    latency_ms: int
    status: int | None
    outcome: str
    excerpt: str
    is_delivered: bool
    pause_seconds: float | None


class Verdict(NamedTuple):
    """What recording brought to light: deliveries that were given up, and endpoints that failed."""

    exhausted: list[UUID]
    failing_for_days: list[UUID]


def record(pool: ConnectionPool, attempts: Sequence[Attempt]) -> Verdict:
    """Write down attempts, each of another delivery."""
    columns: dict[str, Any] = dict(
        zip(
            ("delivery_id", "endpoint_id", "started_at", "latency_ms", "status", "outcome"),
            map(list, zip(*(attempt[:6] for attempt in attempts), strict=True)),
            strict=True,
        )
    )
    columns["excerpt"] = [attempt.excerpt for attempt in attempts]
    columns["is_delivered"] = [attempt.is_delivered for attempt in attempts]
    columns["pause"] = [attempt.pause_seconds for attempt in attempts]
    with pool.connection() as connection, connection.transaction():
        connection.execute(QUICKLY)
        connection.execute(_HOLD, (columns["endpoint_id"],), prepare=True)
        finished = connection.execute(_RECORD, columns, prepare=True).fetchall()
        if finished:
            _, endpoints, subjects, _ = zip(*finished, strict=True)
            connection.execute(_LET_GO, (list(endpoints), list(subjects)), prepare=True)
        failing = _judge(connection, columns)
    exhausted = [row[0] for row in finished if row[3] == "exhausted"]
    return Verdict(exhausted, failing)


def _judge(connection: Connection[TupleRow], columns: dict[str, Any]) -> list[UUID]:
    values = {
        "endpoint_id": columns["endpoint_id"],
        "is_delivered": columns["is_delivered"],
        "window": BREAKER_WINDOW_SECONDS,
        "tries_min": BREAKER_TRIES_MIN,
        "percent": BREAKER_FAILURES_PERCENT,
        "broken_min": BREAKER_SECONDS_MIN,
        "broken_max": BREAKER_SECONDS_MAX,
        "failing_days": FAILING_DAYS_MAX,
    }
    rows = connection.execute(_JUDGE, values, prepare=True).fetchall()
    return [endpoint_id for endpoint_id, is_too_long in rows if is_too_long]
