"""The library's own way with a projection: its runner, an event and a transaction at a time.

The tables are those of our read models of members and contributions, keys and indexes alike; the
events are stored as we store them. Personal fields stay encrypted, which is less work than ours.
"""

from __future__ import annotations

import time
from functools import singledispatchmethod
from typing import Any, cast
from uuid import UUID

import psycopg
from eventsourcing.application import Application
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.utils import register_topic
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL

from domain.contributions.account import MemberAccount
from domain.event_catalogue import EVENTS
from domain.members.member import Member
from domain.money import text_from_cents
from domain.mpesa.stk_push import Push
from projections import contributions, members

SECONDS_MAX = 120.0

_STREAMS = """
CREATE TABLE library.streams AS
WITH members AS (
    SELECT stream_id FROM event_store.events WHERE topic = 'member.registered'
    ORDER BY position LIMIT %s
)
SELECT DISTINCT e.stream_id FROM event_store.events e
WHERE e.stream_version = 1 AND (
    e.stream_id IN (SELECT stream_id FROM members)
    OR convert_from(e.state, 'UTF8')::jsonb ->> 'member_id' IN (SELECT stream_id::text FROM members)
)
"""
_COPY = """
INSERT INTO library.books_events (originator_id, originator_version, topic, state)
SELECT stream_id, stream_version, topic, state FROM event_store.events
WHERE stream_id IN (SELECT stream_id FROM library.streams) ORDER BY position
"""
_ADD_MEMBER = """
INSERT INTO library.members VALUES (%s, 0, %s, %s, %s, %s, %s, %s, %s, 'active', 0, 0, now())
"""
_SET_CONTACT = (
    "UPDATE library.members SET phone = %s, email = %s, updated_at = now() WHERE member_id = %s"
)
_SET_TOTAL = (
    "UPDATE library.members SET total_contributions = %s, updated_at = now() WHERE member_id = %s"
)
_SET_SHARES = "UPDATE library.members SET share_capital = %s WHERE member_id = %s"
_ADD_CONTRIBUTION = """
INSERT INTO library.contributions VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 'completed', now())
"""
_REVERSE = """
UPDATE library.contributions SET status = 'reversed', updated_at = now()
WHERE contribution_id = %s
"""
_SET_REFERENCE = """
UPDATE library.contributions SET payment_reference = %s, updated_at = now()
WHERE contribution_id = ANY(%s::uuid[])
"""

_Statement = tuple[str, tuple[object, ...]]


class Books(Application[UUID]):
    """The library's application over the library's table."""


class AccountingView(PostgresTrackingRecorder):
    """Both tables, written as the library's manual shows: statements and tracking together."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for text in (members.TABLES, members.INDEXES, contributions.TABLES, contributions.INDEXES):
            for statement in text.split(";\n"):
                if statement.strip():
                    named = statement.replace("{schema}", "library")
                    self.sql_create_statements.append(SQL(cast("Any", named)))

    def write(self, statements: list[_Statement], tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            for statement, values in statements:
                cursor.execute(cast("Any", statement), values, prepare=True)
            self._insert_tracking(cursor, tracking)


class Accounting(Projection[AccountingView]):
    """What our two read models fold."""

    name = "accounting"

    @singledispatchmethod
    def process_event(self, _event: Any, tracking: Tracking) -> None:
        self.view.write([], tracking)

    @process_event.register
    def _(self, event: Member.Registered, tracking: Tracking) -> None:
        values = (
            event.originator_id,
            event.member_number,
            event.first_name,
            event.last_name,
            event.email,
            event.phone,
            event.national_id,
            event.registered_on,
        )
        self.view.write([(_ADD_MEMBER, values)], tracking)

    @process_event.register
    def _(self, event: Member.ContactChanged, tracking: Tracking) -> None:
        values = (event.phone, event.email, event.originator_id)
        self.view.write([(_SET_CONTACT, values)], tracking)

    @process_event.register
    def _(self, event: MemberAccount.ContributionReceived, tracking: Tracking) -> None:
        values = (
            event.contribution_id,
            tracking.notification_id,
            event.member_id,
            event.member_number,
            text_from_cents(event.amount_cents),
            event.contribution_type,
            event.payment_method,
            event.payment_reference,
            event.contributed_on,
        )
        self.view.write([(_ADD_CONTRIBUTION, values), *_balances(event)], tracking)

    @process_event.register
    def _(self, event: MemberAccount.ContributionReversed, tracking: Tracking) -> None:
        self.view.write([(_REVERSE, (event.contribution_id,)), *_balances(event)], tracking)

    @process_event.register
    def _(self, event: Push.Succeeded, tracking: Tracking) -> None:
        values = (event.receipt_number, event.contribution_ids)
        self.view.write([(_SET_REFERENCE, values)], tracking)


def _balances(event: Any) -> list[_Statement]:
    statements: list[_Statement] = [
        (_SET_TOTAL, (text_from_cents(event.contributed_cents), event.member_id))
    ]
    if event.contribution_type == "share_capital":
        statements.append((_SET_SHARES, (text_from_cents(event.balance_cents), event.member_id)))
    return statements


def library_rate(owner_url: str, *, sample_members: int) -> float:
    """Events a second of the library's runner, over every event of the first members."""
    for topic, kind in EVENTS.items():
        register_topic(topic, kind)
    environment = _environment(owner_url)
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA library")
        Books(env=environment).close()  # makes its table
        connection.execute(_STREAMS, (sample_members,))
        events = connection.execute(_COPY).rowcount
    begun = time.perf_counter()
    with ProjectionRunner(
        application_class=Books,
        projection_class=Accounting,
        view_class=AccountingView,
        env=environment,
    ) as runner:
        runner.wait(events, timeout=SECONDS_MAX)
    seconds = time.perf_counter() - begun
    with psycopg.connect(owner_url) as connection:
        row = connection.execute("SELECT count(*) FROM library.members").fetchone()
    assert row == (sample_members,), "the library folded what we gave it"
    return events / seconds


def _environment(owner_url: str) -> dict[str, str]:
    parts = conninfo_to_dict(owner_url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(parts["dbname"]),
        "POSTGRES_HOST": str(parts.get("host", "")),
        "POSTGRES_PORT": str(parts.get("port", "5432")),
        "POSTGRES_USER": str(parts["user"]),
        "POSTGRES_PASSWORD": str(parts.get("password", "-")),
        "POSTGRES_SCHEMA": "library",
    }
