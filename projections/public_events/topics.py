"""Which topic tells of which noun. Order holds per subject within a topic, nowhere else."""

from __future__ import annotations

from collections.abc import Mapping

TOPICS: Mapping[str, str] = {
    "member": "members",
    "contribution": "contributions",
    "refund": "refunds",
    "loan": "loans",
    "repayment": "repayments",
    "payment": "payments",
    "receipt": "receipts",
    "payout": "payouts",
    "webhook": "webhooks",
}
"""By the first word of a public type. In Kafka a topic's name begins with `KAFKA_TOPIC_PREFIX`."""


def topic_of(public_type: str) -> str:
    """The topic that tells of events of this type."""
    return TOPICS[public_type.partition(".")[0]]
