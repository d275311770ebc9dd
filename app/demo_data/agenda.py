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
        self._order = itertools.count()
        self._acts: list[tuple[date, int, Act]] = []

    def at(self, day: date, act: Act) -> None:
        """Enter an act. One beyond the end does not happen."""
        if day <= self.until:
            heapq.heappush(self._acts, (day, next(self._order), act))

    def run(self) -> None:
        """Let it all happen. Acts may enter later ones, none earlier than themselves."""
        while self._acts:
            day, _, act = heapq.heappop(self._acts)
            act(day)
