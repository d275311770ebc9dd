"""The simulated portal's statement, exported as staff would: both layouts, and breaks on demand.

Its running balance is that of Utility less the charges: a charge has a row of its own, which
repeats the receipt of its payout. Rows run newest first.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from infra.mpesa.simulator.decisions import reason_of
from infra.mpesa.simulator.ledger import COMPLETED, FAILED, Kind, LedgerRow
from infra.mpesa.simulator.payers import starred

_ORGANISATION = "SIMULATED MERCHANT"


@dataclass(frozen=True, kw_only=True)
class ExportRow:
    """One row, before it is written in either layout. Amounts are whole shillings."""

    receipt: str
    moment: datetime
    details: str
    status: str
    paid_in: int
    withdrawn: int
    balance: int
    reason: str
    other_party: str
    linked: str = ""
    account_number: str = ""


@dataclass(frozen=True)
class Export:
    """A file, and what was broken in it: the break's name, and the receipt it befell."""

    text: str
    broken: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class ExportForm:
    """How a file is written."""

    short_code: str
    is_older: bool = False
    has_preamble: bool = True
    date_form: str = "%d-%m-%Y %H:%M:%S"
    malformed_row: int | None = None  # as a spreadsheet counts it


def export(rows: list[LedgerRow], form: ExportForm, *, breaks: list[str]) -> Export:
    """Write the rows (oldest first, failures among them) as a file, with these breaks in it."""
    written = [line for row in rows for line in _lines(row, form.short_code)]
    broken: dict[str, str] = {}
    for name in breaks:
        written, receipt = BREAKS[name](written, broken)
        broken[name] = receipt
    return Export(_file(written[::-1], form), broken)


def _lines(row: LedgerRow, short_code: str) -> list[ExportRow]:
    merchant = f"{short_code} - {_ORGANISATION}"
    reason = reason_of(row.kind)
    is_in = row.direction == "in"
    balance = row.utility_balance + row.charges_balance
    customer = f"{row.phone} - {row.name}" if row.kind is Kind.PAYOUT else _hidden(row)
    line = ExportRow(
        receipt=row.receipt,
        moment=datetime.fromisoformat(row.paid_at),
        details=_details(row, reason, customer),
        status=row.status,
        paid_in=row.amount if is_in else 0,
        withdrawn=0 if is_in else row.amount,
        balance=balance,
        reason=reason,
        other_party=customer if row.phone else merchant,
        linked=row.reverses,
        account_number=row.account_reference if is_in else "",
    )
    if row.status != COMPLETED or not row.charge:
        return [line]
    charge = replace(
        line,
        details="B2C Charge",
        withdrawn=row.charge,
        balance=balance + row.amount,  # the charge comes first
        reason="B2C Charge",
        other_party=merchant,
        linked=row.receipt,
    )
    return [charge, line]


def _hidden(row: LedgerRow) -> str:
    return f"{starred(row.phone)} - {row.name}" if row.phone else ""


def _details(row: LedgerRow, reason: str, customer: str) -> str:
    match row.kind:
        case Kind.PUSH | Kind.PAYBILL:
            return f"Pay Bill from {customer} Acc. {row.account_reference}"
        case Kind.PAYOUT | Kind.REVERSAL:
            return f"{reason} to {customer}"
        case _:
            return reason


Broken = tuple[list[ExportRow], str]


def _first(lines: list[ExportRow], broken: Mapping[str, str]) -> int:
    """The oldest row that no other break has touched."""
    for place, line in enumerate(lines):
        if line.status == COMPLETED and line.receipt not in broken.values() and not line.linked:
            return place
    raise LookupError


def _only_there(lines: list[ExportRow], _broken: Mapping[str, str]) -> Broken:
    line = replace(lines[-1], receipt="ZZZ9ONLY99", linked="", status=COMPLETED)
    moved = line.paid_in - line.withdrawn
    return [*lines, replace(line, balance=lines[-1].balance + moved)], line.receipt


def _only_here(lines: list[ExportRow], broken: Mapping[str, str]) -> Broken:
    receipt = lines[_first(lines, broken)].receipt
    return [line for line in lines if line.receipt != receipt], receipt


def _amount(lines: list[ExportRow], broken: Mapping[str, str]) -> Broken:
    def more(line: ExportRow) -> ExportRow:
        return replace(
            line,
            paid_in=line.paid_in + 1 if line.paid_in else 0,
            withdrawn=line.withdrawn + 1 if line.withdrawn else 0,
        )

    return _changed(lines, broken, more)


def _status(lines: list[ExportRow], broken: Mapping[str, str]) -> Broken:
    return _changed(lines, broken, lambda line: replace(line, status=FAILED))


def _running_balance(lines: list[ExportRow], broken: Mapping[str, str]) -> Broken:
    return _changed(lines, broken, lambda line: replace(line, balance=line.balance + 7))


def _duplicate(lines: list[ExportRow], broken: Mapping[str, str]) -> Broken:
    place = _first(lines, broken)
    return [*lines[:place], lines[place], *lines[place:]], lines[place].receipt


def _changed(
    lines: list[ExportRow], broken: Mapping[str, str], change: Callable[[ExportRow], ExportRow]
) -> Broken:
    place = _first(lines, broken)
    line = lines[place]
    return [*lines[:place], change(line), *lines[place + 1 :]], line.receipt


BREAKS: Mapping[str, Callable[[list[ExportRow], Mapping[str, str]], Broken]] = MappingProxyType(
    {
        "only_there": _only_there,
        "only_here": _only_here,
        "amount": _amount,
        "status": _status,
        "running_balance": _running_balance,
        "duplicate": _duplicate,
    }
)

_TODAYS = [
    "Receipt No.", "Completion Time", "Initiation Time", "Details", "Transaction Status", "Paid In",
    "Withdrawn", "Balance", "Balance Confirmed", "Reason Type", "Other Party Info",
    "Linked Transaction ID", "A/C No.",
]  # fmt: skip
_OLDER = [
    "Receipt", "Date", "Details", "Status", "Withdrawn", "Paid In", "Balance", "Balance Confirmed",
    "Transaction Type", "Other Party Info", "Transaction Party Details",
]  # fmt: skip


def _file(lines: list[ExportRow], form: ExportForm) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    rows: list[list[str]] = []
    if form.has_preamble:
        rows += [["Organization Name", _ORGANISATION], ["Paybill", form.short_code], []]
    rows.append(_OLDER if form.is_older else _TODAYS)
    rows += [_cells(line, form) for line in lines]
    for number, cells in enumerate(rows, 1):
        writer.writerow(["?", *cells[1:]] if number == form.malformed_row else cells)
    return out.getvalue()


def _cells(line: ExportRow, form: ExportForm) -> list[str]:
    moment = line.moment.strftime(form.date_form)
    paid_in = f"{line.paid_in:,}.00" if line.paid_in else ""
    withdrawn = f"-{line.withdrawn:,}.00" if line.withdrawn else ""
    balance, confirmed = f"{line.balance:,}.00", str(line.status == COMPLETED).upper()
    if form.is_older:
        return [
            *(line.receipt, moment, line.details, line.status, withdrawn, paid_in),
            *(balance, confirmed, line.reason, line.other_party, ""),
        ]
    return [
        *(line.receipt, moment, moment, line.details, line.status, paid_in, withdrawn, balance),
        *(confirmed, line.reason, line.other_party, line.linked, line.account_number),
    ]
