"""The organisation's statement, as staff export it from Safaricom's portal (CSV) and upload it.

Two layouts are known, told apart by the names of their columns; any other is refused, and a row
that makes no sense names itself. Around the table there may be a preamble (organisation, short
code), a byte-order mark, or letters of Windows-1252. Rows come as they stand, newest first.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from domain.mpesa.payer import Payer
from infra.mpesa.statement_rows import LAYOUTS, Layout, read_row
from infra.mpesa.unreadable import UnreadableCallback, UnreadableStatement
from infra.mpesa.wire import sentence

STATEMENT_BYTES_MAX = 32 * 1024 * 1024
ROWS_MAX = 200_000
_FIRST_COLUMNS = {"receipt no.", "receipt no", "receipt"}
_OPENING = re.compile(r'^\s*"?receipt(?: no\.?)?"?([,;\t])', re.IGNORECASE | re.MULTILINE)
_SHORT_CODE_LABEL = re.compile(r"pay ?bill|short ?code|till|store", re.IGNORECASE)
_SHORT_CODE = re.compile(r"(?<!\d)\d{5,7}(?!\d)", re.ASCII)
_WORKBOOK = b"PK\x03\x04"
_OLD_WORKBOOK = b"\xd0\xcf\x11\xe0"


@dataclass(frozen=True)
class StatementLine:
    """One row: money that came in or went out, a charge, or an attempt that failed."""

    row: int  # as a spreadsheet counts it
    receipt_number: str
    completed_at: datetime
    initiated_at: datetime | None
    details: str = field(repr=False)
    status: str
    paid_in_cents: int
    withdrawn_cents: int  # never negative, whatever the file writes
    balance_cents: int | None
    reason_type: str
    other_party: Payer
    linked_receipt_number: str | None
    account_number: str | None = field(repr=False)

    @property
    def is_completed(self) -> bool:
        """Whether the money of this row moved."""
        return self.status.lower() == "completed"

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What tells a row from all others: a charge repeats the receipt of its payment."""
        return (self.receipt_number, self.reason_type, self.paid_in_cents, self.withdrawn_cents)


@dataclass(frozen=True)
class Statement:
    """A whole export, in its own order."""

    short_code: str | None  # as the preamble names it, where there is one
    lines: tuple[StatementLine, ...]


def read_statement(content: bytes | str) -> Statement:
    """Read an export.

    Raises:
        UnreadableStatement: it is too large, no CSV, of an unknown layout, or a row makes no sense.
    """
    text = content if isinstance(content, str) else _decoded(content)
    rows = _rows(text)
    short_code, layout = _heading(rows)
    lines: list[StatementLine] = []
    for number, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        if len(lines) == ROWS_MAX:
            raise UnreadableStatement(f"there are more than {ROWS_MAX} rows", row=number)
        lines.append(_line(number, cells, layout))
    return Statement(short_code, tuple(lines))


def _decoded(content: bytes) -> str:
    if len(content) > STATEMENT_BYTES_MAX:
        raise UnreadableStatement("the file is too large")
    if content.startswith((_WORKBOOK, _OLD_WORKBOOK)):
        raise UnreadableStatement("this is a workbook of Excel; save it as CSV")
    encodings = ["utf-16"] if content.startswith((b"\xff\xfe", b"\xfe\xff")) else []
    for encoding in (*encodings, "utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UnreadableStatement("the letters are neither UTF-8 nor Windows-1252")


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each row with its number. The delimiter is what follows the table's first name."""
    opening = _OPENING.search(text)
    delimiter = opening[1] if opening else ","
    reader = csv.reader(io.StringIO(text.lstrip("\ufeff"), newline=""), delimiter=delimiter)
    number = 0
    try:
        for number, cells in enumerate(reader, 1):
            yield number, cells
    except csv.Error:
        raise UnreadableStatement("this is not CSV", row=number + 1) from None


def _heading(rows: Iterator[tuple[int, list[str]]]) -> tuple[str | None, Layout]:
    """Take the rows up to the table's heading: the short code they name, and the layout."""
    short_code = None
    for number, cells in rows:
        names = [" ".join(cell.split()).lower() for cell in cells]
        if names and names[0] in _FIRST_COLUMNS:
            return short_code, _layout(number, names)
        short_code = short_code or _named_short_code(cells)
    raise UnreadableStatement("no row begins with 'Receipt No.' or 'Receipt': unknown layout")


def _named_short_code(cells: list[str]) -> str | None:
    label = _SHORT_CODE_LABEL.search(cells[0]) if cells else None
    found = _SHORT_CODE.search(" ".join(cells), label.end()) if label else None
    return found[0] if found else None


def _layout(number: int, names: list[str]) -> Layout:
    while names and not names[-1]:
        names.pop()
    for columns in LAYOUTS:
        if sorted(names) == sorted(columns):
            return Layout({columns[name]: names.index(name) for name in columns}, len(names))
    known = min(LAYOUTS, key=lambda columns: len(set(columns) ^ set(names)))
    missing = ", ".join(sorted(set(known) - set(names))) or "none"
    unknown = ", ".join(sentence(name, length_max=40) for name in sorted(set(names) - set(known)))
    raise UnreadableStatement(
        f"unknown layout: columns missing: {missing}; columns unknown: {unknown or 'none'}",
        row=number,
    )


def _line(number: int, cells: list[str], layout: Layout) -> StatementLine:
    try:
        return StatementLine(row=number, **read_row(layout.named(cells)))
    except UnreadableCallback as error:
        raise UnreadableStatement(error.reason, row=number) from None
