"""How fast the simulated M-Pesa and its pretended customers are; it can be changed as they go.

Each thing waits for a time of its own, so what began later may well end sooner.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from infra.mpesa.simulator.settings import SimulatorSettings
from infra.mpesa.simulator.timetable import Timetable

SECONDS_MAX = 600.0


@dataclass
class Pace:
    """The pauses, in seconds."""

    timetable: Timetable
    delay_seconds_min: float
    delay_seconds_max: float
    late_seconds: float

    @classmethod
    def of(cls, settings: SimulatorSettings, timetable: Timetable) -> Pace:
        """The pace that the settings name."""
        return cls(
            timetable,
            delay_seconds_min=settings.delay_seconds_min,
            delay_seconds_max=settings.delay_seconds_max,
            late_seconds=settings.late_seconds,
        )

    def soon(self, job: Callable[[], object]) -> None:
        """As long as a customer takes to decide, or Safaricom to tell."""
        pause = random.uniform(self.delay_seconds_min, self.delay_seconds_max)  # noqa: S311 - a pace, not a secret
        self.timetable.after(pause, job)

    def later(self, job: Callable[[], object]) -> None:
        """Well after that."""
        self.timetable.after(self.late_seconds, job)
