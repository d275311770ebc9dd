"""The list of pushes that need something from us, claimed row by row under a lease."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg_pool import ConnectionPool

# How long a step rests whose process was killed. It may be shorter than a call to Safaricom: the
# push's own stream lets each push be sent by one, and a question asked twice does no harm.
LEASE_SECONDS = 15.0

# A claim holds for one step of one push: (action, since). Two workers that pick the same row meet
# in ON CONFLICT, where the second sees the first one's lease and gets nothing.
_CLAIM = """
WITH due AS (
    SELECT p.push_id, p.action, p.since
    FROM read_mpesa_due.pushes p LEFT JOIN mpesa.push_claims c USING (push_id, action, since)
    WHERE p.action = %(action)s
      AND coalesce(c.next_at, p.since + make_interval(secs => %(wait)s)) <= now()
      AND (c.lease_until IS NULL OR c.lease_until < now())
    ORDER BY p.since LIMIT %(limit)s FOR UPDATE OF p SKIP LOCKED
)
INSERT INTO mpesa.push_claims AS c (push_id, action, since, attempts, lease_until)
SELECT push_id, action, since, 1, now() + make_interval(secs => %(lease)s) FROM due
ON CONFLICT (push_id) DO UPDATE
SET action = excluded.action, since = excluded.since, lease_until = excluded.lease_until,
    next_at = NULL,
    attempts = CASE WHEN (c.action, c.since) = (excluded.action, excluded.since)
                    THEN c.attempts + 1 ELSE 1 END
WHERE c.lease_until IS NULL OR c.lease_until < now()
   OR (c.action, c.since) <> (excluded.action, excluded.since)
RETURNING push_id, since, attempts
"""
_POSTPONE = """
UPDATE mpesa.push_claims
SET lease_until = NULL, next_at = now() + make_interval(secs => %s)
WHERE push_id = %s AND action = %s
"""
_FORGET = """
DELETE FROM mpesa.push_claims c
WHERE NOT EXISTS (SELECT FROM read_mpesa_due.pushes p WHERE p.push_id = c.push_id)
  AND coalesce(c.lease_until, c.next_at) < now() - interval '1 day'
"""


@dataclass(frozen=True)
class DuePush:
    """A push and how often this step has been tried, this time included."""

    push_id: UUID
    since: datetime
    attempts: int


class DuePushes:
    """The rows of `read_mpesa_due`, and who has taken them up. The push's own stream decides."""

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

    def forget_old_claims(self) -> int:
        """Remove claims on pushes that need nothing more. Answers how many."""
        with self._pool.connection() as connection:
            return connection.execute(_FORGET).rowcount
