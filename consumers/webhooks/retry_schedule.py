"""When a delivery is tried again: the schedule that the Standard Webhooks specification advises."""

from __future__ import annotations

import random
from datetime import datetime
from email.utils import parsedate_to_datetime

from infra.webhooks.courier import Answer, Failure

MINUTES, HOURS = 60.0, 3_600.0
PAUSES_SECONDS = (
    *(0.0, 5.0, 5 * MINUTES, 30 * MINUTES, 2 * HOURS),
    *(5 * HOURS, 10 * HOURS, 14 * HOURS, 20 * HOURS, 24 * HOURS),
)
"""Before each attempt: ten of them, and more than three days from the first to the last."""
JITTER = 0.2
OVERLOADED_SECONDS = 60.0  # at the least, for who is overloaded
RETRY_AFTER_SECONDS_MAX = 24 * HOURS
_OVERLOADED = frozenset({429, 502, 504})


def pause_seconds(
    came: Answer | Failure,
    *,
    tried: int,
    now: datetime,
    chance: random.Random,
    pauses: tuple[float, ...] = PAUSES_SECONDS,
) -> float | None:
    """How long to wait after so many attempts of this round; None: it is given up.

    A receiver's own `Retry-After` may double a pause, and shorten none.
    """
    if tried >= len(pauses):
        return None
    pause = pauses[tried] * chance.uniform(1 - JITTER, 1 + JITTER)
    if came is Failure.TIMED_OUT or (isinstance(came, Answer) and came.status in _OVERLOADED):
        pause = max(pause, OVERLOADED_SECONDS)
    asked = _asked_seconds(came, now)
    return min(max(pause, min(asked, 2 * pause)), RETRY_AFTER_SECONDS_MAX)


def _asked_seconds(came: Answer | Failure, now: datetime) -> float:
    """What `Retry-After` asks for, in seconds or as a date; 0 where it says nothing sensible."""
    if not isinstance(came, Answer) or came.retry_after is None:
        return 0.0
    asked = came.retry_after.strip()
    if asked.isascii() and asked.isdigit() and len(asked) < 10:
        return float(asked)
    try:
        return (parsedate_to_datetime(asked) - now).total_seconds()
    except (TypeError, ValueError):
        return 0.0
