"""What an item of a public type looks like: for the API's document, and for test deliveries.

Every value is made of the type's own words, and none is anybody's.
"""

from __future__ import annotations

from typing import Any

from projections.public_events.public_type import (
    AMOUNT,
    COUNT,
    DAY,
    ID,
    MOMENT,
    RATE,
    TEXT,
    PublicType,
    Word,
)

EXAMPLE_ID = "6f1c1df2-7a3e-5d0e-9a52-0f4b3c8e2a10"
EXAMPLE_MOMENT = "2026-11-23T09:00:00+00:00"
_EXAMPLES: tuple[tuple[Word, Any], ...] = (
    (ID, EXAMPLE_ID),
    (TEXT, "EXAMPLE"),
    (AMOUNT, "2000.00"),
    (RATE, "12"),
    (DAY, "2026-11-23"),
    (MOMENT, EXAMPLE_MOMENT),
    (COUNT, 3),
)


def example_data(kind: PublicType) -> dict[str, Any]:
    """Data as this type tells them."""
    return {name: _example(word) for name, word in kind.data.items()}


def example_item(kind: PublicType) -> dict[str, Any]:
    """A whole item, as the change feed tells it."""
    return {
        "id": "17000-0",
        "type": kind.name,
        "version": kind.version,
        "subject": EXAMPLE_ID,
        "position": 17000,
        "occurred_at": EXAMPLE_MOMENT,
        "data": example_data(kind),
    }


def _example(word: Word) -> Any:
    for known, value in _EXAMPLES:
        if word == known:
            return value
    if "enum" in word:
        return word["enum"][0]
    if "anyOf" in word:
        return _example(word["anyOf"][0])
    if word.get("type") == "array":
        return [_example(word["items"])]
    if word.get("type") == "object":
        return {name: _example(inner) for name, inner in word["properties"].items()}
    return {"boolean": True, "integer": 3, "string": "EXAMPLE", "null": None}[word["type"]]
