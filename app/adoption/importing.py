"""Moving a file in: every row is looked at first, and nothing is written while one is wrong.

Looking at a row runs its command as far as the append. Rows are then appended many at a time; a
crash in between leaves whole rows, and the same file tells which ones those are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.adoption.kinds import Kind, Moment, column_of
from app.adoption.sheets import Fault, Row, read_rows
from app.wiring import Services
from domain.command_handlers import COMMAND_HANDLERS
from domain.errors import DomainError
from infra.event_store.dispatch import dispatch
from infra.event_store.errors import Contention
from infra.event_store.unit_of_work import Cause, UnitOfWork

EVENTS_PER_BATCH_MAX = 400  # a row decided a moment later may have an event more

Report = Callable[[str, int], None]
"""Told of each row that was looked at or moved in: the phase, and how many so far."""


@dataclass(frozen=True)
class GoodRow:
    """A row that is right: its line, its command, and how many events that brings."""

    line: int
    command: Any
    events: int


@dataclass
class Result:
    """What became of a file."""

    rows: int = 0
    moved_in: int = 0
    faults: list[Fault] = field(default_factory=list)
    good: list[GoodRow] = field(default_factory=list)

    @property
    def lines_at_fault(self) -> int:
        """How many lines are wrong, in one way or several."""
        return len({fault.line for fault in self.faults})


class Import:
    """One file of one kind."""

    def __init__(
        self, services: Services, cause: Cause, kind: Kind, moment: Moment, report: Report
    ) -> None:
        self._store = services.store
        self._cause = cause
        self._kind = kind
        self._moment = moment
        self._report = report
        self._claimed_by: dict[tuple[str, str], int] = {}

    def look(self, path: Path) -> Result:
        """Look at every row. Changes nothing. Raises InvalidInput where it is no such file."""
        result = Result()
        for row in read_rows(path, self._kind.columns):
            result.rows += 1
            if row.faults:
                result.faults.extend(row.faults)
            else:
                self._decide(row, result)
            self._report("looked at", result.rows)
        return result

    def move_in(self, result: Result) -> None:
        """Append the rows that are right. One that somebody was faster with becomes a fault."""
        for batch in _batches(result.good):
            unit = UnitOfWork(self._store, self._cause)
            try:
                for row in batch:
                    COMMAND_HANDLERS[type(row.command)](row.command, unit)
                unit.commit()
            except (DomainError, Contention):
                self._one_by_one(batch, result)
            else:
                result.moved_in += len(batch)
            self._report("moved in", result.moved_in)

    def _decide(self, row: Row, result: Result) -> None:
        unit = UnitOfWork(self._store, self._cause)
        try:
            command = self._kind.command(row.values, unit, self._moment)
            COMMAND_HANDLERS[type(command)](command, unit)
            unit.check_claims()
        except DomainError as error:
            result.faults.append(Fault(row.line, column_of(error), error.sentence))
            return
        for key in unit.claims:
            if key.taken is None:
                continue
            line = self._claimed_by.setdefault((key.scope, key.value), row.line)
            if line != row.line:
                sentence = f"Line {line} has the same."
                result.faults.append(Fault(row.line, column_of(key.taken()), sentence))
                return
        result.good.append(GoodRow(row.line, command, unit.size))

    def _one_by_one(self, batch: list[GoodRow], result: Result) -> None:
        for row in batch:
            try:
                dispatch(self._store, row.command, self._cause)
            except DomainError as error:
                result.faults.append(Fault(row.line, column_of(error), error.sentence))
            except Contention as error:
                result.faults.append(Fault(row.line, "-", str(error)))
            else:
                result.moved_in += 1


def _batches(good: list[GoodRow]) -> Iterator[list[GoodRow]]:
    batch: list[GoodRow] = []
    events = 0
    for row in good:
        if batch and events + row.events > EVENTS_PER_BATCH_MAX:
            yield batch
            batch, events = [], 0
        batch.append(row)
        events += row.events
    if batch:
        yield batch
