"""When the first instalment of a loan falls due."""

from __future__ import annotations

from datetime import date

from domain.errors import InvalidInput
from domain.loans.schedule import months_after

FIRST_DUE_DAYS_MAX = 92


def check_first_due(first_due_on: date, start: date) -> None:
    """A day that somebody gives. Raises InvalidInput."""
    if not _is_soon_after(first_due_on, start):
        raise InvalidInput(
            "first_due_date", f"The first instalment is due within {FIRST_DUE_DAYS_MAX} days."
        )


def first_due(asked: date | None, *, paid_out_on: date) -> date:
    """The day that was asked for, where the loan was paid out in time for it; or a month later."""
    if asked is not None and _is_soon_after(asked, paid_out_on):
        return asked
    return months_after(paid_out_on, 1)


def _is_soon_after(day: date, start: date) -> bool:
    return 0 < (day - start).days <= FIRST_DUE_DAYS_MAX
