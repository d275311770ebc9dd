"""How single values are read from a file. Each raises InvalidInput, without telling the value."""

from __future__ import annotations

import re
from datetime import date

from domain.dates import EARLIEST_DAY
from domain.errors import InvalidInput
from domain.loans.terms import TERM_MONTHS_MAX
from domain.money import cents_from_text

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_NOTHING = re.compile(r"0+(\.0{1,2})?", re.ASCII)
_PERCENT = re.compile(r"\d{1,3}(\.\d{1,4})?", re.ASCII)
_LAST_DAY = date(2100, 12, 31)


def day(text: str, field: str) -> date:
    """A day such as 2026-11-23."""
    try:
        read = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        read = None
    if read is None or not EARLIEST_DAY <= read <= _LAST_DAY:
        raise InvalidInput(field, f"Give a day such as 2026-11-23, from {EARLIEST_DAY} on.")
    return read


def amount(text: str, field: str) -> int:
    """Shillings above zero, as cents."""
    return cents_from_text(text, field=field)


def amount_or_nothing(text: str, field: str) -> int:
    """Shillings of zero or more, as cents."""
    return 0 if _NOTHING.fullmatch(text) else cents_from_text(text, field=field)


def months(text: str, field: str) -> int:
    """A number of months, perhaps none."""
    if not re.fullmatch(r"\d{1,3}", text, re.ASCII) or int(text) > TERM_MONTHS_MAX:
        raise InvalidInput(field, f"Give a whole number of months, at most {TERM_MONTHS_MAX}.")
    return int(text)


def percent(text: str, field: str) -> str:
    """A rate such as 12 or 1.5."""
    if not _PERCENT.fullmatch(text):
        raise InvalidInput(field, "Give a percentage such as 12 or 1.5.")
    return text


def code(text: str, field: str) -> str:
    """A loan product's code, as `daystar loan-products list` shows it."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{1,39}", text, re.ASCII):
        raise InvalidInput(field, "Give the product's code, as `daystar loan-products list` does.")
    return text


def number(text: str, field: str) -> str:
    """A number under which people know something: letters, digits, dashes and strokes."""
    if not re.fullmatch(r"[A-Za-z0-9/-]{1,20}", text, re.ASCII):
        raise InvalidInput(field, "Give 1 to 20 letters, digits, dashes and strokes.")
    return text
