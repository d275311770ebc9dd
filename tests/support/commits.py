"""Commits made by hand, for tests of the log itself."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from eventsourcing.persistence import StoredEvent

from domain.contributions.commands import RecordContribution
from domain.contributions.rules import ContributionRules, ContributionType, PaymentMethod
from infra.event_store.log import Commit
from infra.event_store.unit_of_work import EventStore
from tests.support.co_operative import TODAY


def events(count: int, stream_id: UUID | None = None, first_version: int = 1) -> list[StoredEvent]:
    stream_id = stream_id or uuid4()
    return [
        StoredEvent(stream_id, version, "api-key.revoked", b'{"reason":"test"}')
        for version in range(first_version, first_version + count)
    ]


def commit_of(*made: StoredEvent, **also: Any) -> Commit:
    return Commit(list(made), [b"{}"] * len(made), **also)


def contribution(member_id: UUID, **fields: Any) -> RecordContribution:
    values = {
        "contribution_id": uuid4(),
        "member_id": member_id,
        "contribution_type": ContributionType.MONTHLY,
        "amount_cents": 1_000_00,
        "payment_method": PaymentMethod.CASH,
        "payment_reference": uuid4().hex,
        "contributed_on": TODAY,
        "today": TODAY,
        "rules": ContributionRules(),
    }
    return RecordContribution(**(values | fields))


def count(store: EventStore, table: str) -> int:
    with store.pool.connection() as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
