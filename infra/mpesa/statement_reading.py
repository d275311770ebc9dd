"""An exported statement, read for whoever holds it against our books.

The export's own words become the domain's: which way the money went, whether it moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from domain.mpesa.statement import Line, LineStatus, Side, in_order
from infra.mpesa.statements import StatementLine, read_statement
from infra.mpesa.unreadable import UnreadableStatement

IMPORT_BYTES_MAX = 8 * 1024 * 1024
IMPORT_ROWS_MAX = 40_000
_STATUSES = {"completed": LineStatus.COMPLETED, "failed": LineStatus.FAILED}


@dataclass(frozen=True)
class ReadStatement:
    """A whole statement, from its oldest line to its newest."""

    short_code: str | None
    lines: tuple[Line, ...]
    file_sha256: str


def statement_to_import(content: bytes) -> ReadStatement:
    """Read an export that is to be imported, wholly or not at all.

    Raises:
        UnreadableStatement: it is too large, empty, of an unknown layout, or a row makes no sense.
    """
    if len(content) > IMPORT_BYTES_MAX:
        raise UnreadableStatement(f"the file is larger than {IMPORT_BYTES_MAX:,} bytes")
    told = read_statement(content)
    if not told.lines:
        raise UnreadableStatement("there are no rows")
    if len(told.lines) > IMPORT_ROWS_MAX:
        raise UnreadableStatement(
            f"there are more than {IMPORT_ROWS_MAX:,} rows; export fewer days"
        )
    return ReadStatement(
        short_code=told.short_code,
        lines=tuple(in_order([_line(row) for row in told.lines])),
        file_sha256=sha256(content).hexdigest(),
    )


def _line(row: StatementLine) -> Line:
    return Line(
        number=row.row,
        receipt_number=row.receipt_number,
        completed_at=row.completed_at,
        status=_STATUSES.get(row.status.casefold(), LineStatus.OTHER),
        side=Side.OUT if row.withdrawn_cents else Side.IN,
        amount_cents=row.withdrawn_cents or row.paid_in_cents,
        balance_cents=row.balance_cents,
        reason_type=row.reason_type,
        linked_receipt=row.linked_receipt_number,
        account_number=row.account_number,
        payer=row.other_party,
    )
