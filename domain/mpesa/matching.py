"""Which line of a statement speaks of which movement in our books.

By the receipt number; or, where we have none yet, by particulars that fit each other and nothing
else. Whatever is ambiguous is left alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from domain.mpesa.account_numbers import normalised
from domain.mpesa.statement import Line, LineKind, LineStatus, Side

TIME_APART = timedelta(minutes=10)
"""How far two clocks, or a payment and the word of it, may be apart."""


class MovementKind(StrEnum):
    """What of ours moved money: a receipt, a push that waits for its receipt, a payout."""

    RECEIPT = "receipt"
    PUSH = "push"
    PAYOUT = "payout"


@dataclass(frozen=True)
class Movement:
    """One movement in our books. `moved` tells whether they count it: a payout in doubt is not.

    It happened between `begun_at` and `at`, as far as we know. A reversal is a payout that
    `reverses` a receipt.
    """

    id: UUID
    kind: MovementKind
    receipt_number: str | None
    amount_cents: int
    begun_at: datetime
    at: datetime
    status: str
    moved: bool = True
    phone: str | None = field(default=None, repr=False)
    account_number: str | None = field(default=None, repr=False)
    charge_cents: int = 0
    reverses: str | None = None

    @property
    def side(self) -> Side:
        return Side.OUT if self.kind is MovementKind.PAYOUT else Side.IN

    @property
    def moved_cents(self) -> int:
        """By how much our books changed the balance."""
        if not self.moved:
            return 0
        return self.amount_cents if self.side is Side.IN else -self.amount_cents

    @property
    def known_as(self) -> str:
        """Its receipt number, or else its id."""
        return self.receipt_number or str(self.id)

    @property
    def line_kind(self) -> LineKind:
        """What kind of line speaks of it."""
        if self.kind is not MovementKind.PAYOUT:
            return LineKind.PAYMENT
        return LineKind.REVERSAL if self.reverses else LineKind.PAYOUT


@dataclass(frozen=True)
class Match:
    """A line and what of ours it speaks of."""

    line: Line
    ours: Movement

    @property
    def by_receipt(self) -> bool:
        """Whether the receipt number told it, or else the particulars."""
        return self.ours.receipt_number is not None or self.line.kind is LineKind.REVERSAL


def by_receipt(lines: Iterable[Line], books: Iterable[Movement]) -> list[Match]:
    """Each movement with the line that has its receipt number, or takes back its receipt."""
    known: dict[tuple[str, Side], Movement] = {}
    for ours in books:
        if ours.receipt_number is not None:
            known[ours.receipt_number, ours.side] = ours
        if ours.reverses is not None:
            known.setdefault((ours.reverses, Side.OUT), ours)
    speak_of: dict[UUID, list[Line]] = defaultdict(list)
    movements: dict[UUID, Movement] = {}
    for line in lines:
        found = known.get((line.receipt_number, line.side))
        if found is None and line.kind is LineKind.REVERSAL and line.linked_receipt is not None:
            found = known.get((line.linked_receipt, line.side))
        if found is not None:
            speak_of[found.id].append(line)
            movements[found.id] = found
    return [Match(_best(speak_of[key], ours), ours) for key, ours in movements.items()]


def _best(lines: list[Line], ours: Movement) -> Line:
    """Of several rows with one receipt number (an attempt that failed, a tax), the row itself."""
    return min(
        lines,
        key=lambda line: (
            line.status is not LineStatus.COMPLETED,
            line.kind is LineKind.OTHER,
            line.amount_cents != ours.amount_cents,
        ),
    )


def by_particulars(
    lines: Iterable[Line], books: Iterable[Movement], matches: list[Match]
) -> list[Match]:
    """Pairs that fit each other, and nothing else."""
    taken_lines = {match.line.key for match in matches}
    taken = {match.ours.id for match in matches}
    waiting: dict[tuple[Side, int], list[Movement]] = defaultdict(list)
    for ours in books:
        if ours.receipt_number is None and ours.reverses is None and ours.id not in taken:
            waiting[ours.side, ours.amount_cents].append(ours)
    pairs = [
        Match(line, ours)
        for line in lines
        if line.key not in taken_lines
        for ours in waiting.get((line.side, line.amount_cents), ())
        if fit(line, ours)
    ]
    of_line = Counter(pair.line.key for pair in pairs)
    of_ours = Counter(pair.ours.id for pair in pairs)
    return [pair for pair in pairs if of_line[pair.line.key] == 1 == of_ours[pair.ours.id]]


def fit(line: Line, ours: Movement) -> bool:
    """Whether phone, time and account number agree; at least phone or account must be told."""
    if line.kind is not ours.line_kind:
        return False
    if not ours.begun_at - TIME_APART <= line.completed_at <= ours.at + TIME_APART:
        return False
    same_phone = None
    if ours.phone and (line.payer.phone_hash or line.payer.masked_phone):
        same_phone = line.payer.may_be(ours.phone)
    same_account = None
    if line.account_number and ours.account_number:
        same_account = normalised(line.account_number) == normalised(ours.account_number)
    told = {same_phone, same_account}
    return True in told and False not in told
