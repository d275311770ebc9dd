"""The co-operative's calendar. A business day is a day in Nairobi (UTC+3, no summer time)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone

from domain.errors import InvalidInput

NAIROBI = timezone(timedelta(hours=3), "EAT")
EARLIEST_DAY = date(2000, 1, 1)
MOMENT_WANTED = (
    "Give a day (2026-03-31, its end in Nairobi) or a time (2026-03-31T17:30:00+03:00; without a"
    " zone, Nairobi's)."
)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOMENT = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+ -]\d{2}:\d{2})?", re.ASCII
)


def business_day(moment: datetime) -> date:
    """The day in Nairobi on which a moment falls."""
    return moment.astimezone(NAIROBI).date()


def text_from_moment(moment: datetime) -> str:
    """A moment as events carry it: ISO 8601 in UTC."""
    return moment.astimezone(UTC).isoformat()


def moment_from_text(text: str, *, field: str) -> datetime:
    """A time that somebody names, in UTC. A day means its end.

    Raises:
        InvalidInput: it is neither.
    """
    try:
        if _DAY.fullmatch(text):
            end = datetime.combine(date.fromisoformat(text), time.max, NAIROBI)
            return end.astimezone(UTC)
        if _MOMENT.fullmatch(text):
            # A plus sign that was not escaped in an address arrives as a space.
            moment = datetime.fromisoformat(text.replace(" ", "+"))
            return (moment if moment.tzinfo else moment.replace(tzinfo=NAIROBI)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(field, MOMENT_WANTED) from error
    raise InvalidInput(field, MOMENT_WANTED)


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
