"""Waiting for what other processes do: look, and look again, until a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")


def eventually(
    look: Callable[[], Seen],
    *,
    within: float = 20.0,
    every: float = 0.02,
    what: str | Callable[[], object] = "",
) -> Seen:
    """What was seen, once it is anything at all."""
    deadline = time.monotonic() + within
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            told = what() if callable(what) else what
            raise AssertionError(told or f"it did not come true in {within} seconds")
        time.sleep(every)
