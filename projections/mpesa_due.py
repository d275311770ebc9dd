"""What is to be done next about each open push and payout: send it, doubt it, or ask about it.

The list only points at work. Whoever takes up a row decides by the request's own stream, so a row
seen twice, or rebuilt, has one effect. Rows leave when nothing more is needed from us. Who has
taken up what is kept elsewhere (`consumers.mpesa.due_requests`).
"""

from __future__ import annotations

from collections.abc import Mapping

from infra.event_store.reader import RecordedEvent
from projections.read_model import Fold, ReadModel
from projections.rows import Rows

PUSH, PAYOUT = "push", "payout"

TABLES = """
CREATE TABLE {schema}.requests (
    request_id  uuid        NOT NULL PRIMARY KEY,
    kind        text        NOT NULL CHECK (kind IN ('push', 'payout')),
    action      text        NOT NULL CHECK (action IN ('send', 'doubt', 'query', 'verify')),
    since       timestamptz NOT NULL
) WITH (fillfactor = 60);
"""
INDEXES = """
CREATE INDEX requests_by_action ON {schema}.requests (kind, action, since);
"""


def _next(kind: str, action: str, moment: str) -> Fold:
    """The next thing to do, counted from the moment named by a field of the event."""

    def fold(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
        request_id = str(event.stream_id)
        rows["requests"].remove(request_id)
        rows["requests"].add(request_id, kind=kind, action=action, since=event.data[moment])

    return fold


def _nothing_more(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    rows["requests"].remove(str(event.stream_id))


MPESA_DUE = ReadModel(
    name="mpesa_due",
    tables=TABLES,
    indexes=INDEXES,
    keys={"requests": "request_id"},
    folds={
        "push.requested": _next(PUSH, "send", "requested_at"),
        "push.not-sent": _next(PUSH, "send", "retry_at"),
        "push.sent": _next(PUSH, "doubt", "sent_at"),
        "push.accepted": _next(PUSH, "query", "accepted_at"),
        "push.failure-reported": _next(PUSH, "verify", "reported_at"),
        "push.rejected": _nothing_more,
        "push.left-in-doubt": _nothing_more,
        "push.failed": _nothing_more,
        "push.cancelled": _nothing_more,
        "push.expired": _nothing_more,
        "push.paid-receipt-awaited": _nothing_more,
        "push.succeeded": _nothing_more,
        "payout.requested": _next(PAYOUT, "send", "requested_at"),
        "payout.held": _next(PAYOUT, "send", "retry_at"),
        "payout.not-sent": _next(PAYOUT, "send", "retry_at"),
        "payout.sent": _next(PAYOUT, "doubt", "sent_at"),
        "payout.accepted": _next(PAYOUT, "query", "accepted_at"),
        "payout.left-in-doubt": _next(PAYOUT, "verify", "doubted_at"),
        "payout.failure-reported": _next(PAYOUT, "verify", "reported_at"),
        "payout.put-under-review": _nothing_more,
        "payout.succeeded": _nothing_more,
        "payout.failed": _nothing_more,
    },
)
