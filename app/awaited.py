"""Reading what was written a moment ago: the read model is about to have it."""

from __future__ import annotations

import time
from collections.abc import Callable

from app.problems import Problem

FRESH_SECONDS_MAX = 2.0


def awaited(read: Callable[[], str | None]) -> str:
    """What `read` answers, as soon as it answers something. Only for what is known to exist.

    Raises:
        Problem: the read model lags behind.
    """
    deadline = time.monotonic() + FRESH_SECONDS_MAX
    while time.monotonic() < deadline:
        found = read()
        if found is not None:
            return found
        time.sleep(0.02)
    raise Problem(
        503,
        "read_model_behind",
        "This exists, but its read model lags behind. Please try again.",
        headers={"Retry-After": "2"},
    )
