"""Members as the accounting API lists them: who they are, and what they have put in."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from psycopg_pool import ConnectionPool

from domain.members.member import MemberStatus
from domain.money import text_from_cents
from infra.event_store.reader import RecordedEvent
from infra.postgres.pool import borrowed
from projections.listing import Listing
from projections.read_model import Fold, ReadModel
from projections.rows import Rows

TABLES = """
CREATE TABLE {schema}.members (
    member_id           uuid          NOT NULL PRIMARY KEY,
    position            bigint        NOT NULL,
    member_number       text          NOT NULL,
    first_name          text,
    last_name           text,
    email               text,
    phone               text,
    id_number           text,
    registration_date   date          NOT NULL,
    status              text          NOT NULL,
    total_contributions numeric(15,2) NOT NULL,
    share_capital       numeric(15,2) NOT NULL,
    updated_at          timestamptz   NOT NULL
) WITH (fillfactor = 85);
"""
# `updated_at` has no index: it changes with each contribution, and an index on it would make every
# such change write all the others anew. A co-operative's members are soon read through.
INDEXES = """
CREATE INDEX members_newest ON {schema}.members (registration_date DESC, position DESC);
CREATE INDEX members_by_status
    ON {schema}.members (status, registration_date DESC, position DESC);
"""


def _registered(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    rows["members"].add(
        str(event.stream_id),
        position=event.position,
        member_number=data["member_number"],
        first_name=data["first_name"],
        last_name=data["last_name"],
        email=data["email"],
        phone=data["phone"],
        id_number=data["national_id"],
        registration_date=data["registered_on"],
        status="active",
        total_contributions="0",
        share_capital="0",
        updated_at=event.recorded_at,
    )


def _contact_changed(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    rows["members"].set(
        str(event.stream_id),
        phone=data["phone"],
        email=data["email"],
        updated_at=event.recorded_at,
    )


def _status(status: MemberStatus) -> Fold:
    wire_status = status.on_the_wire

    def fold(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
        rows["members"].set(str(event.stream_id), status=wire_status, updated_at=event.recorded_at)

    return fold


def _erased(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    """Whatever was written of the person before, from a batch read before, goes here."""
    rows["members"].set(
        str(event.stream_id),
        first_name=None,
        last_name=None,
        email=None,
        phone=None,
        id_number=None,
        status=MemberStatus.ERASED.on_the_wire,
        updated_at=event.recorded_at,
    )


def _balance_changed(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    columns = {"total_contributions": text_from_cents(data["contributed_cents"])}
    if data["contribution_type"] == "share_capital":
        columns["share_capital"] = text_from_cents(data["balance_cents"])
    rows["members"].set(data["member_id"], updated_at=event.recorded_at, **columns)


MEMBERS = ReadModel(
    name="members",
    tables=TABLES,
    indexes=INDEXES,
    keys={"members": "member_id"},
    folds={
        "member.registered": _registered,
        "member.contact-changed": _contact_changed,
        "member.suspended": _status(MemberStatus.SUSPENDED),
        "member.reactivated": _status(MemberStatus.ACTIVE),
        "member.exited": _status(MemberStatus.EXITED),
        "member.erased": _erased,
        "account.contribution-received": _balance_changed,
        "account.contribution-reversed": _balance_changed,
        "account.refund-held": _balance_changed,
        "account.refund-returned": _balance_changed,
    },
)

MEMBER_ITEM = """
        'id', t.member_id, 'member_number', t.member_number, 'first_name', t.first_name,
        'last_name', t.last_name, 'email', t.email, 'phone', t.phone, 'id_number', t.id_number,
        'registration_date', t.registration_date, 'status', t.status,
        'total_contributions', t.total_contributions::text,
        'share_capital', t.share_capital::text, 'updated_at', t.updated_at
"""
MEMBER_LIST = Listing(
    plural="members",
    schema="read_members",
    table="members",
    item=MEMBER_ITEM,
    order={"registration_date": "date", "position": "bigint"},
    of_persons=True,
    filters={
        "status": "t.status = %(status)s",
        "updated_since": "t.updated_at >= %(updated_since)s",
    },
)

_MEMBER = f"""
SELECT json_build_object({MEMBER_ITEM})::text, p.position
FROM read_members.members AS t, read_members.position AS p WHERE t.member_id = %s
"""


def member_json(pool: ConnectionPool, member_id: UUID) -> tuple[str, int] | None:
    """A member as JSON text, and the position it was read at; None where there is none (yet)."""
    with borrowed(pool) as connection:
        row = connection.execute(_MEMBER, (member_id,), prepare=True).fetchone()
    return (row[0], row[1]) if row else None
