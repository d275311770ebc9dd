"""Forgetting what was delivered long ago, and what nobody wants any more."""

from __future__ import annotations

from psycopg_pool import ConnectionPool

from infra.postgres.pool import borrowed, delete_in_slices

# Its row is held, so that nothing is recorded of it meanwhile.
_CANCEL = """
WITH gone AS (
    SELECT s.endpoint_id FROM webhooks.endpoint_states s
    JOIN read_webhook_endpoints.endpoints e USING (endpoint_id)
    WHERE e.state = 'deleted'
      AND EXISTS (SELECT FROM webhooks.deliveries d
                  WHERE d.endpoint_id = s.endpoint_id AND d.state = 'due')
    ORDER BY s.endpoint_id FOR UPDATE OF s
)
UPDATE webhooks.deliveries d SET state = 'cancelled', finished_at = now()
FROM gone g WHERE d.endpoint_id = g.endpoint_id AND d.state = 'due'
"""
_FORGET_DELIVERIES = """
WITH age AS (
    SELECT now() - make_interval(days => %s) AS ago
), old AS (
    SELECT delivery_id FROM webhooks.deliveries
    WHERE created_at < (SELECT ago FROM age) AND finished_at < (SELECT ago FROM age)
    LIMIT %s
), attempts AS (
    DELETE FROM webhooks.attempts a USING old WHERE a.delivery_id = old.delivery_id
)
DELETE FROM webhooks.deliveries d USING old WHERE d.delivery_id = old.delivery_id
"""
_FORGET_ITEMS = """
DELETE FROM webhooks.items i WHERE i.item_id IN (
    SELECT o.item_id FROM webhooks.items o
    WHERE o.kept_at < now() - make_interval(days => %s) AND NOT EXISTS (
        SELECT FROM webhooks.endpoint_states s
        JOIN webhooks.deliveries d
            ON d.delivery_id = webhooks.delivery_id(s.endpoint_id, o.item_id))
    LIMIT %s
)
"""


def cancel_for_deleted(pool: ConnectionPool) -> int:
    """Cancel what is due to endpoints that are deleted. Answers how many."""
    with borrowed(pool) as connection:
        return connection.execute(_CANCEL).rowcount


def forget_deliveries(pool: ConnectionPool, *, days: int) -> int:
    """Remove deliveries that were finished so many days ago, with their attempts and items.

    Answers how many deliveries went. What is due is never forgotten.
    """
    forgotten = delete_in_slices(pool, _FORGET_DELIVERIES, days=days)
    delete_in_slices(pool, _FORGET_ITEMS, days=days)
    return forgotten
