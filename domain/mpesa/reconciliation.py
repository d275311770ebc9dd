"""Holding a statement against our books: what agrees, and what does not, to the cent.

A line finds its counterpart by the receipt number. What has no receipt number with us yet (a push
paid by a query's word, a payout in doubt) is found by its particulars: amount, phone, time and
account number; and only where one line and one movement fit each other and nothing else does. The
rest is for a person. Nothing here changes anything: the same lines and the same books give the
same answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.mpesa.matching import Match, Movement, MovementKind, by_particulars, by_receipt, fit
from domain.mpesa.statement import (
    Balances,
    Line,
    LineKind,
    LineStatus,
    Side,
    Window,
    balances,
    without_repeats,
)


class DifferenceKind(StrEnum):
    """In what way they and we disagree."""

    ONLY_THERE = "only_there"
    ONLY_HERE = "only_here"
    AMOUNT = "amount"
    STATUS = "status"
    DUPLICATE = "duplicate"
    CHARGE = "charge"
    RUNNING_BALANCE = "running_balance"


@dataclass(frozen=True)
class Difference:
    """One disagreement. Cents are signed: what came in is above zero.

    `effect_cents` is how much of the difference between their sum and ours it explains; a gap in
    the balances, and a line that stands there again, explain nothing of it.
    """

    kind: DifferenceKind
    key: str
    at: datetime
    theirs_cents: int
    ours_cents: int
    effect_cents: int
    line: Line | None = None
    ours: Movement | None = None

    @property
    def receipt_number(self) -> str | None:
        """The receipt number it is about, where there is one."""
        if self.line is not None:
            return self.line.receipt_number
        return self.ours.receipt_number if self.ours else None


@dataclass(frozen=True)
class Comparison:
    """All that was found. The sums are by kind of line, signed."""

    balances: Balances
    matches: tuple[Match, ...]
    differences: tuple[Difference, ...]
    theirs: Mapping[str, int]
    ours: Mapping[str, int]

    @property
    def unlike_cents(self) -> int:
        """Their sum less ours. The differences explain it wholly, always."""
        return sum(self.theirs.values()) - sum(self.ours.values())


def compare(lines: Sequence[Line], ours: Iterable[Movement], *, certain: Window) -> Comparison:
    """Hold lines, from the oldest to the newest, against our movements.

    Ours may hold more than the statement can know of: only what moved within `certain` is missed
    where no line speaks of it.
    """
    once, again = without_repeats(lines)
    books = list(ours)
    told = [line for line in once if line.kind is not LineKind.CHARGE]
    matches = by_receipt(told, books)
    for status in (LineStatus.COMPLETED, LineStatus.FAILED):
        matches += by_particulars([ln for ln in told if ln.status is status], books, matches)
    balance = balances(once)
    differences = [
        *_unlike(matches),
        *_only_there(told, matches),
        *_only_here(books, matches, certain),
        *_charges(once, matches),
        *(_again(line) for line in again),
        *(_gap(gap.line, gap.cents) for gap in balance.gaps),
    ]
    found = Comparison(
        balances=balance,
        matches=tuple(matches),
        differences=tuple(sorted(differences, key=lambda each: (each.at, each.kind, each.key))),
        theirs=_theirs(once),
        ours=_ours(matches, differences, has_charges=_tells_charges(once)),
    )
    explained = sum(difference.effect_cents for difference in differences)
    assert found.unlike_cents == explained, "every cent of the difference has its name"
    return found


def _unlike(matches: Iterable[Match]) -> list[Difference]:
    found = []
    for match in matches:
        line, ours = match.line, match.ours
        if line.moved_cents == ours.moved_cents:
            unsettled = not ours.moved and ours.status != "failed"
            if line.status is LineStatus.FAILED and unsettled:
                found.append(_difference(DifferenceKind.STATUS, line, ours))
        elif line.moved_cents and ours.moved:
            found.append(_difference(DifferenceKind.AMOUNT, line, ours))
        else:
            found.append(_difference(DifferenceKind.STATUS, line, ours))
    return found


def _difference(kind: DifferenceKind, line: Line, ours: Movement | None) -> Difference:
    ours_cents = ours.moved_cents if ours else 0
    return Difference(
        kind=kind,
        key=line.key,
        at=line.completed_at,
        theirs_cents=line.moved_cents,
        ours_cents=ours_cents,
        effect_cents=line.moved_cents - ours_cents,
        line=line,
        ours=ours,
    )


def _only_there(lines: Iterable[Line], matches: list[Match]) -> list[Difference]:
    taken = {match.line.key for match in matches}
    return [
        _difference(DifferenceKind.ONLY_THERE, line, None)
        for line in lines
        if line.moved_cents and line.key not in taken
    ]


def _only_here(
    books: Iterable[Movement], matches: list[Match], certain: Window
) -> list[Difference]:
    """What no line speaks of. A push whose line has a receipt of its own is counted twice."""
    taken = {match.ours.id for match in matches}
    lines: dict[tuple[Side, int], list[Line]] = defaultdict(list)
    for match in matches:
        lines[match.line.side, match.line.amount_cents].append(match.line)
    found = []
    for ours in books:
        if ours.id in taken or not ours.moved:
            continue
        alike = lines.get((ours.side, ours.amount_cents), ())
        if ours.receipt_number is None and any(fit(line, ours) for line in alike):
            found.append(_ours_alone(DifferenceKind.DUPLICATE, ours))
        elif certain.holds(ours.at):
            found.append(_ours_alone(DifferenceKind.ONLY_HERE, ours))
    return found


def _ours_alone(kind: DifferenceKind, ours: Movement) -> Difference:
    return Difference(
        kind=kind,
        key=f"{ours.known_as}|{ours.side}",
        at=ours.at,
        theirs_cents=0,
        ours_cents=ours.moved_cents,
        effect_cents=-ours.moved_cents,
        ours=ours,
    )


def _tells_charges(lines: Iterable[Line]) -> bool:
    """Safaricom may keep charges on an account of their own: then no row here speaks of any."""
    return any(line.kind is LineKind.CHARGE and line.moved_cents for line in lines)


def _charges(lines: Sequence[Line], matches: list[Match]) -> list[Difference]:
    """All rows of a payout's charge are held against its own; others are booked nowhere."""
    if not _tells_charges(lines):
        return []
    payouts = {
        match.line.receipt_number: match
        for match in matches
        if match.ours.kind is MovementKind.PAYOUT and match.line.moved_cents
    }
    taken: dict[str, list[Line]] = defaultdict(list)
    found = []
    for line in lines:
        if line.kind is LineKind.CHARGE and line.moved_cents:
            parent = payouts.get(line.receipt_number) or payouts.get(line.linked_receipt or "")
            if parent is None:
                found.append(_difference(DifferenceKind.CHARGE, line, None))
            else:
                taken[parent.line.receipt_number].append(line)
    for receipt_number, match in payouts.items():
        found += _charge_of(match, taken[receipt_number])
    return found


def _charge_of(match: Match, lines: list[Line]) -> list[Difference]:
    theirs = sum(line.moved_cents for line in lines)
    ours = -match.ours.charge_cents if match.ours.moved else 0
    if theirs == ours:
        return []
    line = lines[0] if lines else match.line
    return [
        Difference(
            kind=DifferenceKind.CHARGE,
            key=line.key,
            at=line.completed_at,
            theirs_cents=theirs,
            ours_cents=ours,
            effect_cents=theirs - ours,
            line=line,
            ours=match.ours,
        )
    ]


def _again(line: Line) -> Difference:
    return Difference(
        kind=DifferenceKind.DUPLICATE,
        key=line.key,
        at=line.completed_at,
        theirs_cents=line.moved_cents,
        ours_cents=0,
        effect_cents=0,
        line=line,
    )


def _gap(line: Line, cents: int) -> Difference:
    return Difference(
        kind=DifferenceKind.RUNNING_BALANCE,
        key=line.key,
        at=line.completed_at,
        theirs_cents=cents,
        ours_cents=0,
        effect_cents=0,
        line=line,
    )


def _theirs(lines: Iterable[Line]) -> dict[str, int]:
    sums = dict.fromkeys(map(str, LineKind), 0)
    for line in lines:
        sums[line.kind] += line.moved_cents
    return sums


def _ours(
    matches: Iterable[Match], differences: Iterable[Difference], *, has_charges: bool
) -> dict[str, int]:
    """Ours that the statement speaks of, each under the kind of its line; and what it lacks."""
    sums = dict.fromkeys(map(str, LineKind), 0)
    for match in matches:
        sums[match.line.kind] += match.ours.moved_cents
        if has_charges and match.line.moved_cents and match.ours.moved:
            sums[LineKind.CHARGE] -= match.ours.charge_cents
    for difference in differences:
        if difference.line is None and difference.ours is not None:
            sums[difference.ours.line_kind] += difference.ours_cents
    return sums
