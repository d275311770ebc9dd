"""The list of pushes that need something from us, claimed row by row under a lease."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg_pool import ConnectionPool

LEASE_SECONDS = 120.0  # longer than any call to Safaricom may take

_CLAIM = """
UPDATE read_mpesa_due.pushes
SET lease_until = now() + make_interval(secs => %(lease)s), attempts = attempts + 1
WHERE push_id IN (
    SELECT push_id FROM read_mpesa_due.pushes
    WHERE action = %(action)s
      AND coalesce(next_at, since + make_interval(secs => %(wait)s)) <= now()
      AND (lease_until IS NULL OR lease_until < now())
    ORDER BY since LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
RETURNING push_id, since, attempts
"""
_POSTPONE = """
UPDATE read_mpesa_due.pushes
SET lease_until = NULL, next_at = now() + make_interval(secs => %s)
WHERE push_id = %s AND action = %s
"""


@dataclass(frozen=True)
class DuePush:
    """A push and how often this step has been tried, this time included."""

    push_id: UUID
    since: datetime
    attempts: int


class DuePushes:
    """The rows of `read_mpesa_due`. They only point at work; the push's own stream decides."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    def claim(self, action: str, *, wait_seconds: float, limit: int) -> list[DuePush]:
        """Claim those whose time has come."""
        parameters = {
            "action": action,
            "wait": wait_seconds,
            "lease": LEASE_SECONDS,
            "limit": limit,
        }
        with self._pool.connection() as connection:
            rows = connection.execute(_CLAIM, parameters, prepare=True).fetchall()
        return [DuePush(*row) for row in rows]

    def postpone(self, push_id: UUID, action: str, *, seconds: float) -> None:
        """Give the row back, to be taken up again later."""
        with self._pool.connection() as connection:
            connection.execute(_POSTPONE, (seconds, push_id, action))
