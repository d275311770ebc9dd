"""The body of a delivery: the older system's four words, and the item as the feeds tell it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

import orjson

from domain.webhooks.endpoint import Payload


def body_of(
    item: str | bytes,
    *,
    endpoint_id: UUID,
    sequence: int | None,
    payload: str = Payload.FULL,
    masked_fields: Collection[str] = (),
) -> bytes:
    """The same bytes each time, as long as the endpoint's owner asks for the same.

    Thin, its data are the ids that it is about. What is masked is null. A test has no sequence.
    """
    told = orjson.loads(item)
    data = told["data"]
    if payload == Payload.THIN:
        data = {name: value for name, value in data.items() if _is_id(name)}
    if masked_fields:
        data = _masked(data, masked_fields)
    return orjson.dumps(
        {
            "event": told["type"],
            "data": data,
            "timestamp": told["occurred_at"],
            "webhook_id": str(endpoint_id),
            "id": told["id"],
            "type": told["type"],
            "version": told["version"],
            "subject": told["subject"],
            "position": told["position"],
            "sequence": sequence,
        }
    )


def _is_id(name: str) -> bool:
    return name == "id" or name.endswith("_id")


def _masked(data: Mapping[str, Any], masked_fields: Collection[str]) -> dict[str, Any]:
    return {name: None if name in masked_fields else value for name, value in data.items()}
