"""Taking in a statement: wholly or not at all, of one of our short codes, kept line by line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from psycopg_pool import ConnectionPool

from consumers.mpesa.books import books_begin
from domain.identities import reconciliation_run_id
from domain.mpesa.reconciliation_case import Source
from domain.mpesa.reconciliation_errors import (
    BeforeTheseBooks,
    ShortCodeNotNamed,
    StatementOfAnother,
)
from domain.mpesa.reconciling import BeginRun
from domain.mpesa.statement import Line, digest
from infra import clock
from infra.mpesa.short_codes import ShortCodes
from infra.mpesa.statement_reading import ReadStatement
from infra.mpesa.statement_store import StatementStore
from projections.movements import known_elsewhere


@dataclass(frozen=True)
class Importable:
    """A statement of one of our short codes, not yet kept."""

    run_id: UUID
    short_code: str
    subject: str
    file_sha256: str
    lines: tuple[Line, ...]

    def command(self, *, by: str) -> BeginRun:
        """What begins its run."""
        return BeginRun(
            short_code=self.short_code,
            source=Source.STATEMENT,
            subject=self.subject,
            file_sha256=self.file_sha256,
            first_at=min(line.completed_at for line in self.lines),
            last_at=max(line.completed_at for line in self.lines),
            lines=len(self.lines),
            begun_by=by,
            now=clock.now(),
        )


class StatementImport:
    """Says whose a statement is, and keeps it."""

    def __init__(
        self,
        pool: ConnectionPool,
        statements: StatementStore,
        short_codes: ShortCodes,
        *,
        since: date | None,
    ) -> None:
        self._pool = pool
        self._since = since
        self._statements = statements
        self._short_codes = short_codes

    def check(self, read: ReadStatement, *, short_code: str | None) -> Importable:
        """Find out of which short code it is. Changes nothing.

        Raises:
            ShortCodeNotNamed, StatementOfAnother, BeforeTheseBooks: it cannot be imported.
        """
        of = self._short_code(read, short_code)
        begins = books_begin(self._pool, self._since)
        early = next((line for line in read.lines if line.completed_at < begins), None)
        if early is not None:
            raise BeforeTheseBooks(row=early.number, begin_on=begins.date())
        receipts = {line.receipt_number for line in read.lines}
        known = known_elsewhere(self._pool, of, receipt_numbers=receipts)
        if known is not None:
            receipt_number, other = known
            row = next(ln.number for ln in read.lines if ln.receipt_number == receipt_number)
            raise StatementOfAnother(
                f"Row {row} ({receipt_number}) moved through our short code {other}: this is not a"
                f" statement of {of}."
            )
        subject = digest(read.lines)
        return Importable(
            run_id=reconciliation_run_id(of, Source.STATEMENT, subject),
            short_code=of,
            subject=subject,
            file_sha256=read.file_sha256,
            lines=read.lines,
        )

    def keep(self, statement: Importable, *, by: str) -> bool:
        """Keep it with all its lines. Answers whether it is new."""
        return self._statements.keep(
            statement.run_id,
            short_code=statement.short_code,
            lines=statement.lines,
            file_sha256=statement.file_sha256,
            kept_by=by,
        )

    def _short_code(self, read: ReadStatement, asked: str | None) -> str:
        """A till's statement may name the till itself, or its store."""
        ours = {
            number: credentials.short_code
            for credentials in self._short_codes.all().values()
            for number in (credentials.short_code, credentials.party_b)
        }
        if asked is not None and asked not in ours:
            raise StatementOfAnother(f"{asked} is not one of our short codes.")
        if read.short_code is None:
            if asked is None:
                raise ShortCodeNotNamed
            return ours[asked]
        if read.short_code not in ours:
            raise StatementOfAnother(
                f"The statement is of {read.short_code}, which is not one of our short codes."
            )
        if asked is not None and ours[asked] != ours[read.short_code]:
            raise StatementOfAnother(f"The statement is of {read.short_code}, and not of {asked}.")
        return ours[read.short_code]
