"""The list of requests that need something from us, claimed row by row under a lease.

Pushes and payouts alike: a request is known by its stream, and has one row at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg_pool import ConnectionPool

# How long a step rests whose process was killed. It may be shorter than a call to Safaricom: the
# request's own stream lets each be sent by one, and a question asked twice does no harm.
LEASE_SECONDS = 15.0

# A claim holds for one step of one request: (action, since). Two workers that pick the same row
# meet in ON CONFLICT, where the second sees the first one's lease and gets nothing.
_CLAIM = """
WITH due AS (
    SELECT r.request_id, r.action, r.since
    FROM read_mpesa_due.requests r
    LEFT JOIN mpesa.request_claims c USING (request_id, action, since)
    WHERE r.kind = %(kind)s AND r.action = %(action)s
      AND coalesce(c.next_at, r.since + make_interval(secs => %(wait)s)) <= now()
      AND (c.lease_until IS NULL OR c.lease_until < now())
    ORDER BY r.since LIMIT %(limit)s FOR UPDATE OF r SKIP LOCKED
)
INSERT INTO mpesa.request_claims AS c (request_id, action, since, attempts, lease_until)
SELECT request_id, action, since, 1, now() + make_interval(secs => %(lease)s) FROM due
ON CONFLICT (request_id) DO UPDATE
SET action = excluded.action, since = excluded.since, lease_until = excluded.lease_until,
    next_at = NULL,
    attempts = CASE WHEN (c.action, c.since) = (excluded.action, excluded.since)
                    THEN c.attempts + 1 ELSE 1 END
WHERE c.lease_until IS NULL OR c.lease_until < now()
   OR (c.action, c.since) <> (excluded.action, excluded.since)
RETURNING request_id, since, attempts
"""
_POSTPONE = """
UPDATE mpesa.request_claims
SET lease_until = NULL, next_at = now() + make_interval(secs => %s)
WHERE request_id = %s AND action = %s
"""
_FORGET = """
DELETE FROM mpesa.request_claims c
WHERE NOT EXISTS (SELECT FROM read_mpesa_due.requests r WHERE r.request_id = c.request_id)
  AND coalesce(c.lease_until, c.next_at) < now() - interval '1 day'
"""


@dataclass(frozen=True)
class DueRequest:
    """A request and how often this step has been tried, this time included."""

    request_id: UUID
    since: datetime
    attempts: int


class DueRequests:
    """The rows of `read_mpesa_due` of one kind, and who has taken them up. The streams decide."""

    def __init__(self, pool: ConnectionPool, kind: str) -> None:
        self._pool = pool
        self._kind = kind

    def claim(self, action: str, *, wait_seconds: float, limit: int) -> list[DueRequest]:
        """Claim those whose time has come."""
        parameters = {
            "kind": self._kind,
            "action": action,
            "wait": wait_seconds,
            "lease": LEASE_SECONDS,
            "limit": limit,
        }
        with self._pool.connection() as connection:
            rows = connection.execute(_CLAIM, parameters, prepare=True).fetchall()
        return [DueRequest(*row) for row in rows]

    def postpone(self, request_id: UUID, action: str, *, seconds: float) -> None:
        """Give the row back, to be taken up again later."""
        with self._pool.connection() as connection:
            connection.execute(_POSTPONE, (seconds, request_id, action))


def forget_old_claims(pool: ConnectionPool) -> int:
    """Remove claims on requests that need nothing more. Answers how many."""
    with pool.connection() as connection:
        return connection.execute(_FORGET).rowcount
