"""What a short code can pay out: the float last told, less all that may be leaving it.

It is no ledger of ours. Safaricom refuses what its account does not hold; looking first spares
members a failed payout and a person the work of asking for it again.
"""

from __future__ import annotations

from uuid import UUID

from psycopg_pool import ConnectionPool

from projections.payouts import UNDER_WAY

# What others are sending at this very moment is not in the read model yet: their claims tell.
_FREE = """
SELECT ((l.utility
    - coalesce((SELECT sum(p.amount) FROM read_payouts.payouts p
                WHERE p.short_code = l.short_code AND p.reverses IS NULL
                  AND p.status = ANY(%(under_way)s)), 0)
    - coalesce((SELECT sum(p.amount)
                FROM mpesa.request_claims c
                JOIN read_payouts.payouts p ON p.payout_id = c.request_id
                WHERE c.action = 'send' AND c.lease_until > now()
                  AND c.request_id <> %(payout_id)s AND p.short_code = l.short_code
                  AND p.reverses IS NULL AND p.status IN ('requested', 'held')), 0)) * 100)::bigint
FROM read_payouts.lanes l
WHERE l.short_code = %(short_code)s AND l.utility IS NOT NULL
  AND l.told_at > now() - make_interval(secs => %(fresh)s)
"""
_MAY_ASK = """
INSERT INTO mpesa.balance_questions AS q (short_code, asked_at) VALUES (%(short_code)s, now())
ON CONFLICT (short_code) DO UPDATE SET asked_at = excluded.asked_at
WHERE q.asked_at < now() - make_interval(secs => %(every)s)
RETURNING true
"""


class PayoutFloat:
    """The float of each short code, as far as it is known."""

    def __init__(self, pool: ConnectionPool, *, fresh_seconds: float) -> None:
        self._pool = pool
        self._fresh_seconds = fresh_seconds

    def free_cents(self, short_code: str, *, payout_id: UUID) -> int | None:
        """What this payout may use of it; None where it was not told of late."""
        parameters = {
            "short_code": short_code,
            "payout_id": payout_id,
            "fresh": self._fresh_seconds,
            "under_way": list(UNDER_WAY),
        }
        with self._pool.connection() as connection:
            row = connection.execute(_FREE, parameters).fetchone()
        return None if row is None else int(row[0])

    def may_ask(self, short_code: str, *, every_seconds: float) -> bool:
        """Whether nobody has asked for the balance of late; whoever hears yes asks."""
        parameters = {"short_code": short_code, "every": every_seconds}
        with self._pool.connection() as connection:
            return connection.execute(_MAY_ASK, parameters).fetchone() is not None
