"""A public item as a Kafka record: CloudEvents 1.0, binary mode.

The headers say what the CloudEvents Kafka binding (1.0.2) asks for; the value is the item itself,
as the change feed tells it. `ce_source` and `ce_id` together name an event for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from infra.kafka.publisher import Record
from projections.public_events.topics import topic_of

SOURCE = "/daystar"


def record_of(item: Mapping[str, Any], *, topic_prefix: str) -> Record:
    """The record that tells of an item."""
    return Record(
        topic=topic_name(topic_of(item["type"]), topic_prefix),
        key=item["subject"],
        value=orjson.dumps(item),
        headers={
            "ce_specversion": "1.0",
            "ce_id": item["id"],
            "ce_source": SOURCE,
            "ce_type": item["type"],
            "ce_subject": item["subject"],
            "ce_time": item["occurred_at"],
            "ce_typeversion": str(item["version"]),
            "content-type": "application/json",
        },
    )


def topic_name(topic: str, prefix: str) -> str:
    """What a topic is called in Kafka."""
    return f"{prefix}.{topic}"
