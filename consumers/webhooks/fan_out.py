"""What becomes of a public event: a delivery for each endpoint that asked for its type."""

from __future__ import annotations

import time
from collections.abc import Sequence

from psycopg import Connection
from psycopg.rows import TupleRow

from consumers.public_events.handling import Done, Item, Outcome, Reject, RetryLater
from consumers.webhooks.deliveries import ITEM_BYTES_MAX, item_bytes, write_for_all

PATIENCE_SECONDS = 1.0  # the list of endpoints is, as a rule, some milliseconds behind
_LOOK_SECONDS = 0.025

_KNOWN = "SELECT position FROM read_webhook_endpoints.position"


class WebhookFanOut:
    """Writes due deliveries. Sends nothing."""

    name = "webhooks"

    def __init__(self, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._patience_seconds = patience_seconds

    def handle(self, connection: Connection[TupleRow], items: Sequence[Item]) -> Sequence[Outcome]:
        """An item waits until the endpoints are known that were there when it happened."""
        known = self._known(connection, max(item["position"] for item in items))
        outcomes = [_outcome(item, known) for item in items]
        done = [
            item for item, outcome in zip(items, outcomes, strict=True) if isinstance(outcome, Done)
        ]
        if done:
            write_for_all(connection, done)
        return outcomes

    def _known(self, connection: Connection[TupleRow], wanted: int) -> int:
        """Up to where the log is known of endpoints, after a little patience."""
        deadline = time.monotonic() + self._patience_seconds
        while True:
            row = connection.execute(_KNOWN).fetchone()
            known: int = row[0] if row else 0
            if known >= wanted or time.monotonic() > deadline:
                return known
            time.sleep(_LOOK_SECONDS)


def _outcome(item: Item, known: int) -> Outcome:
    if item["position"] > known:
        return RetryLater("the list of webhook endpoints is behind")
    if len(item_bytes(item)) > ITEM_BYTES_MAX:
        return Reject(f"it is larger than the {ITEM_BYTES_MAX} bytes that a webhook may carry")
    return Done()
