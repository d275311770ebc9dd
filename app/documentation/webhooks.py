"""The document's `webhooks`: what we post to subscribers, and what we make of their answers.

Made of the table of public types alone: a type that is added there is described here.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson

from consumers.webhooks.body import body_of
from projections.public_events.examples import EXAMPLE_ID, example_item
from projections.public_events.public_type import COUNT, ID, MOMENT, PublicType
from projections.public_events.schemas import schema_of
from projections.public_events.table import TYPES

_EXAMPLE_SEQUENCE = 42
_HEADERS = (
    ("webhook-id", "The same for every attempt at this delivery.", EXAMPLE_ID),
    ("webhook-timestamp", "When this attempt was made, in Unix seconds.", "1795424400"),
    (
        "webhook-signature",
        (
            "`v1,` and the base64 of the HMAC-SHA256 of id, dot, timestamp, dot and body under each"
            " secret that holds, separated by spaces (Standard Webhooks 1.0.0)."
        ),
        "v1,jPTf0o8nwkYJwGxFd5hZkQeZ1nW3kLyWbVxQm2v1cVs=",
    ),
    ("X-Daystar-Event", "The event, as the older system told it.", "loan.created"),
    (
        "X-Daystar-Signature",
        (
            "`sha256=` and the hexadecimal HMAC-SHA256 of the body under the newest secret, as the"
            " older system signed."
        ),
        "sha256=8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4",
    ),
)
_ANSWERS = {
    "2XX": "It was taken.",
    "3XX": "A failure like any other: no redirect is followed.",
    "410": "The webhook is gone: it is disabled.",
    "429": "Too fast: it is tried again, no sooner than `Retry-After` says.",
    "default": "A failure: it is tried again, ten times within some three days and a half.",
}


def told_webhooks() -> dict[str, Any]:
    """By type: the request we make."""
    return {name: {"post": _operation(kind)} for name, kind in TYPES.items()}


def _operation(kind: PublicType) -> dict[str, Any]:
    return {
        "operationId": "told_" + kind.name.replace(".", "_"),
        "summary": kind.about,
        "tags": ["webhooks"],
        "security": [],
        "parameters": [
            {
                "in": "header",
                "name": name,
                "description": about,
                "required": True,
                "schema": {"type": "string"},
                "example": kind.name if name == "X-Daystar-Event" else example,
            }
            for name, about, example in _HEADERS
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": _body_schema(kind), "example": _example(kind)}
            },
        },
        "responses": {status: {"description": about} for status, about in _ANSWERS.items()},
    }


def _body_schema(kind: PublicType) -> dict[str, Any]:
    """The item of the change feed, with what the older system's body had, and the number."""
    item = schema_of(kind)["properties"]
    told = {
        "event": {"const": kind.name},
        "data": item["data"],
        "timestamp": MOMENT,
        "webhook_id": ID,
        **{name: item[name] for name in ("id", "type", "version", "subject", "position")},
        "sequence": {
            "anyOf": [COUNT, {"type": "null"}],
            "description": "Counts this webhook's deliveries without a hole. A test has none.",
        },
    }
    return {
        "type": "object",
        "description": f"{kind.about} A test's `id` begins with `test-`; thin, the data are the ids"
        " that it is about; what is masked is null.",
        "properties": told,
        "required": list(told),
    }


def _example(kind: PublicType) -> dict[str, Any]:
    item = orjson.dumps(example_item(kind))
    body = body_of(item, endpoint_id=UUID(EXAMPLE_ID), sequence=_EXAMPLE_SEQUENCE)
    told: dict[str, Any] = orjson.loads(body)
    return told
