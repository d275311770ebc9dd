"""What an endpoint's owner asks of its deliveries: what was told, tried, and is still missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import LiteralString
from uuid import UUID

from psycopg_pool import ConnectionPool

from infra.postgres.pool import borrowed

MISSING_MAX = 1_000

_ITEM: LiteralString = """
    'id', d.delivery_id, 'sequence', d.sequence, 'event', d.type, 'event_id', d.item_id,
    'subject', d.subject, 'position', d.position, 'state', d.state, 'attempts', d.attempts,
    'created_at', d.created_at,
    'next_attempt_at', CASE WHEN d.state = 'due' THEN d.next_at END,
    'delivered_at', d.delivered_at, 'finished_at', d.finished_at
"""
_PAGE: LiteralString = f"""
SELECT coalesce(json_agg(json_build_object({_ITEM}) ORDER BY d.sequence DESC)
                FILTER (WHERE d.nth <= %(per_page)s), '[]')::text,
       count(*) > %(per_page)s,
       min(d.sequence) FILTER (WHERE d.nth <= %(per_page)s)
FROM (SELECT *, row_number() OVER (ORDER BY sequence DESC) AS nth
      FROM (SELECT * FROM webhooks.deliveries
            WHERE endpoint_id = %(endpoint)s AND sequence IS NOT NULL
              AND sequence < %(before)s
              AND (%(state)s::text IS NULL OR state = %(state)s)
              AND (%(type)s::text IS NULL OR type = %(type)s)
            ORDER BY sequence DESC LIMIT %(per_page)s + 1) AS found) AS d
"""
_ONE: LiteralString = f"""
SELECT json_build_object({_ITEM}, 'tries', (
    SELECT coalesce(json_agg(json_build_object(
               'number', a.number, 'started_at', a.started_at, 'latency_ms', a.latency_ms,
               'status', a.status, 'outcome', a.outcome, 'excerpt', a.excerpt)
           ORDER BY a.number), '[]')
    FROM webhooks.attempts a WHERE a.delivery_id = d.delivery_id))::text
FROM webhooks.deliveries d WHERE d.delivery_id = %(delivery)s AND d.endpoint_id = %(endpoint)s
"""
# Each state by an index of its own; all but those that were delivered are few.
_MISSING: LiteralString = """
WITH missing AS (
    SELECT delivery_id, sequence, type, subject, state FROM webhooks.deliveries
    WHERE endpoint_id = %(endpoint)s AND state = 'due' AND sequence > %(after)s
    UNION ALL
    SELECT delivery_id, sequence, type, subject, state FROM webhooks.deliveries
    WHERE endpoint_id = %(endpoint)s AND state = 'exhausted' AND sequence > %(after)s
    UNION ALL
    SELECT delivery_id, sequence, type, subject, state FROM webhooks.deliveries
    WHERE endpoint_id = %(endpoint)s AND state = 'cancelled' AND sequence > %(after)s
)
SELECT json_build_object(
    'last_sequence', coalesce((SELECT last_sequence FROM webhooks.endpoint_states
                               WHERE endpoint_id = %(endpoint)s), 0),
    'first_kept_sequence', (SELECT min(sequence) FROM webhooks.deliveries
                            WHERE endpoint_id = %(endpoint)s AND sequence IS NOT NULL),
    'missing', (SELECT count(*) FROM missing),
    'deliveries', (SELECT coalesce(json_agg(json_build_object(
                       'id', m.delivery_id, 'sequence', m.sequence, 'event', m.type,
                       'subject', m.subject, 'state', m.state) ORDER BY m.sequence), '[]')
                   FROM (SELECT * FROM missing ORDER BY sequence LIMIT %(limit)s) AS m))::text
"""
_DIGESTS: LiteralString = """
SELECT coalesce(json_agg(json_build_object(
           'day', g.day, 'deliveries', g.deliveries, 'delivered', g.delivered,
           'by_event', g.totals, 'ids_sha256', g.ids_sha256, 'made_at', g.made_at)
       ORDER BY g.day DESC), '[]')::text
FROM webhooks.digests g
WHERE g.endpoint_id = %(endpoint)s AND g.day BETWEEN %(first)s AND %(last)s
"""
_BELOW_ALL = 2**63 - 1


@dataclass(frozen=True)
class DeliveryPage:
    """Deliveries as a JSON array; `last` is the sequence to go on below while more follow."""

    json_text: str
    last: int | None


class DeliveryLog:
    """Looks things up; changes nothing."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    def page(
        self,
        endpoint_id: UUID,
        *,
        state: str | None,
        event: str | None,
        per_page: int,
        below: int | None = None,
    ) -> DeliveryPage:
        """Numbered deliveries of an endpoint, the newest first."""
        asked = {
            "endpoint": endpoint_id,
            "state": state,
            "type": event,
            "per_page": per_page,
            "before": _BELOW_ALL if below is None else below,
        }
        with borrowed(self._pool) as connection:
            row = connection.execute(_PAGE, asked).fetchone()
        assert row is not None, "an aggregate answers one row"
        return DeliveryPage(row[0], row[2] if row[1] else None)

    def one(self, endpoint_id: UUID, delivery_id: UUID) -> str | None:
        """A delivery of this endpoint with its attempts, as JSON; None where it has no such one."""
        return self._text(_ONE, {"endpoint": endpoint_id, "delivery": delivery_id})

    def missing(self, endpoint_id: UUID, *, after: int) -> str:
        """What the endpoint has not taken beyond a sequence, oldest first, as JSON."""
        named = {"endpoint": endpoint_id, "after": after, "limit": MISSING_MAX}
        return self._text(_MISSING, named) or ""

    def digests(self, endpoint_id: UUID, *, first: date, last: date) -> str:
        """The digests of some days, newest first, as a JSON array."""
        return self._text(_DIGESTS, {"endpoint": endpoint_id, "first": first, "last": last}) or ""

    def _text(self, statement: LiteralString, named: Mapping[str, object]) -> str | None:
        with borrowed(self._pool) as connection:
            row: Sequence[str] | None = connection.execute(statement, named).fetchone()
        return row[0] if row else None
