"""The books of one loan: its lines and entries, and what an entry would make of them.

The half of the `Loan` aggregate that only reckons. It decides nothing and triggers no event.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from domain.aggregate import Aggregate
from domain.loans import standing
from domain.loans.standing import Entry, Line, Parts, Penalty, Standing
from domain.loans.terms import LoanTerms


class LoanBooks(Aggregate):
    """Lines and entries of a loan. Amounts are cents, days ISO texts."""

    plain_terms: dict[str, Any]
    opened_on: str
    accrues_from: str
    opening: list[Line]
    lines: list[Line]
    entries: list[Entry]
    parts: dict[str, Parts]
    carried_cents: int
    latest_on: str

    def open_books(self, terms: dict[str, Any]) -> None:
        """Books in which nothing stands yet."""
        self.plain_terms = terms
        self.opened_on = ""
        self.accrues_from = ""
        self.opening = []
        self.lines = []
        self.entries = []
        self.parts = {}
        self.carried_cents = 0
        self.latest_on = ""

    def begin_lines(self, after: dict[str, Any], *, opened_on: str, accrues_from: str) -> None:
        """Begin a schedule: nothing counts before `opened_on`; interest runs from the other day."""
        self.opened_on = opened_on
        self.accrues_from = accrues_from
        self.opening = standing.copied(after["lines"])
        self.assign(after)

    @property
    def terms(self) -> LoanTerms:
        """The terms this loan was granted under, or restructured to."""
        return LoanTerms.from_plain(self.plain_terms)

    @property
    def balance_cents(self) -> int:
        """All that is still to be paid, due or not."""
        return standing.payable_cents(self.lines) - standing.paid_cents(self.lines)

    @property
    def principal_cents(self) -> int:
        """The principal still out."""
        return standing.principal_cents(self.lines)

    def overdue_cents(self, today: date) -> int:
        """What should have been paid before today."""
        return standing.overdue_cents(self.lines, today=today)

    def standing(self) -> Standing:
        """How the loan stands, as a copy to go on from."""
        return Standing(self.terms, self.lines, accrues_from=date.fromisoformat(self.accrues_from))

    def standing_with(self, entry: Entry, today: date) -> tuple[list[Line], dict[str, Parts]]:
        """The lines with one more entry, and the parts of the payments it changes or brings."""
        if entry["on"] < self.latest_on:
            return self.standing_after([*self.entries, entry], today)
        now = self.standing()
        taken = now.take(entry)
        now.assess(today)
        return now.lines, {entry["id"]: taken} if taken is not None else {}

    def standing_after(
        self, entries: Sequence[Entry], today: date
    ) -> tuple[list[Line], dict[str, Parts]]:
        """The lines had these been all entries, each in its place, and the parts that differ."""
        accrues_from = date.fromisoformat(self.accrues_from)
        then = Standing(self.terms, self.opening, accrues_from=accrues_from)
        parts = then.replay(entries)
        then.assess(today)
        changed = {key: value for key, value in parts.items() if value != self.parts.get(key)}
        return then.lines, changed

    def after(self, lines: Iterable[Line], *, carried_cents: int | None = None) -> dict[str, Any]:
        """What an event says of the books once these are the lines."""
        lines = sorted(lines, key=lambda line: line["number"])
        carried = self.carried_cents if carried_cents is None else carried_cents
        known = {line["number"]: line for line in self.lines}
        payable_cents = standing.payable_cents(lines) + carried
        paid_cents = standing.paid_cents(lines) + carried
        return {
            "lines": [line for line in lines if line != known.get(line["number"])],
            "payable_cents": payable_cents,
            "paid_cents": paid_cents,
            "balance_cents": payable_cents - paid_cents,
            "balance_change_cents": payable_cents - paid_cents - self.balance_cents,
            "principal_cents": standing.principal_cents(lines),
            "due_since": standing.due_since(lines),
        }

    def assign(self, after: dict[str, Any]) -> None:
        """Make an event's lines the lines."""
        lines = {line["number"]: line for line in self.lines}
        lines |= {line["number"]: line for line in after["lines"]}
        self.lines = [lines[number] for number in sorted(lines)]

    def penalties_changed(self, lines: Iterable[Line]) -> list[tuple[bool, Line, Penalty]]:
        """The penalties to reverse (False) and to charge (True), each with its line after it."""
        changes: list[tuple[bool, Line, Penalty]] = []
        for old, new in zip(self.lines, lines, strict=True):
            kept = 0
            for before, now in zip(old["penalties"], new["penalties"], strict=False):
                if before != now:
                    break
                kept += 1
            remaining = list(old["penalties"])
            for penalty in reversed(old["penalties"][kept:]):
                remaining = remaining[:-1]
                changes.append((False, _with_penalties(old, remaining), penalty))
            for penalty in new["penalties"][kept:]:
                remaining = [*remaining, penalty]
                changes.append((True, _with_penalties(old, remaining), penalty))
        return changes


def _with_penalties(line: Line, penalties: list[Penalty]) -> Line:
    [copy] = standing.copied([line])
    copy["penalties"] = penalties
    return copy
