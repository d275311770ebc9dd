"""Contributions as the accounting API lists them: one row for each, reversed ones included."""

from __future__ import annotations

from collections.abc import Mapping

from domain.money import text_from_cents
from infra.event_store.reader import RecordedEvent
from projections.listing import Listing
from projections.read_model import ReadModel
from projections.rows import Rows

TABLES = """
CREATE TABLE {schema}.contributions (
    contribution_id   uuid          NOT NULL PRIMARY KEY,
    position          bigint        NOT NULL,
    member_id         uuid          NOT NULL,
    member_number     text          NOT NULL,
    amount            numeric(15,2) NOT NULL,
    contribution_type text          NOT NULL,
    payment_method    text          NOT NULL,
    payment_reference text          NOT NULL,
    contribution_date date          NOT NULL,
    status            text          NOT NULL,
    updated_at        timestamptz   NOT NULL
) WITH (fillfactor = 90);
"""
INDEXES = """
CREATE INDEX contributions_newest
    ON {schema}.contributions (contribution_date DESC, position DESC, contribution_id DESC);
CREATE INDEX contributions_of_member
    ON {schema}.contributions
    (member_id, contribution_date DESC, position DESC, contribution_id DESC);
CREATE INDEX contributions_updated ON {schema}.contributions (updated_at);
"""


def _received(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    rows["contributions"].add(
        data["contribution_id"],
        position=event.position,
        member_id=data["member_id"],
        member_number=data["member_number"],
        amount=text_from_cents(data["amount_cents"]),
        contribution_type=data["contribution_type"],
        payment_method=data["payment_method"],
        payment_reference=data["payment_reference"],
        contribution_date=data["contributed_on"],
        status="completed",
        updated_at=event.recorded_at,
    )


def _reversed(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    rows["contributions"].set(
        event.data["contribution_id"], status="reversed", updated_at=event.recorded_at
    )


def _push_succeeded(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    """What was posted before its receipt came now carries the receipt's number."""
    data = event.data
    for contribution_id in data["contribution_ids"]:
        rows["contributions"].set(
            contribution_id,
            payment_reference=data["receipt_number"],
            updated_at=event.recorded_at,
        )


CONTRIBUTIONS = ReadModel(
    name="contributions",
    tables=TABLES,
    indexes=INDEXES,
    keys={"contributions": "contribution_id"},
    folds={
        "account.contribution-received": _received,
        "account.contribution-reversed": _reversed,
        "push.succeeded": _push_succeeded,
    },
)

CONTRIBUTION_LIST = Listing(
    plural="contributions",
    schema="read_contributions",
    table="contributions",
    item="""
        'id', t.contribution_id, 'member_id', t.member_id, 'member_number', t.member_number,
        'amount', t.amount::text, 'contribution_type', t.contribution_type,
        'payment_method', t.payment_method, 'payment_reference', t.payment_reference,
        'contribution_date', t.contribution_date, 'status', t.status,
        'updated_at', t.updated_at
    """,
    order={"contribution_date": "date", "position": "bigint", "contribution_id": "uuid"},
    filters={
        "member_id": "t.member_id = %(member_id)s",
        "date_from": "t.contribution_date >= %(date_from)s",
        "date_to": "t.contribution_date <= %(date_to)s",
        "updated_since": "t.updated_at >= %(updated_since)s",
    },
)
