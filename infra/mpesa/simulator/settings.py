"""What the simulated M-Pesa is told at its start."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class SimulatorSettings:
    """One merchant, and the pace of the pretended payers. The client must use the same values."""

    consumer_key: str
    consumer_secret: str = field(repr=False)
    short_code: str
    pass_key: str = field(repr=False)
    delay_seconds_min: float = 0.2  # from the acknowledgement to the payer's decision
    delay_seconds_max: float = 1.0
    late_seconds: float = 3.0  # from a first result to the one that corrects it
    silence_seconds_max: float = 60.0  # how long a withheld answer holds its connection
    remembered_max: int = 100_000  # pushes, and rows of the ledger; the oldest go first

    def __post_init__(self) -> None:
        assert 0 <= self.delay_seconds_min <= self.delay_seconds_max
        assert self.late_seconds >= 0
        assert self.remembered_max > 0
