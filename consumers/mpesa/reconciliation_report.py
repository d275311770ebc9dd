"""What a run found and did, for whoever asked for it. The log has it all; this is to be shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from domain.mpesa.reconciliation_case import Ending, ReconciliationCase, Source
from domain.mpesa.reconciliation_run import Standing

_PUT_RIGHT = frozenset({Ending.POSTED, Ending.SETTLED, Ending.CHARGE_BOOKED})


@dataclass
class Report:
    """One run: its cases as they stand, and what this look brought."""

    run_id: UUID
    short_code: str
    source: Source
    started_by: str
    standing: Standing | None = None
    cases: dict[UUID, ReconciliationCase] = field(default_factory=dict)
    put_right_now: int = 0
    receipts_told: int = 0
    ended: int = 0
    problem: str = ""

    @property
    def has_open_cases(self) -> bool:
        """Whether something of it still waits."""
        return self.standing is not None and bool(self.standing.open_cases)

    def note(self, cases: Iterable[ReconciliationCase]) -> None:
        """Remember cases; `put_right_now` counts those of this look that nobody need look at."""
        self.put_right_now = 0
        for case in cases:
            if case.id not in self.cases and case.ending in _PUT_RIGHT:
                self.put_right_now += 1
            self.cases[case.id] = case
