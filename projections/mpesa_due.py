"""What is to be done next about each open push: send it, doubt it, or ask about it.

The list only points at work. Whoever takes up a row decides by the push's own stream, so a row
seen twice, or rebuilt, has one effect. Rows leave when the push needs nothing more from us. Who has
taken up what is kept elsewhere (`consumers.mpesa.due_pushes`).
"""

from __future__ import annotations

from collections.abc import Mapping

from infra.event_store.reader import RecordedEvent
from projections.read_model import Fold, ReadModel
from projections.rows import Rows

TABLES = """
CREATE TABLE {schema}.pushes (
    push_id     uuid        NOT NULL PRIMARY KEY,
    action      text        NOT NULL CHECK (action IN ('send', 'doubt', 'query', 'verify')),
    since       timestamptz NOT NULL
) WITH (fillfactor = 60);
"""
INDEXES = """
CREATE INDEX pushes_by_action ON {schema}.pushes (action, since);
"""


def _next(action: str, moment: str) -> Fold:
    """The next thing to do, counted from the moment named by a field of the event."""

    def fold(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
        push_id = str(event.stream_id)
        rows["pushes"].remove(push_id)
        rows["pushes"].add(
            push_id,
            action=action,
            since=event.data[moment],
        )

    return fold


def _nothing_more(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    rows["pushes"].remove(str(event.stream_id))


MPESA_DUE = ReadModel(
    name="mpesa_due",
    tables=TABLES,
    indexes=INDEXES,
    keys={"pushes": "push_id"},
    folds={
        "push.requested": _next("send", "requested_at"),
        "push.not-sent": _next("send", "retry_at"),
        "push.sent": _next("doubt", "sent_at"),
        "push.accepted": _next("query", "accepted_at"),
        "push.failure-reported": _next("verify", "reported_at"),
        "push.rejected": _nothing_more,
        "push.left-in-doubt": _nothing_more,
        "push.failed": _nothing_more,
        "push.cancelled": _nothing_more,
        "push.expired": _nothing_more,
        "push.paid-receipt-awaited": _nothing_more,
        "push.succeeded": _nothing_more,
    },
)
