"""Where the data of one person lies outside the log, and how each table forgets it.

In the log the person is encrypted under a key of their own, which the append of `member.erased`
destroys. Everything else that holds something of a person stands in `PERSONAL_DATA_TABLES`: a new
table with a phone, a name or a body in it adds its line there. Pasts (`projections/replay.py`)
need none: no personal field is opened for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from psycopg import sql
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from projections.installation import schema_name
from projections.read_model import ReadModel


@dataclass(frozen=True)
class PersonalTable:
    """Which rows still hold something of the member, and the statement that wipes them.

    Without a statement the fold of `member.erased` does it: a statement of ours could be undone by
    a batch that was read before. `remains` and `wipe` know %(member_id)s, %(receipt_ids)s and
    %(push_ids)s: all that Safaricom tells us about, payouts too.
    """

    remains: LiteralString
    wipe: LiteralString | None = None


_PAYER_KNOWN: LiteralString = """
particulars <> '' AND receipt_number IN (
    SELECT receipt_number FROM read_mpesa_transactions.receipts
    WHERE receipt_id = ANY(%(receipt_ids)s)
    UNION ALL
    SELECT receipt_number FROM read_payouts.payouts WHERE member_id = %(member_id)s)
"""

PERSONAL_DATA_TABLES: Mapping[str, PersonalTable] = {
    # A receipt that came without a member has a key of its own.
    "event_store.personal_keys": PersonalTable(
        "owner_id = %(member_id)s OR owner_id = ANY(%(receipt_ids)s)",
        "SELECT event_store.erase_receipts(%(member_id)s, %(receipt_ids)s)",
    ),
    "event_store.keys": PersonalTable(
        "stream_id = %(member_id)s OR stream_id = ANY(%(push_ids)s)"
        " AND scope IN ('push.live_phone', 'push.payer_and_amount')",
        "SELECT event_store.erase_person(%(member_id)s, %(push_ids)s)",
    ),
    "event_store.snapshots": PersonalTable(
        "stream_id = %(member_id)s OR stream_id = ANY(%(push_ids)s)",
        "DELETE FROM event_store.snapshots"
        " WHERE stream_id = %(member_id)s OR stream_id = ANY(%(push_ids)s)",
    ),
    "event_store.idempotency": PersonalTable(
        "subject_id = %(member_id)s AND status IS NOT NULL",
        "DELETE FROM event_store.idempotency"
        " WHERE subject_id = %(member_id)s AND status IS NOT NULL",
    ),
    # The row stays to tell that Safaricom called; its body and the hash of it go. What was told of
    # a receipt carries the receipt's id as its correlation.
    "intake.callbacks": PersonalTable(
        "(subject_id = ANY(%(push_ids)s) OR correlation_id = ANY(%(receipt_ids)s::text[]))"
        " AND body <> ''",
        "UPDATE intake.callbacks SET body = '', body_mac = int8send(callback_id)"
        " WHERE (subject_id = ANY(%(push_ids)s) OR correlation_id = ANY(%(receipt_ids)s::text[]))"
        " AND state <> 'waiting' AND body <> ''",
    ),
    # The line stays; who paid, and what they typed, goes.
    "mpesa.statement_lines": PersonalTable(
        _PAYER_KNOWN, f"UPDATE mpesa.statement_lines SET particulars = '' WHERE {_PAYER_KNOWN}"
    ),
    "read_members.members": PersonalTable(
        "member_id = %(member_id)s"
        " AND coalesce(first_name, last_name, email, phone, id_number) IS NOT NULL"
    ),
    "read_loans.loans": PersonalTable("member_id = %(member_id)s AND purpose IS NOT NULL"),
    "read_payouts.payouts": PersonalTable("member_id = %(member_id)s AND phone IS NOT NULL"),
    "read_mpesa_transactions.transactions": PersonalTable(
        "member_id = %(member_id)s AND coalesce(phone, checkout_request_id) IS NOT NULL"
    ),
    "read_mpesa_transactions.receipts": PersonalTable(
        "(member_id = %(member_id)s OR key_owner_id = %(member_id)s) AND"
        " coalesce(payer_phone, payer_name, payer_hint, account_number, proposal_phone,"
        " proposal_note) IS NOT NULL"
    ),
}

_PUSHES = """
SELECT transaction_id FROM read_mpesa_transactions.transactions
WHERE member_id = %s ORDER BY position
"""
_PAYOUTS = """
SELECT payout_id FROM read_payouts.payouts WHERE member_id = %s ORDER BY position
"""
_RECEIPTS = """
SELECT receipt_id FROM read_mpesa_transactions.receipts WHERE member_id = %s ORDER BY position
"""
_UNDER_WAY = """
SELECT
    (SELECT count(*) FROM read_mpesa_transactions.transactions
     WHERE member_id = %(member_id)s AND status IN ('requested', 'sent', 'accepted'))
    + (SELECT count(*) FROM read_payouts.payouts
       WHERE member_id = %(member_id)s AND status NOT IN ('succeeded', 'failed')),
    (SELECT count(*) FROM intake.callbacks
     WHERE subject_id = ANY(%(push_ids)s) AND state = 'waiting')
"""
_CALLBACKS = """
SELECT kind, state, count(*) AS callbacks, sum(deliveries)::int AS deliveries,
       min(received_at) AS first_received_at, max(received_at) AS last_received_at
FROM intake.callbacks WHERE subject_id = ANY(%s) GROUP BY kind, state ORDER BY kind, state
"""
_HISTORY = """
SELECT position, stream_id, stream_version, topic, state, recorded_at, metadata
FROM event_store.events WHERE stream_id = ANY(%s) ORDER BY position
"""
_FOLLOWING = "SELECT name FROM followers.followers WHERE state = 'following'"
_LEFT_BEHIND = """
SELECT nspname FROM pg_namespace
WHERE nspname ~ concat('^(old|shadow)_(', array_to_string(%s::text[], '|'), ')(_|$)')
ORDER BY nspname
"""
_READ_MODELS = [
    table.split(".")[0].removeprefix("read_")
    for table in PERSONAL_DATA_TABLES
    if table.startswith("read_")
]

HistoryRow = tuple[int, UUID, int, str, bytes, object, bytes]


class PersonalData:
    """What the database holds of one member, beside the log and in it."""

    def __init__(self, pool: ConnectionPool, member_id: UUID) -> None:
        self._pool = pool
        self._member_id = member_id

    def pushes(self) -> list[UUID]:
        """The pushes that asked this member."""
        return self._ids(_PUSHES)

    def payouts(self) -> list[UUID]:
        """The payouts to this member."""
        return self._ids(_PAYOUTS)

    def receipts(self) -> list[UUID]:
        """The receipts of the money this member paid."""
        return self._ids(_RECEIPTS)

    def under_way(self) -> tuple[int, int]:
        """How many pushes and payouts wait for an answer, and how many callbacks to be read."""
        with self._pool.connection() as connection:
            row = connection.execute(_UNDER_WAY, self._parameters()).fetchone()
        assert row is not None
        return row[0], row[1]

    def wipe(self) -> None:
        """Let every table forget the member, as far as a statement may. Safe to repeat."""
        parameters = self._parameters()
        with self._pool.connection() as connection, connection.transaction():
            for table in PERSONAL_DATA_TABLES.values():
                if table.wipe is not None:
                    connection.execute(table.wipe, parameters)

    def remains(self) -> list[str]:
        """The tables that still hold something of the member, and schemas a rebuild left behind."""
        parameters = self._parameters()
        found = []
        with self._pool.connection() as connection:
            for name, table in PERSONAL_DATA_TABLES.items():
                statement = sql.SQL("SELECT count(*) FROM {} WHERE {}").format(
                    sql.Identifier(*name.split(".")), sql.SQL(table.remains)
                )
                row = connection.execute(statement, parameters).fetchone()
                if row is None or row[0]:
                    found.append(name)
            left = connection.execute(_LEFT_BEHIND, (_READ_MODELS,)).fetchall()
            found.extend(row[0] for row in left)
        return found

    def callbacks(self) -> list[dict[str, object]]:
        """What Safaricom told about this member's pushes and payouts, counted."""
        with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            return cursor.execute(_CALLBACKS, (self._told_about(),)).fetchall()

    def history(self, streams: list[UUID]) -> list[HistoryRow]:
        """The events of these streams, in the order of the log."""
        with self._pool.connection() as connection:
            rows: list[HistoryRow] = connection.execute(_HISTORY, (streams,)).fetchall()
        return rows

    def followed(self, models: Mapping[str, ReadModel], position: int) -> bool:
        """Whether every read model that follows the log has come as far as this position."""
        with self._pool.connection() as connection:
            for row in connection.execute(_FOLLOWING).fetchall():
                if row[0] not in models:
                    continue
                found = connection.execute(
                    sql.SQL("SELECT position FROM {}.position").format(
                        sql.Identifier(schema_name(models[row[0]]))
                    )
                ).fetchone()
                if found is None or found[0] < position:
                    return False
        return True

    def _ids(self, statement: LiteralString) -> list[UUID]:
        with self._pool.connection() as connection:
            rows = connection.execute(statement, (self._member_id,)).fetchall()
        return [row[0] for row in rows]

    def _told_about(self) -> list[UUID]:
        return self.pushes() + self.payouts()

    def _parameters(self) -> dict[str, object]:
        return {
            "member_id": self._member_id,
            "push_ids": self._told_about(),
            "receipt_ids": self.receipts(),
        }
