"""A statement of one short code: what Safaricom says moved, line by line, and whether it adds up.

A line is known by its receipt number, reason type, side and amount together: the row of a charge
repeats the receipt number of the payment that it was taken for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from domain.dates import text_from_moment
from domain.mpesa.payer import Payer

_LOOK_AHEAD = 20  # lines, to tell a balance that stays off from one that was misprinted
GRACE = timedelta(days=1)
"""How much at the edges of a statement is left to chance."""


class Side(StrEnum):
    """Which way the money went, seen from the short code."""

    IN = "in"
    OUT = "out"


class LineStatus(StrEnum):
    """Whether the money moved. Only what is completed did; what `other` means nobody says."""

    COMPLETED = "completed"
    FAILED = "failed"
    OTHER = "other"


class LineKind(StrEnum):
    """What a line is of, by its reason type."""

    PAYMENT = "payment"
    PAYOUT = "payout"
    REVERSAL = "reversal"
    CHARGE = "charge"
    TRANSFER = "transfer"
    OTHER = "other"


# The first that is found in the reason type, in small letters, decides. The exact words of the
# export are not documented; these were told by integrators, and what is unknown goes to a person.
_KINDS = (
    (re.compile(r"charge|\bfees?\b|tariff"), LineKind.CHARGE),
    (re.compile(r"revers"), LineKind.REVERSAL),
    (re.compile(r"(business|salary|promotion) payment"), LineKind.PAYOUT),
    (re.compile(r"settlement|withdraw|organi[sz]ation"), LineKind.TRANSFER),
    (re.compile(r"pay[ -]?bill|pay utility|merchant payment|buy[ -]?goods"), LineKind.PAYMENT),
)
_SIDE_OF = {LineKind.PAYMENT: Side.IN, LineKind.PAYOUT: Side.OUT, LineKind.CHARGE: Side.OUT}


@dataclass(frozen=True)
class Line:
    """One row: `number` is where it stands in the file, amounts are cents and above zero."""

    number: int
    receipt_number: str
    completed_at: datetime
    status: LineStatus
    side: Side
    amount_cents: int
    balance_cents: int | None
    reason_type: str
    linked_receipt: str | None = None
    account_number: str | None = field(default=None, repr=False)
    payer: Payer = field(default_factory=Payer)

    @property
    def key(self) -> str:
        """By what it is known, in whichever statement it stands."""
        reason = self.reason_type.casefold()
        return f"{self.receipt_number}|{reason}|{self.side}|{self.amount_cents}"

    @property
    def kind(self) -> LineKind:
        """What it is of. A side on which that cannot be makes it unknown."""
        reason = self.reason_type.casefold()
        kind = next((kind for words, kind in _KINDS if words.search(reason)), LineKind.OTHER)
        return kind if _SIDE_OF.get(kind, self.side) is self.side else LineKind.OTHER

    @property
    def moved_cents(self) -> int:
        """By how much it changed the balance."""
        if self.status is not LineStatus.COMPLETED:
            return 0
        return self.amount_cents if self.side is Side.IN else -self.amount_cents


@dataclass(frozen=True)
class Gap:
    """A line whose balance is not the one before it and what moved: off by so many cents."""

    line: Line
    cents: int


@dataclass(frozen=True)
class Balances:
    """What a statement says of itself as a whole. Without balances in it, there is no opening."""

    opening_cents: int | None
    came_in_cents: int
    went_out_cents: int
    closing_cents: int | None
    gaps: tuple[Gap, ...]

    @property
    def ties(self) -> bool:
        """Whether opening + in - out = closing."""
        if self.opening_cents is None or self.closing_cents is None:
            return False
        moved = self.came_in_cents - self.went_out_cents
        return self.opening_cents + moved == self.closing_cents


@dataclass(frozen=True)
class Period:
    """From a statement's first line to its last, and what was there before and after."""

    first: datetime
    last: datetime
    opening_cents: int | None
    closing_cents: int | None


@dataclass(frozen=True)
class Window:
    """From one moment to another, both included."""

    first: datetime
    last: datetime

    def holds(self, moment: datetime) -> bool:
        """Whether the moment lies in it."""
        return self.first <= moment <= self.last


def in_order(told: Sequence[Line]) -> list[Line]:
    """The lines from the oldest to the newest. The export has the newest first.

    Of lines of one second only their balances tell the order, so the file's own order is kept.
    """
    turned = list(reversed(told))
    if not told or told[0].completed_at > told[-1].completed_at:
        return turned
    if told[0].completed_at < told[-1].completed_at:
        return list(told)
    return min(turned, list(told), key=lambda lines: len(balances(lines).gaps))


def without_repeats(lines: Iterable[Line]) -> tuple[list[Line], list[Line]]:
    """Each line once, and those that stand there again."""
    seen: set[str] = set()
    once: list[Line] = []
    again: list[Line] = []
    for line in lines:
        (again if line.key in seen else once).append(line)
        seen.add(line.key)
    return once, again


def balances(lines: Sequence[Line]) -> Balances:
    """What lines from the oldest to the newest, each once, say of the balance."""
    known = [line for line in lines if _tells_balance(line)]
    opening = None
    if known:
        before = lines[: lines.index(known[0]) + 1]
        opening = _balance(known[0]) - sum(line.moved_cents for line in before)
    return Balances(
        opening_cents=opening,
        came_in_cents=sum(max(line.moved_cents, 0) for line in lines),
        went_out_cents=sum(max(-line.moved_cents, 0) for line in lines),
        closing_cents=_closing(lines, known),
        gaps=tuple(_gaps(lines, opening)),
    )


def certain(own: Period, others: Iterable[Period]) -> Window:
    """In which time whatever moved must stand in this statement, or in one beside it.

    At its edges a day is left to chance: we do not know from when to when it was asked for, and
    clocks differ. Statements that join make one: where one ends with what the next begins with, at
    most a day apart, or where they overlap.
    """
    first, last = own.first, own.last
    opening, closing = own.opening_cents, own.closing_cents
    joined = True
    while joined:
        joined = False
        for other in others:
            if other.first < first and _joins(other.last, first, other.closing_cents, opening):
                first, opening, joined = other.first, other.opening_cents, True
            if other.last > last and _joins(last, other.first, closing, other.opening_cents):
                last, closing, joined = other.last, other.closing_cents, True
    return Window(
        max(first + GRACE, own.first - GRACE),
        min(last - GRACE, own.last + GRACE),
    )


def _joins(end: datetime, start: datetime, left_cents: int | None, found_cents: int | None) -> bool:
    if end >= start:
        return True
    return start - end <= GRACE and left_cents is not None and left_cents == found_cents


def digest(lines: Iterable[Line]) -> str:
    """What the lines say, in few letters: the same lines saved in another way give the same."""
    told = sha256()
    for line in lines:
        balance = "" if line.balance_cents is None else line.balance_cents
        at = text_from_moment(line.completed_at)
        told.update(f"{line.key}|{at}|{line.status}|{balance}\n".encode())
    return told.hexdigest()


def _closing(lines: Sequence[Line], known: list[Line]) -> int | None:
    if not known:
        return None
    after = lines[lines.index(known[-1]) + 1 :]
    return _balance(known[-1]) + sum(line.moved_cents for line in after)


def _gaps(lines: Sequence[Line], opening: int | None) -> list[Gap]:
    """Where the balance jumps: for good, as where a row is missing, or on one line alone."""
    if opening is None:
        return []
    expected, off = opening, []  # how far each stated balance is off what moved since the opening
    for line in lines:
        expected += line.moved_cents
        if _tells_balance(line):
            off.append((line, _balance(line) - expected))
    found, usual = [], 0
    for place, (line, cents) in enumerate(off):
        if cents == usual:
            continue
        found.append(Gap(line, cents - usual))
        later = [each for _, each in off[place + 1 : place + 1 + _LOOK_AHEAD]]
        if next((each for each in later if each in (cents, usual)), usual) == cents:
            usual = cents  # it stays so: a row is missing
    return found


def _tells_balance(line: Line) -> bool:
    """What did not move money is no witness of the balance."""
    return line.balance_cents is not None and line.status is LineStatus.COMPLETED


def _balance(line: Line) -> int:
    assert line.balance_cents is not None
    return line.balance_cents
