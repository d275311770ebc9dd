"""Endpoints that we stopped sending to, as others are told of it: never the address."""

from __future__ import annotations

from domain.api_keys.api_key import Permission
from domain.webhooks.endpoint import DisableReason
from infra.event_store.reader import RecordedEvent
from projections.public_events.public_type import (
    ID,
    MOMENT,
    Opening,
    PublicType,
    Row,
    Translation,
    one_of,
)

DISABLED = PublicType(
    "webhook.disabled",
    "We stopped sending to a webhook: it answered 410 (`gone`), or failed for days (`failing`).",
    Permission.MANAGE_WEBHOOKS,
    ("id",),
    {"id": ID, "reason": one_of(*map(str, DisableReason)), "disabled_at": MOMENT},
)


def _disabled(event: RecordedEvent, _: Opening) -> Translation:
    told = {name: event.data[name] for name in ("reason", "disabled_at")}
    yield DISABLED, {"id": event.stream_id, **told}


ROWS = {"webhook-endpoint.disabled": Row((DISABLED,), _disabled)}
