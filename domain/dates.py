"""The co-operative's calendar. A business day is a day in Nairobi (UTC+3, no summer time)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

from domain.errors import InvalidInput

NAIROBI = timezone(timedelta(hours=3), "EAT")
EARLIEST_DAY = date(2000, 1, 1)


def business_day(moment: datetime) -> date:
    """The day in Nairobi on which a moment falls."""
    return moment.astimezone(NAIROBI).date()


def text_from_moment(moment: datetime) -> str:
    """A moment as events carry it: ISO 8601 in UTC."""
    return moment.astimezone(UTC).isoformat()


def checked_value_day(day: date, *, today: date, field: str) -> date:
    """A day on which something may be said to have happened.

    Raises:
        InvalidInput: the day is in the future, or before the co-operative kept books.
    """
    if day > today:
        raise InvalidInput(field, f"{day.isoformat()} is in the future; today is {today}.")
    if day < EARLIEST_DAY:
        raise InvalidInput(field, f"{day.isoformat()} is before {EARLIEST_DAY.isoformat()}.")
    return day
