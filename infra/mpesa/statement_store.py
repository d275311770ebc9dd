"""Statements as they were imported, line by line, so that matching can be repeated.

What tells of a person (the payer, what they typed as account number) is encrypted and goes after a
while; the lines themselves stay. The export's `Details` repeat the rest and are not kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from psycopg_pool import ConnectionPool

from domain.mpesa.payer import Payer
from domain.mpesa.statement import Line, LineStatus, Period, Side, balances, without_repeats
from infra.errors import InfrastructureError
from infra.keyring import Keyring
from infra.postgres.pool import borrowed, delete_in_slices

LEASE_SECONDS = 120.0
ATTEMPTS_MAX = 10
LOOKED_AT_DAYS = 31
_RETRY_SECONDS_MAX = 3_600.0

_KEEP = """
INSERT INTO mpesa.statements (statement_id, short_code, file_sha256, kept_by, lines, first_at,
                              last_at, opening_cents, closing_cents, due_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, now())
ON CONFLICT (statement_id) DO NOTHING
"""
_COPY_LINES = """
COPY mpesa.statement_lines (statement_id, nth, row_number, receipt_number, completed_at, status,
                            side, amount_cents, balance_cents, reason_type, linked_receipt,
                            particulars) FROM STDIN
"""
_STATEMENT = """
SELECT statement_id, short_code, file_sha256, kept_by, first_at, last_at, opening_cents,
       closing_cents
FROM mpesa.statements WHERE statement_id = %s
"""
_LINES = """
SELECT row_number, receipt_number, completed_at, status, side, amount_cents, balance_cents,
       reason_type, linked_receipt, particulars
FROM mpesa.statement_lines WHERE statement_id = %s ORDER BY nth
"""
_PERIODS = """
SELECT first_at, last_at, opening_cents, closing_cents FROM mpesa.statements
WHERE short_code = %s AND statement_id <> %s
"""
_TOLD_ELSEWHERE = """
SELECT DISTINCT l.receipt_number
FROM mpesa.statement_lines l JOIN mpesa.statements s USING (statement_id)
WHERE l.receipt_number = ANY(%s) AND s.short_code = %s AND s.statement_id <> %s
"""
_LATEST = """
SELECT statement_id FROM mpesa.statements
WHERE (%(short_code)s::text IS NULL OR short_code = %(short_code)s)
  AND last_at >= now() - make_interval(days => %(days)s)
ORDER BY short_code, first_at
"""
_CLAIM = """
UPDATE mpesa.statements SET attempts = attempts + 1,
    due_at = now() + make_interval(secs => %s)
WHERE statement_id = (
    SELECT statement_id FROM mpesa.statements WHERE due_at <= now()
    ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING statement_id, kept_by, attempts
"""
_DONE = """
UPDATE mpesa.statements SET attempts = 0, note = NULL,
    due_at = CASE WHEN %(again)s AND kept_at > now() - make_interval(days => %(days)s)
                  THEN now() + interval '1 day' END
WHERE statement_id = %(statement_id)s
"""
_LATER = """
UPDATE mpesa.statements SET due_at = now() + make_interval(secs => %s), note = %s
WHERE statement_id = %s
"""
_FORGET = """
UPDATE mpesa.statement_lines SET particulars = '' WHERE line_id IN (
    SELECT line_id FROM mpesa.statement_lines l JOIN mpesa.statements s USING (statement_id)
    WHERE l.particulars <> '' AND s.kept_at < now() - make_interval(days => %s) LIMIT %s)
"""


class StatementNotKept(InfrastructureError):
    """There is no statement with this id."""


@dataclass(frozen=True)
class KeptStatement:
    """One statement, its lines from the oldest to the newest."""

    statement_id: UUID
    short_code: str
    file_sha256: str
    kept_by: str
    first_at: datetime
    last_at: datetime
    opening_cents: int | None
    closing_cents: int | None
    lines: tuple[Line, ...]

    @property
    def period(self) -> Period:
        """What it reaches over."""
        return Period(self.first_at, self.last_at, self.opening_cents, self.closing_cents)


@dataclass(frozen=True)
class DueStatement:
    """A statement to be held against our books, claimed for a while."""

    statement_id: UUID
    kept_by: str
    attempts: int


class StatementStore:
    """The tables of kept statements."""

    def __init__(self, pool: ConnectionPool, keyring: Keyring) -> None:
        self._pool = pool
        self._keyring = keyring

    def keep(
        self,
        statement_id: UUID,
        *,
        short_code: str,
        lines: Sequence[Line],
        file_sha256: str,
        kept_by: str,
    ) -> bool:
        """Keep a statement with all its lines, or nothing. Answers whether it is new."""
        once, _ = without_repeats(lines)
        whole = balances(once)
        row = (
            *(statement_id, short_code, file_sha256, kept_by, len(lines)),
            *(min(line.completed_at for line in lines), max(line.completed_at for line in lines)),
            *(whole.opening_cents, whole.closing_cents),
        )
        sealed = [self._row(statement_id, nth, line) for nth, line in enumerate(lines, 1)]
        with self._pool.connection() as connection, connection.transaction():
            if not connection.execute(_KEEP, row).rowcount:
                return False
            with connection.cursor().copy(_COPY_LINES) as copy:
                for values in sealed:
                    copy.write_row(values)
        return True

    def load(self, statement_id: UUID) -> KeptStatement:
        """A statement as it was kept. Raises StatementNotKept."""
        with self._pool.connection() as connection, connection.transaction():
            found = connection.execute(_STATEMENT, (statement_id,)).fetchone()
            if found is None:
                raise StatementNotKept(f"No statement {statement_id} was imported.")
            rows = connection.execute(_LINES, (statement_id,)).fetchall()
        fields = (*found, tuple(self._line(row) for row in rows))
        return KeptStatement(*fields)

    def periods(self, short_code: str, *, without: UUID) -> list[Period]:
        """What other statements of the short code reach over."""
        with borrowed(self._pool) as connection:
            rows = connection.execute(_PERIODS, (short_code, without)).fetchall()
        return [Period(*row) for row in rows]

    def told_elsewhere(
        self, receipt_numbers: Iterable[str], *, short_code: str, without: UUID
    ) -> set[str]:
        """Which of these receipts other statements of the short code speak of."""
        parameters = (list(receipt_numbers), short_code, without)
        with borrowed(self._pool) as connection:
            rows = connection.execute(_TOLD_ELSEWHERE, parameters).fetchall()
        return {row[0] for row in rows}

    def latest(self, *, short_code: str | None, days: int) -> list[UUID]:
        """The statements that reach into the last days, oldest first."""
        parameters = {"short_code": short_code, "days": days}
        with borrowed(self._pool) as connection:
            return [row[0] for row in connection.execute(_LATEST, parameters).fetchall()]

    def claim(self) -> DueStatement | None:
        """One whose time has come; nobody else gets it while the lease lasts."""
        with borrowed(self._pool) as connection:
            row = connection.execute(_CLAIM, (LEASE_SECONDS,)).fetchone()
        return DueStatement(*row) if row else None

    def done(self, statement_id: UUID, *, again: bool) -> None:
        """It stands compared. With `again` it is looked at daily for a while: books change."""
        parameters = {"statement_id": statement_id, "again": again, "days": LOOKED_AT_DAYS}
        with borrowed(self._pool) as connection:
            connection.execute(_DONE, parameters)

    def postpone(self, due: DueStatement, *, note: str) -> None:
        """Try again later, each time a little later."""
        seconds = min(5.0 * 2 ** min(due.attempts, ATTEMPTS_MAX), _RETRY_SECONDS_MAX)
        with borrowed(self._pool) as connection:
            connection.execute(_LATER, (seconds, note, due.statement_id))

    def forget_persons(self, *, days: int) -> int:
        """Empty what tells of persons on statements imported so long ago. Answers of how many."""
        return delete_in_slices(self._pool, _FORGET, days=days)

    def _row(self, statement_id: UUID, nth: int, line: Line) -> tuple[Any, ...]:
        return (
            *(statement_id, nth, line.number, line.receipt_number, line.completed_at),
            *(str(line.status), str(line.side), line.amount_cents, line.balance_cents),
            *(line.reason_type, line.linked_receipt, self._sealed(line)),
        )

    def _sealed(self, line: Line) -> bytes:
        payer = line.payer
        told = {
            "phone": payer.phone,
            "phone_sha256": payer.phone_sha256,
            "masked_phone": payer.masked_phone,
            "name": payer.name,
            "account_number": line.account_number,
        }
        known = {name: value for name, value in told.items() if value}
        return self._keyring.encrypt(orjson.dumps(known)) if known else b""

    def _line(self, row: tuple[Any, ...]) -> Line:
        *plain, sealed = row
        number, receipt, completed_at, status, side, amount, balance, reason_type, linked = plain
        told = orjson.loads(self._keyring.decrypt(bytes(sealed))) if sealed else {}
        account_number = told.pop("account_number", None)
        return Line(
            number=number,
            receipt_number=receipt,
            completed_at=completed_at,
            status=LineStatus(status),
            side=Side(side),
            amount_cents=amount,
            balance_cents=balance,
            reason_type=reason_type,
            linked_receipt=linked,
            account_number=account_number,
            payer=Payer(**told),
        )
