"""What is still to happen in a life, day by day."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from datetime import date

Act = Callable[[date], None]


class Agenda:
    """Acts in the order of their days; those of one day in the order they were entered."""

    def __init__(self, until: date) -> None:
        self.until = until
        self._today = date.min
        self._order = itertools.count()
        self._acts: list[tuple[date, int, Act]] = []

    def at(self, day: date, act: Act) -> None:
        """Enter an act. What lies behind happens today, what lies beyond the end does not."""
        day = max(day, self._today)
        if day <= self.until:
            heapq.heappush(self._acts, (day, next(self._order), act))

    def run(self) -> None:
        """Let it all happen. Acts may enter others."""
        while self._acts:
            day, _, act = heapq.heappop(self._acts)
            self._today = day
            act(day)
