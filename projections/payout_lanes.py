"""The lanes that payouts leave by, and what waits for a person; of the read model of payouts."""

from __future__ import annotations

from typing import LiteralString

from psycopg_pool import ConnectionPool

from infra.postgres.pool import borrowed
from projections.payouts import PAYOUT_ITEM, UNDER_WAY

_LANE_ITEM = """
        'short_code', l.short_code, 'is_stopped', l.stopped_because IS NOT NULL,
        'stopped_because', l.stopped_because, 'stopped_at', l.stopped_at,
        'float', l.utility::text, 'float_told_at', l.told_at,
        'under_way', (SELECT coalesce(sum(p.amount), 0.00)::text FROM read_payouts.payouts p
                      WHERE p.short_code = l.short_code AND p.reverses IS NULL
                        AND p.status = ANY(%(under_way)s))
"""
_LANES = f"""
SELECT coalesce(json_agg(json_build_object({_LANE_ITEM}) ORDER BY l.short_code), '[]')::text
FROM read_payouts.lanes l
"""
_WAITING = f"""
SELECT json_build_object(
    'payouts', (SELECT coalesce(
                    json_agg(json_build_object({PAYOUT_ITEM}) ORDER BY t.position), '[]')
                FROM read_payouts.payouts t WHERE t.status = 'review'),
    'loans', (SELECT coalesce(json_agg(json_build_object(
                  'loan_id', u.loan_id, 'member_id', u.member_id, 'payout_id', u.payout_id,
                  'unpaid', u.unpaid::text, 'reason', u.reason, 'since', u.since)
                  ORDER BY u.since, u.loan_id), '[]') FROM read_payouts.unpaid_loans u),
    'lanes', (SELECT coalesce(json_agg(json_build_object({_LANE_ITEM}) ORDER BY l.short_code), '[]')
              FROM read_payouts.lanes l WHERE l.stopped_because IS NOT NULL))::text
"""


def lanes_json(pool: ConnectionPool) -> str:
    """Every lane, as a JSON array."""
    return _text(pool, _LANES)


def waiting_json(pool: ConnectionPool) -> str:
    """All that waits for a person: payouts under review, loans to be paid out, stopped lanes."""
    return _text(pool, _WAITING)


def _text(pool: ConnectionPool, statement: LiteralString) -> str:
    with borrowed(pool) as connection:
        row = connection.execute(statement, {"under_way": list(UNDER_WAY)}).fetchone()
    assert row is not None, "an aggregate answers one row"
    return str(row[0])
