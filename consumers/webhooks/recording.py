"""What came of attempts: a row for each, the delivery moved on, the next of its subject let go.

Many are written at once, by the database's own function `webhooks.record_attempts`. It also judges
the endpoints: any success clears one; too many failures break the circuit for a while; days of
nothing else make it a case for being disabled.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from psycopg_pool import ConnectionPool

from infra.postgres.pool import borrowed

BREAKER_WINDOW_SECONDS = 300
BREAKER_TRIES_MIN = 10
BREAKER_FAILURES_PERCENT = 70
BREAKER_SECONDS_MIN = 30  # and twice as long each time the one that tries fails too
BREAKER_SECONDS_MAX = 300
FAILING_DAYS_MAX = 5  # of nothing but failures

_RECORD = """
SELECT exhausted, failing FROM webhooks.record_attempts(
    %s::uuid[], %s::uuid[], %s::timestamptz[], %s::int[], %s::smallint[], %s::text[], %s::text[],
    %s::bool[], %s::float8[], %s, %s, %s, %s, %s, %s)
"""
_LIMITS = (
    *(BREAKER_WINDOW_SECONDS, BREAKER_TRIES_MIN, BREAKER_FAILURES_PERCENT),
    *(BREAKER_SECONDS_MIN, BREAKER_SECONDS_MAX, FAILING_DAYS_MAX),
)


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
    columns = [list(column) for column in zip(*attempts, strict=True)]
    with borrowed(pool) as connection:
        row = connection.execute(_RECORD, (*columns, *_LIMITS), prepare=True).fetchone()
    assert row is not None, "a function answers"
    return Verdict(*row)
