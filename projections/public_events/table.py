"""The one table of names: which public events a private one gives, and their items.

The change feed, and whoever else tells others of our events, carries these items.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from infra.event_store.reader import RecordedEvent
from projections.public_events import (
    loans,
    members,
    payments,
    payouts,
    repayments,
    webhooks,
)
from projections.public_events.public_type import Opening, PublicType, Row

PUBLIC_EVENTS: Mapping[str, Row] = (
    members.ROWS | loans.ROWS | repayments.ROWS | payments.ROWS | payouts.ROWS | webhooks.ROWS
)

NOT_TOLD: Mapping[str, str] = {
    "account.opened": "comes with member.registered",
    "account.closed": "comes with member.exited",
    "loan-product.defined": "what we offer is not what happened to anybody",
    "loan-product.revised": "what we offer is not what happened to anybody",
    "push.sent": "a step on the way",
    "push.not-sent": "a step on the way",
    "push.accepted": "a step on the way",
    "push.failure-reported": "not yet believed",
    "receipt.placed": "the contribution says it",
    "receipt.placed-on-loan": "the repayment says it",
    "receipt.attached-to-push": "the payment says it",
    "refund.proposed": "not yet decided",
    "refund.rejected": "nothing moved",
    "refund.confirmed": "comes with account.refund-held",
    "refund.paid": "comes with account.refund-paid",
    "refund.returned": "comes with account.refund-returned",
    "loan.payout-started": "comes with payout.requested",
    "loan.part-paid": "the payout says it",
    "loan.payout-failed": "the payout says it",
    "payout.held": "a step on the way",
    "payout.sent": "a step on the way",
    "payout.not-sent": "a step on the way",
    "payout.accepted": "a step on the way",
    "payout.left-in-doubt": "not yet known",
    "payout.failure-reported": "not yet believed",
    "payout.answer-unclear": "not yet known",
    "payout.put-under-review": "not yet known",
    "payout.settlement-proposed": "not yet decided",
    "payout.settlement-rejected": "not yet decided",
    "payout.charge-booked": "ours alone",
    "payout.charge-corrected": "ours alone",
    "payout-lane.opened": "ours alone",
    "payout-lane.stopped": "ours alone",
    "payout-lane.resumed": "ours alone",
    "payout-lane.balance-told": "ours alone",
    "receipt.proposed": "not yet agreed to",
    "receipt.proposal-withdrawn": "nothing came of it",
    "receipt.proposal-rejected": "nothing came of it",
    "receipt.proposal-confirmed": "what was agreed to says it",
    "receipt.refund-finished": "the payout says it",
    "receipt.reversal-finished": "the reversal says it",
    "reconciliation-run.begun": "between Safaricom and us",
    "reconciliation-run.compared": "between Safaricom and us",
    "reconciliation-case.opened": "between Safaricom and us",
    "reconciliation-case.decision-proposed": "between Safaricom and us",
    "reconciliation-case.resolved": "what was posted, receipts and payouts say",
    "principal.added": "ours alone",
    "api-key.issued": "ours alone",
    "api-key.rotated": "ours alone",
    "api-key.revoked": "ours alone",
    "webhook-endpoint.created": "between a subscriber and us",
    "webhook-endpoint.changed": "between a subscriber and us",
    "webhook-endpoint.paused": "between a subscriber and us",
    "webhook-endpoint.resumed": "between a subscriber and us",
    "webhook-endpoint.secret-rotated": "between a subscriber and us",
    "webhook-endpoint.enabled": "between a subscriber and us",
    "webhook-endpoint.deleted": "between a subscriber and us",
}
"""Private topics that give nothing, and why."""

TYPES: Mapping[str, PublicType] = {
    kind.name: kind for row in PUBLIC_EVENTS.values() for kind in row.types
}


def topics_of(types: frozenset[str]) -> frozenset[str]:
    """The private topics that may give any of these public types."""
    return frozenset(
        topic
        for topic, row in PUBLIC_EVENTS.items()
        if any(kind.name in types for kind in row.types)
    )


def items_of(event: RecordedEvent, opening: Opening) -> list[dict[str, Any]]:
    """What others are told of an event, in order; nothing for most.

    `opening` is what the first event of its stream said, where its row asks for it.
    """
    row = PUBLIC_EVENTS.get(event.topic)
    if row is None:
        return []
    moment = datetime.fromisoformat(event.recorded_at).astimezone(UTC).isoformat()
    return [
        {
            "id": f"{event.position}-{number}",
            "type": kind.name,
            "version": kind.version,
            "subject": next(data[name] for name in kind.subjects if data[name] is not None),
            "position": event.position,
            "occurred_at": moment,
            "data": data,
        }
        for number, (kind, data) in enumerate(row.translate(event, opening))
    ]


def names_as_markdown() -> str:
    """The table of names, as README shows it."""
    lines = [
        "| private topic | public type | permission | notification |",
        "|---|---|---|---|",
    ]
    for topic, row in PUBLIC_EVENTS.items():
        for kind in row.types:
            notice = f"`{kind.notice}`" if kind.notice else ""
            lines.append(f"| `{topic}` | `{kind.name}` | `{kind.reads}` | {notice} |")
    return "\n".join(lines) + "\n"
