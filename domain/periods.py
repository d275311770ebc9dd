"""Calendar periods, as reports are asked for: a day, a week from Monday on, a month and so on."""

from __future__ import annotations

from calendar import monthrange
from datetime import date
from enum import StrEnum
from typing import NamedTuple


class PeriodLength(StrEnum):
    """How long a period is. The values are the accounting API's own."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    YEARLY = "yearly"


class Period(NamedTuple):
    """Days from the first to the last, both included."""

    first: date
    last: date


_MONTHS = {PeriodLength.MONTHLY: 1, PeriodLength.QUARTERLY: 3, PeriodLength.YEARLY: 12}


def period_of(day: date, length: PeriodLength) -> Period:
    """The calendar period of this length that holds the day."""
    if length is PeriodLength.DAILY:
        return Period(day, day)
    if length is PeriodLength.WEEKLY:
        monday_ordinal = max(day.toordinal() - day.weekday(), 1)
        sunday_ordinal = min(monday_ordinal + 6, date.max.toordinal())
        return Period(date.fromordinal(monday_ordinal), date.fromordinal(sunday_ordinal))
    months = _MONTHS[length]
    first_month = day.month - (day.month - 1) % months
    last_month = first_month + months - 1
    return Period(
        date(day.year, first_month, 1),
        date(day.year, last_month, monthrange(day.year, last_month)[1]),
    )


def window(length: PeriodLength, today: date, first: date | None, last: date | None) -> Period:
    """The days a report speaks of: as given, and what is not given as the calendar has it.

    Without days it is today's period; with one of them, it reaches to that end of the period which
    holds it.
    """
    held = period_of(first or last or today, length)
    return Period(first or held.first, last or held.last)
