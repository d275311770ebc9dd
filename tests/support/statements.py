"""Money that moved through a short code, and the statement that Safaricom would give of it.

What really moved is the oracle: our books and the statement are both made from it, and each break
is put into one of them.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from domain.dates import NAIROBI
from domain.money import text_from_cents
from domain.mpesa.matching import Movement, MovementKind
from domain.mpesa.payer import Payer
from domain.mpesa.statement import Line, LineStatus, Side

SHORT_CODE = "600000"
FIRST = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)
OPENING_CENTS = 1_000_000_00
_NAMESPACE = UUID("00000000-0000-0000-0000-000000000007")
_REASONS = {
    "payment": "Pay Bill Online",
    "push": "Pay Bill Online",
    "payout": "Business Payment to Customer via API",
    "transfer": "Organization Settlement",
}
_NEWER = (
    *("Receipt No.", "Completion Time", "Initiation Time", "Details", "Transaction Status"),
    *("Paid In", "Withdrawn", "Balance", "Balance Confirmed", "Reason Type", "Other Party Info"),
    *("Linked Transaction ID", "A/C No."),
)
_OLDER = (
    *("Receipt", "Date", "Details", "Status", "Withdrawn", "Paid In", "Balance"),
    *("Balance Confirmed", "Transaction Type", "Other Party Info", "Transaction Party Details"),
)


@dataclass(frozen=True)
class Moved:
    """One movement as it really was: the `number`-th, three hours after the one before.

    Phone and reference are made of the number, unless a test has its own.
    """

    number: int
    kind: str  # payment, push (posted by query, its receipt awaited), payout, transfer
    shillings: int
    charge_shillings: int = 0
    told_phone: str = ""
    told_reference: str = ""

    @property
    def receipt_number(self) -> str:
        return f"UB3{self.number:07d}"

    @property
    def at(self) -> datetime:
        return FIRST + timedelta(hours=3 * self.number)

    @property
    def phone(self) -> str:
        return self.told_phone or f"2547{self.number:08d}"

    @property
    def reference(self) -> str:
        return self.told_reference or f"REF{self.number:09d}"

    @property
    def id(self) -> UUID:
        return uuid5(_NAMESPACE, str(self.number))

    @property
    def side(self) -> Side:
        return Side.IN if self.kind in ("payment", "push") else Side.OUT

    def ours(self) -> Movement | None:
        """As our books tell it; of a transfer to the bank they tell nothing."""
        if self.kind == "transfer":
            return None
        kinds = {"payment": MovementKind.RECEIPT, "push": MovementKind.PUSH}
        is_push = self.kind == "push"
        return Movement(
            id=self.id,
            kind=kinds.get(self.kind, MovementKind.PAYOUT),
            receipt_number=None if is_push else self.receipt_number,
            amount_cents=self.shillings * 100,
            begun_at=self.at,
            at=self.at + timedelta(seconds=40),
            status="succeeded",
            phone=self.phone,
            account_number=self.reference if is_push else None,
            charge_cents=self.charge_shillings * 100,
        )

    def lines(self) -> list[Line]:
        """As the statement tells it, without balances: the charge stands before what it is for."""
        line = Line(
            number=0,
            receipt_number=self.receipt_number,
            completed_at=self.at,
            status=LineStatus.COMPLETED,
            side=self.side,
            amount_cents=self.shillings * 100,
            balance_cents=None,
            reason_type=_REASONS[self.kind],
            account_number=self.reference if self.side is Side.IN else None,
            payer=Payer(phone=self.phone, name="JANE DOE"),
        )
        charge = replace(
            line,
            side=Side.OUT,
            amount_cents=self.charge_shillings * 100,
            reason_type="B2C Charge",
            linked_receipt=self.receipt_number,
            account_number=None,
            payer=Payer(),
        )
        return [charge, line] if self.charge_shillings else [line]


def balanced(lines: list[Line]) -> list[Line]:
    """The same with the balance after each."""
    balance, told = OPENING_CENTS, []
    for number, line in enumerate(lines, 1):
        balance += line.moved_cents
        told.append(replace(line, number=number, balance_cents=balance))
    return told


def newer_layout(lines: list[Line], short_code: str = SHORT_CODE) -> bytes:
    """As the portal exports it today: a preamble, newest first, CRLF, a mark of UTF-8."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([("Organization Name", "EXAMPLE SACCO"), ("Paybill", short_code), ()])
    writer.writerow(_NEWER)
    for line in reversed(lines):
        at = f"{line.completed_at.astimezone(NAIROBI):%d-%m-%Y %H:%M:%S}"
        writer.writerow(
            (
                *(line.receipt_number, at, at, line.reason_type, str(line.status).capitalize()),
                *(_paid_in(line), _withdrawn(line), _shillings(line.balance_cents), "TRUE"),
                *(line.reason_type, _party(line), line.linked_receipt or ""),
                line.account_number or "",
            )
        )
    return text.getvalue().encode("utf-8-sig")


def older_layout(lines: list[Line]) -> bytes:
    """As it was exported before: other columns, ISO days, no preamble."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_OLDER)
    for line in reversed(lines):
        at = f"{line.completed_at.astimezone(NAIROBI):%Y-%m-%d %H:%M:%S}"
        writer.writerow(
            (
                *(line.receipt_number, at, _details(line), str(line.status).capitalize()),
                *(_withdrawn(line), _paid_in(line), _shillings(line.balance_cents), "TRUE"),
                *(line.reason_type, _party(line), line.account_number or ""),
            )
        )
    return text.getvalue().encode()


def _details(line: Line) -> str:
    """The older layout tells the account number in words alone."""
    account = f" Acc. {line.account_number}" if line.account_number else ""
    return f"{line.reason_type}{account}"


def _paid_in(line: Line) -> str:
    return _shillings(line.amount_cents) if line.side is Side.IN else ""


def _withdrawn(line: Line) -> str:
    return f"-{_shillings(line.amount_cents)}" if line.side is Side.OUT else ""


def _shillings(cents: int | None) -> str:
    if cents is None:
        return ""
    whole, _, part = text_from_cents(cents).partition(".")
    return f"{int(whole):,}.{part}"


def _party(line: Line) -> str:
    if line.payer.phone is None:
        return f"{SHORT_CODE} - EXAMPLE SACCO"
    return f"{line.payer.phone} - {line.payer.name}"
