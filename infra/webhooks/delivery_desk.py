"""What people may ask of deliveries: send one again, send what failed, write what is missing.

Each works in the caller's transaction and holds the endpoint's row, so nothing is numbered, ordered
or finished at that endpoint meanwhile. What is asked for goes in the order of its subject, as all
that is due does: it waits for older deliveries, and younger ones wait for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from psycopg import Connection
from psycopg.rows import TupleRow

from domain.webhooks.errors import DeliveryNotFound, WebhookNotFound

RECOVERED_AT_ONCE_MAX = 10_000

_HOLD = "SELECT FROM webhooks.endpoint_states WHERE endpoint_id = %s FOR UPDATE"
_ENDPOINT_OF = "SELECT endpoint_id FROM webhooks.deliveries WHERE delivery_id = %s"
_SEND_AGAIN = """
UPDATE webhooks.deliveries
SET next_at = now(), finished_at = NULL, state = 'due', is_next = state = 'due' AND is_next,
    tries_once = state <> 'due'
WHERE delivery_id = %s RETURNING subject
"""
_RECOVER = """
WITH failed AS (
    SELECT delivery_id FROM webhooks.deliveries
    WHERE endpoint_id = %(endpoint)s AND state = 'exhausted' AND sequence IS NOT NULL
      AND finished_at >= %(since)s
    ORDER BY sequence LIMIT %(limit)s
)
UPDATE webhooks.deliveries d
SET state = 'due', is_next = false, next_at = now(), finished_at = NULL, tries_once = false,
    attempts_before = d.attempts
FROM failed f WHERE d.delivery_id = f.delivery_id RETURNING d.subject
"""
_STEP_BACK = """
UPDATE webhooks.deliveries d SET is_next = false
WHERE d.endpoint_id = %(endpoint)s AND d.subject = ANY(%(subjects)s)
  AND d.state = 'due' AND d.is_next
  AND EXISTS (SELECT FROM webhooks.deliveries o
              WHERE o.endpoint_id = d.endpoint_id AND o.subject = d.subject
                AND o.state = 'due' AND o.sequence < d.sequence)
"""
_STEP_FORWARD = """
UPDATE webhooks.deliveries d SET is_next = true
FROM unnest(%(subjects)s::text[]) AS s (subject)
CROSS JOIN LATERAL (
    SELECT o.delivery_id FROM webhooks.deliveries o
    WHERE o.endpoint_id = %(endpoint)s AND o.subject = s.subject AND o.state = 'due'
    ORDER BY o.sequence LIMIT 1
) AS oldest
WHERE d.delivery_id = oldest.delivery_id AND NOT d.is_next
"""
# One that has no row yet begins where it would have, if that is earlier.
_READ_AGAIN = """
INSERT INTO webhooks.endpoint_states AS s (endpoint_id, reads_log_after)
SELECT endpoint_id, least(%(since)s, begins_after)
FROM read_webhook_endpoints.endpoints WHERE endpoint_id = %(endpoint)s
ON CONFLICT (endpoint_id) DO UPDATE
SET reads_log_after = least(s.reads_log_after, excluded.reads_log_after)
"""
_KEEP_ITEM = """
INSERT INTO webhooks.items (item_id, type, subject, position, occurred_at, item)
VALUES (%(id)s, %(type)s, %(subject)s, %(position)s, %(occurred_at)s, %(item)s)
ON CONFLICT (item_id) DO NOTHING
"""
_ADD_TEST = """
INSERT INTO webhooks.deliveries
    (delivery_id, endpoint_id, item_id, type, subject, position, is_next, tries_once)
VALUES (webhooks.delivery_id(%(endpoint)s, %(id)s), %(endpoint)s, %(id)s, %(type)s, %(id)s,
        %(position)s, true, true)
RETURNING delivery_id
"""


def resend(connection: Connection[TupleRow], delivery_id: UUID) -> None:
    """Send one again, now and once, under the same id; one that is still due goes without delay.

    One that was delivered before stays delivered, whatever comes of it.

    Raises:
        DeliveryNotFound: there is none.
    """
    row = connection.execute(_ENDPOINT_OF, (delivery_id,)).fetchone()
    if row is None:
        raise DeliveryNotFound
    connection.execute(_HOLD, row)
    told = connection.execute(_SEND_AGAIN, (delivery_id,)).fetchone()
    if told is None:
        raise DeliveryNotFound
    _put_in_order(connection, row[0], [told[0]])


def recover(connection: Connection[TupleRow], endpoint_id: UUID, since: datetime) -> int:
    """Begin anew with what has been given up since then. Answers how many; at most 10,000 at once.

    What is left is recovered by asking again.
    """
    connection.execute(_HOLD, (endpoint_id,))
    named = {"endpoint": endpoint_id, "since": since, "limit": RECOVERED_AT_ONCE_MAX}
    subjects = [row[0] for row in connection.execute(_RECOVER, named).fetchall()]
    _put_in_order(connection, endpoint_id, sorted(set(subjects)))
    return len(subjects)


def replay_missing(
    connection: Connection[TupleRow], endpoint_id: UUID, since_position: int
) -> None:
    """Have the log read again after a position, and a delivery written for all that has none.

    `consume webhooks` reads; what comes meanwhile is written after it, in order.

    Raises:
        WebhookNotFound: the list of endpoints does not have it yet.
    """
    named = {"endpoint": endpoint_id, "since": since_position}
    if not connection.execute(_READ_AGAIN, named).rowcount:
        raise WebhookNotFound


def send_test(connection: Connection[TupleRow], endpoint_id: UUID, item: Mapping[str, Any]) -> UUID:
    """Send an example, once, beside the sequence. Answers its delivery's id.

    The item's id is to be of this test alone, and like no position.
    """
    values = {**item, "item": orjson.dumps(item).decode(), "endpoint": endpoint_id}
    connection.execute(_KEEP_ITEM, values)
    row = connection.execute(_ADD_TEST, values).fetchone()
    assert row is not None, "what is inserted is returned"
    delivery_id: UUID = row[0]
    return delivery_id


def _put_in_order(connection: Connection[TupleRow], endpoint_id: UUID, subjects: list[str]) -> None:
    """Of each subject the oldest that is due is the next to go."""
    named = {"endpoint": endpoint_id, "subjects": subjects}
    connection.execute(_STEP_BACK, named)
    connection.execute(_STEP_FORWARD, named)
