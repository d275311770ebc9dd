"""One row of the organisation's statement: the columns of each layout, what their cells mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from infra.mpesa.c2b_notices import account_number
from infra.mpesa.particulars import kenyan_moment, party, receipt_number, signed_cents
from infra.mpesa.unreadable import UnreadableCallback
from infra.mpesa.wire import identifier, sentence

# What the export calls a column, and what we call it.
_TODAYS = MappingProxyType(
    {
        "receipt no.": "receipt",
        "completion time": "completed",
        "initiation time": "initiated",
        "details": "details",
        "transaction status": "status",
        "paid in": "paid_in",
        "withdrawn": "withdrawn",
        "balance": "balance",
        "balance confirmed": "balance_confirmed",
        "reason type": "reason_type",
        "other party info": "other_party",
        "linked transaction id": "linked_receipt",
        "a/c no.": "account_number",
    }
)
_OLDER = MappingProxyType(
    {
        "receipt": "receipt",
        "date": "completed",
        "details": "details",
        "status": "status",
        "withdrawn": "withdrawn",
        "paid in": "paid_in",
        "balance": "balance",
        "balance confirmed": "balance_confirmed",
        "transaction type": "reason_type",
        "other party info": "other_party",
        "transaction party details": "party_details",
    }
)
LAYOUTS: tuple[Mapping[str, str], ...] = (_TODAYS, _OLDER)

_AMOUNT = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d{1,2})?", re.ASCII)
_KENYAN_DATE = re.compile(r"\d{2}-\d{2}-\d{4} \d{2}:\d{2}:\d{2}", re.ASCII)
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}", re.ASCII)
# The older layout has no column for it: "Pay Bill from 254700000001 - JANE DOE Acc. M001".
_ACCOUNT_IN_DETAILS = re.compile(r"\bAcc\. (.+)$")


@dataclass(frozen=True)
class Layout:
    """Where each column of one file stands."""

    places: Mapping[str, int]
    width: int

    def named(self, cells: list[str]) -> dict[str, str]:
        """The cells by name. Raises UnreadableCallback."""
        if len(cells) < self.width or any(cell.strip() for cell in cells[self.width :]):
            raise UnreadableCallback(f"there are {len(cells)} cells, not {self.width}")
        return {name: cells[place].strip() for name, place in self.places.items()}


def read_row(cells: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a StatementLine. Raises UnreadableCallback, which names the column."""
    paid_in = abs_cents(cells["paid_in"], name="Paid In", may_be_negative=False)
    withdrawn = abs_cents(cells["withdrawn"], name="Withdrawn", may_be_negative=True)
    if paid_in and withdrawn:
        raise UnreadableCallback("money both paid in and withdrawn")
    initiated, linked = cells.get("initiated"), cells.get("linked_receipt")
    status = sentence(cells["status"], length_max=40)
    if not status:
        raise UnreadableCallback("there is no status")
    return {
        "receipt_number": receipt_number(cells["receipt"], name="receipt"),
        "completed_at": _moment(cells["completed"], name="completion time"),
        "initiated_at": _moment(initiated, name="initiation time") if initiated else None,
        "details": sentence(cells["details"], length_max=500),
        "status": status,
        "paid_in_cents": paid_in,
        "withdrawn_cents": withdrawn,
        "balance_cents": _cents(cells["balance"], name="Balance") if cells["balance"] else None,
        "reason_type": sentence(cells["reason_type"], length_max=100),
        "other_party": party(cells["other_party"]),
        "linked_receipt_number": identifier(linked, length_max=60),
        "account_number": _account_number(cells),
    }


def abs_cents(text: str, *, name: str, may_be_negative: bool) -> int:
    """The amount of a side; an empty cell is nothing. The minus of Withdrawn says nothing more."""
    amount_cents = _cents(text, name=name) if text else 0
    if amount_cents < 0 and not may_be_negative:
        raise UnreadableCallback(f"the {name} is below zero")
    return abs(amount_cents)


def _cents(text: str, *, name: str) -> int:
    if not _AMOUNT.fullmatch(text):
        raise UnreadableCallback(f"there is no usable {name}")
    return signed_cents(text.replace(",", ""), name=name)


def _moment(text: str, *, name: str) -> datetime:
    if _KENYAN_DATE.fullmatch(text):
        return kenyan_moment(text, "%d-%m-%Y %H:%M:%S", name=name)
    if _ISO_DATE.fullmatch(text):
        return kenyan_moment(text, "%Y-%m-%d %H:%M:%S", name=name)
    raise UnreadableCallback(f"there is no usable {name}")


def _account_number(cells: Mapping[str, str]) -> str | None:
    if "account_number" in cells:
        return account_number(cells["account_number"])
    found = _ACCOUNT_IN_DETAILS.search(cells["details"])
    return account_number(found[1]) if found else None
