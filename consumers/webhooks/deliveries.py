"""Writing deliveries: which endpoints an item is for, numbered without a hole, in order.

Whoever writes holds the endpoint's row in `webhooks.endpoint_states`. What was written before is
not written again, whoever writes it: a delivery's id is made of the endpoint's and the item's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from psycopg import Connection
from psycopg.rows import TupleRow

ITEMS_A_STATEMENT = 50  # with a hundred endpoints, some thousands of rows
ITEM_BYTES_MAX = 256_000

Item = Mapping[str, Any]

# Every endpoint begins with reading the log, from its creation or from where it chose to begin:
# whether anybody was following the feed by then does not matter.
_MAKE_STATES = """
INSERT INTO webhooks.endpoint_states (endpoint_id, reads_log_after)
SELECT endpoint_id, begins_after
FROM read_webhook_endpoints.endpoints AS e
WHERE state <> 'deleted'
  AND NOT EXISTS (SELECT FROM webhooks.endpoint_states s WHERE s.endpoint_id = e.endpoint_id)
ON CONFLICT (endpoint_id) DO NOTHING
"""
_HOLD_ALL_FOR = """
SELECT s.endpoint_id
FROM webhooks.endpoint_states s JOIN read_webhook_endpoints.endpoints e USING (endpoint_id)
WHERE e.types && %s::text[] AND e.state <> 'deleted'
ORDER BY s.endpoint_id FOR UPDATE OF s
"""
_TOLD = """
told AS (
    SELECT * FROM unnest(%(ids)s::text[], %(types)s::text[], %(subjects)s::text[],
                         %(positions)s::bigint[], %(moments)s::timestamptz[], %(items)s::text[])
    WITH ORDINALITY AS t (item_id, type, subject, position, occurred_at, item, nth)
)
"""
# Looked up row by row, by index: a join might read the whole table, while everybody waits.
_NUMBER_AND_INSERT = """
, missing AS (
    SELECT m.* FROM matching m
    WHERE (SELECT true FROM webhooks.deliveries d WHERE d.delivery_id = m.delivery_id) IS NULL
), kept AS (
    INSERT INTO webhooks.items (item_id, type, subject, position, occurred_at, item)
    SELECT item_id, type, subject, position, occurred_at, item::json FROM told
    WHERE item_id IN (SELECT item_id FROM missing)
    ON CONFLICT (item_id) DO NOTHING
), numbered AS MATERIALIZED (
    SELECT m.*, row_number() OVER (PARTITION BY endpoint_id ORDER BY nth) AS number,
           row_number() OVER (PARTITION BY endpoint_id, subject ORDER BY nth) = 1 AS is_first
    FROM missing m
), counted AS (
    UPDATE webhooks.endpoint_states s SET last_sequence = s.last_sequence + n.count
    FROM (SELECT endpoint_id, count(*) FROM missing GROUP BY endpoint_id) AS n
    WHERE s.endpoint_id = n.endpoint_id
    RETURNING s.endpoint_id, s.last_sequence - n.count AS before
)
INSERT INTO webhooks.deliveries
    (delivery_id, endpoint_id, sequence, item_id, type, subject, position, is_next)
SELECT n.delivery_id, n.endpoint_id, c.before + n.number, n.item_id, n.type, n.subject, n.position,
       n.is_first AND (
           SELECT true FROM webhooks.deliveries d
           WHERE d.endpoint_id = n.endpoint_id AND d.subject = n.subject AND d.state = 'due'
           LIMIT 1) IS NULL
FROM numbered n JOIN counted c USING (endpoint_id)
ORDER BY n.endpoint_id, n.number
"""
_INSERT_FOR_ALL = (
    f"WITH {_TOLD}"
    """, matching AS (
    SELECT e.endpoint_id, t.*, webhooks.delivery_id(e.endpoint_id, t.item_id) AS delivery_id
    FROM told t
    JOIN read_webhook_endpoints.endpoints e ON t.type = ANY(e.types)
    JOIN webhooks.endpoint_states s USING (endpoint_id)
    WHERE e.state IN ('active', 'paused') AND s.reads_log_after IS NULL
      AND t.position > e.begins_after
)""" + _NUMBER_AND_INSERT
)
# Who is disabled, or still reads the log, is told by way of the log: from before the first item
# that was left out here and is not written yet.
_LEAVE_TO_THE_LOG = (
    f"WITH {_TOLD}"
    """, left_out AS (
    SELECT e.endpoint_id, min(t.position) - 1 AS after
    FROM told t
    JOIN read_webhook_endpoints.endpoints e ON t.type = ANY(e.types)
    JOIN webhooks.endpoint_states s USING (endpoint_id)
    WHERE (e.state = 'disabled' OR s.reads_log_after IS NOT NULL) AND e.state <> 'deleted'
      AND t.position > e.begins_after
      AND t.position <= coalesce(s.reads_log_after, t.position)
      AND NOT EXISTS (
          SELECT FROM webhooks.deliveries d
          WHERE d.delivery_id = webhooks.delivery_id(e.endpoint_id, t.item_id))
    GROUP BY e.endpoint_id
)
UPDATE webhooks.endpoint_states s SET reads_log_after = l.after
FROM left_out l WHERE s.endpoint_id = l.endpoint_id
"""
)
_INSERT_FOR_ONE = (
    f"WITH {_TOLD}"
    """, matching AS (
    SELECT %(endpoint)s::uuid AS endpoint_id, t.*,
           webhooks.delivery_id(%(endpoint)s, t.item_id) AS delivery_id
    FROM told t
)""" + _NUMBER_AND_INSERT
)


def make_states(connection: Connection[TupleRow]) -> None:
    """Give each endpoint that is new its row to be held."""
    connection.execute(_MAKE_STATES)


def write_for_all(connection: Connection[TupleRow], items: Sequence[Item]) -> None:
    """Deliveries of items as the feed tells them, to every endpoint they are for.

    An endpoint that still reads the log, or is disabled, is told by the log later.
    """
    make_states(connection)
    types = sorted({item["type"] for item in items})
    if not connection.execute(_HOLD_ALL_FOR, (types,)).fetchall():
        return
    for told in _slices(items):
        connection.execute(_LEAVE_TO_THE_LOG, told)
        connection.execute(_INSERT_FOR_ALL, told)


def write_for_one(
    connection: Connection[TupleRow], endpoint_id: UUID, items: Sequence[Item]
) -> None:
    """Deliveries to one endpoint, whose row the caller holds."""
    for told in _slices(items):
        connection.execute(_INSERT_FOR_ONE, told | {"endpoint": endpoint_id})


def item_bytes(item: Item) -> bytes:
    """An item as it is kept and told: JSON, its fields in the order the feeds have them."""
    return orjson.dumps(item)


def _slices(items: Sequence[Item]) -> list[dict[str, Any]]:
    return [
        _columns(items[begin : begin + ITEMS_A_STATEMENT])
        for begin in range(0, len(items), ITEMS_A_STATEMENT)
    ]


def _columns(items: Sequence[Item]) -> dict[str, Any]:
    return {
        "ids": [item["id"] for item in items],
        "types": [item["type"] for item in items],
        "subjects": [item["subject"] for item in items],
        "positions": [item["position"] for item in items],
        "moments": [item["occurred_at"] for item in items],
        "items": [item_bytes(item).decode() for item in items],
    }
