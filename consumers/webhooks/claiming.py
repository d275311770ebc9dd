"""Taking up deliveries: fairly among endpoints, in order within a subject, under a lease.

An endpoint gives no more than its room, and everybody's first goes before anybody's second. The
lease is longer than sending can take, so what a killed process had taken up comes free again.
Where only so many may go by in a time (a rate limit, an open breaker) the endpoint's row is held,
and whoever cannot have it at once takes nothing from that endpoint this time.

Neither a claim nor what came of it waits for the disk: should the database die just then, what is
forgotten is sent again under the same id. Numbering, which must not be forgotten, does wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from psycopg_pool import ConnectionPool

from infra.postgres.pool import borrowed
from infra.webhooks.courier import POST_SECONDS_MAX

LEASE_SECONDS = POST_SECONDS_MAX + 15.0
PACE_SECONDS = 0.1  # of a rate, this much goes at once

_CLAIM = """
WITH open_to AS (
    SELECT e.endpoint_id, e.rate_limit_per_second AS rate, coalesce(k.room, %(room)s) AS room
    FROM read_webhook_endpoints.endpoints e
    LEFT JOIN unnest(%(known)s::uuid[], %(rooms)s::int[]) AS k (endpoint_id, room)
        USING (endpoint_id)
    WHERE e.state = 'active' AND coalesce(k.room, %(room)s) > 0
), held AS (
    SELECT s.endpoint_id,
           CASE WHEN s.broken_until IS NOT NULL THEN 1
                ELSE greatest(ceil(o.rate * %(pace)s)::int, 1) END AS most
    FROM webhooks.endpoint_states s JOIN open_to o USING (endpoint_id)
    WHERE (s.broken_until IS NOT NULL OR o.rate IS NOT NULL)
      AND coalesce(s.broken_until <= now(), true) AND coalesce(s.paced_until <= now(), true)
    FOR UPDATE OF s SKIP LOCKED
), ready AS (
    SELECT o.endpoint_id, o.room
    FROM open_to o JOIN webhooks.endpoint_states s USING (endpoint_id)
    WHERE s.broken_until IS NULL AND o.rate IS NULL
    UNION ALL
    SELECT h.endpoint_id, least(h.most, o.room) FROM held h JOIN open_to o USING (endpoint_id)
), candidates AS (
    SELECT d.delivery_id, d.next_at,
           row_number() OVER (PARTITION BY r.endpoint_id ORDER BY d.next_at) AS nth
    FROM ready r CROSS JOIN LATERAL (
        SELECT delivery_id, next_at FROM webhooks.deliveries
        WHERE endpoint_id = r.endpoint_id AND state = 'due' AND is_next AND next_at <= now()
          AND (leased_until IS NULL OR leased_until < now())
        ORDER BY next_at LIMIT r.room
    ) AS d
), chosen AS MATERIALIZED (
    SELECT d.delivery_id
    FROM (SELECT * FROM candidates ORDER BY nth, next_at LIMIT 2 * %(limit)s) AS c
    JOIN webhooks.deliveries d USING (delivery_id)
    WHERE d.state = 'due' AND d.is_next AND (d.leased_until IS NULL OR d.leased_until < now())
    ORDER BY c.nth, c.next_at LIMIT %(limit)s
    FOR UPDATE OF d SKIP LOCKED
), claimed AS (
    UPDATE webhooks.deliveries d
    SET leased_until = clock_timestamp() + make_interval(secs => %(lease)s)
    FROM chosen c WHERE d.delivery_id = c.delivery_id
    RETURNING d.delivery_id, d.endpoint_id, d.sequence, d.item_id, d.type,
              d.attempts - d.attempts_before AS tried, d.tries_once
), passed AS (
    UPDATE webhooks.endpoint_states s
    SET broken_until = CASE WHEN s.broken_until IS NOT NULL
                            THEN now() + make_interval(secs => %(lease)s) END,
        paced_until = CASE WHEN o.rate IS NOT NULL
                           THEN greatest(s.paced_until, now() - make_interval(secs => %(pace)s))
                                + make_interval(secs => n.count / o.rate::float8) END
    FROM (SELECT endpoint_id, count(*) FROM claimed GROUP BY endpoint_id) AS n
    JOIN held USING (endpoint_id) JOIN open_to o USING (endpoint_id)
    WHERE s.endpoint_id = n.endpoint_id
)
SELECT c.delivery_id, c.endpoint_id, c.sequence, c.type, c.tried, c.tries_once, i.item::text,
       e.url, e.payload, e.masked_fields,
       ARRAY(SELECT k.secret_id FROM read_webhook_endpoints.secrets k
             WHERE k.endpoint_id = c.endpoint_id
               AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
             ORDER BY k.position DESC)
FROM claimed c
JOIN webhooks.items i USING (item_id)
JOIN read_webhook_endpoints.endpoints e ON e.endpoint_id = c.endpoint_id
"""
QUICKLY = "SET LOCAL synchronous_commit = off"
_RELEASE = """
UPDATE webhooks.deliveries SET leased_until = NULL WHERE delivery_id = %s AND state = 'due'
"""


class ClaimedDelivery(NamedTuple):
    """A delivery that is ours to send. `tried` counts the attempts of this round.

    `secret_ids` are of those that hold now, newest first.
    """

    delivery_id: UUID
    endpoint_id: UUID
    sequence: int | None
    type: str
    tried: int
    tries_once: bool
    item: str
    url: str
    payload: str
    masked_fields: list[str]
    secret_ids: list[UUID]


@dataclass(frozen=True)
class Rooms:
    """How many more each endpoint may have under way here; `otherwise` for those not named."""

    by_endpoint: Mapping[UUID, int]
    otherwise: int


class DueDeliveries:
    """The deliveries that are due, for all processes."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    def claim(self, limit: int, rooms: Rooms) -> list[ClaimedDelivery]:
        """Claim those whose time has come, at most so many."""
        values = {
            "limit": limit,
            "known": list(rooms.by_endpoint),
            "rooms": list(rooms.by_endpoint.values()),
            "room": rooms.otherwise,
            "lease": LEASE_SECONDS,
            "pace": PACE_SECONDS,
        }
        with self._pool.connection() as connection:
            with connection.pipeline(), connection.transaction():
                connection.execute(QUICKLY)
                claimed = connection.execute(_CLAIM, values, prepare=True)
            return [ClaimedDelivery(*row) for row in claimed.fetchall()]

    def release(self, delivery_id: UUID) -> None:
        """Give one back that was not tried."""
        with borrowed(self._pool) as connection:
            connection.execute(_RELEASE, (delivery_id,))
