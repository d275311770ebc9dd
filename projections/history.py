"""The history of one thing: who did what, when and why, and how it stood after each event.

How it stood is told by the read model's own folds. Personal fields are in clear only of people who
are not erased; whoever asks must not write them into a log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from psycopg_pool import ConnectionPool

from domain.event_catalogue import EVENTS
from domain.identities import account_id
from infra.event_store.as_of import AsOf, PastEvents
from infra.event_store.reader import RecordedEvent
from infra.keyring import Keyring
from infra.postgres.pool import borrowed
from projections.installation import schema_name
from projections.loans import LOANS
from projections.members import MEMBERS
from projections.mpesa_transactions import MPESA_TRANSACTIONS
from projections.read_model import ReadModel

EVENTS_MAX = 10_000  # a history of more is told from its end

_WHOLE_LOG = AsOf(2**63 - 1, datetime.max.replace(tzinfo=UTC))
_ADDED = frozenset({"principal.added"})
_BECAUSE = """
SELECT position, recorded_at, metadata FROM event_store.events WHERE position = ANY(%s)
"""


@dataclass(frozen=True)
class Subject:
    """A kind of thing that has a history: its streams, and the row that says how it stands."""

    model: ReadModel
    table: str
    streams: Callable[[UUID], list[UUID]]
    shown: tuple[str, ...]


SUBJECTS: Mapping[str, Subject] = {
    "loan": Subject(
        LOANS,
        "loans",
        lambda key: [key],
        ("status", "amount", "total_payable", "paid_amount", "balance", "oldest_open_due"),
    ),
    "member": Subject(
        MEMBERS,
        "members",
        lambda key: [key, account_id(key)],
        ("status", "total_contributions", "share_capital"),
    ),
    "receipt": Subject(
        MPESA_TRANSACTIONS, "receipts", lambda key: [key], ("amount", "suspended", "reason")
    ),
    "push": Subject(
        MPESA_TRANSACTIONS,
        "transactions",
        lambda key: [key],
        ("status", "amount", "amount_received", "receipt_number", "result_code"),
    ),
}


@dataclass(frozen=True)
class Told:
    """One event of a history. `after` is the whole row of the read model after it."""

    position: int
    recorded_at: datetime
    topic: str
    actor: str
    actor_name: str | None
    correlation_id: str
    causation_id: str | None
    data: dict[str, Any]
    after: dict[str, Any]


def history(pool: ConnectionPool, keyring: Keyring, kind: str, key: UUID) -> list[Told]:
    """All that happened to one thing, in the order of the log; empty where there is none."""
    subject = SUBJECTS[kind]
    past = PastEvents(pool, keyring)
    topics = frozenset(EVENTS)
    events = past.of_streams(subject.streams(key), until=_WHOLE_LOG, topics=topics)
    standing = _standing(subject, events, str(key))
    events, standing = events[-EVENTS_MAX:], standing[-EVENTS_MAX:]
    because = _because(pool, events)
    names = _names(past, {metadata["actor"] for _, metadata in because.values()})
    return [
        Told(
            position=event.position,
            recorded_at=because[event.position][0],
            topic=event.topic,
            actor=because[event.position][1]["actor"],
            actor_name=names.get(because[event.position][1]["actor"]),
            correlation_id=because[event.position][1]["correlation_id"],
            causation_id=because[event.position][1]["causation_id"],
            data=event.data,
            after=after,
        )
        for event, after in zip(events, standing, strict=True)
    ]


def _standing(subject: Subject, events: list[RecordedEvent], key: str) -> list[dict[str, Any]]:
    """The row after each event; empty until there is one."""
    rows = subject.model.rows(schema_name(subject.model))
    standing = []
    for event in events:
        fold = subject.model.folds.get(event.topic)
        if fold is not None:
            fold(event, rows)
        row = rows[subject.table].added(key)
        standing.append(dict(row) if row else {})
    return standing


def _because(
    pool: ConnectionPool, events: list[RecordedEvent]
) -> dict[int, tuple[datetime, dict[str, Any]]]:
    with borrowed(pool) as connection:
        rows = connection.execute(_BECAUSE, ([event.position for event in events],)).fetchall()
    return {row[0]: (row[1], orjson.loads(row[2])) for row in rows}


def _names(past: PastEvents, actors: set[str]) -> dict[str, str]:
    """What the principals among the actors are called, unless they were erased."""
    streams = [UUID(actor) for actor in actors if _is_id(actor)]
    added = past.of_streams(streams, until=_WHOLE_LOG, topics=_ADDED)
    return {event.stream_id: event.data["name"] for event in added if event.data["name"]}


def _is_id(actor: str) -> bool:
    try:
        UUID(actor)
    except ValueError:
        return False
    return True
