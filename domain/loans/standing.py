"""How a loan stands: what is due on each instalment, what was paid of it, and what a payment does.

A pure fold over value-dated entries. Whoever replays all entries in value order comes to the same
standing, however late some of them were told; whoever adds one at the end may go on from where the
last one left it. Days are ISO texts, which sort as days do. Amounts are cents.

The rules: a payment takes what is due by its day, oldest instalment first, each in the order of the
terms; then principal of later instalments; then their fees and interest; then nothing more, and the
rest is surplus. One that covers the settlement of the whole loan settles it, and the interest of
time not used is waived. An instalment still unpaid when its days of grace are over is charged a
penalty that morning and again each month, never more in all than the instalment itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Literal, TypedDict

from domain.loans.schedule import Instalment, months_after, rounded
from domain.loans.terms import PERCENT, Component, LoanTerms, SettlementInterest

SURPLUS = "surplus"


class Penalty(TypedDict):
    """A charge for paying late."""

    charged_on: str
    cents: int


class Line(TypedDict):
    """One instalment: what is due on it, and what was paid of each component."""

    number: int
    due_on: str
    principal: int
    interest: int
    fee: int
    penalties: list[Penalty]
    paid: dict[str, int]


class Entry(TypedDict):
    """A fact about a loan on its value day: money came in, or a fee was charged."""

    kind: Literal["payment", "fee"]
    id: str
    cents: int
    on: str
    due_on: str


Parts = dict[str, int]
"""What became of one payment: cents to each component, and the surplus."""


@dataclass(frozen=True)
class Quote:
    """What settles a loan on a day."""

    on: date
    principal_cents: int
    interest_cents: int
    fee_cents: int
    penalty_cents: int
    waived_interest_cents: int

    @property
    def total_cents(self) -> int:
        """What the member would pay."""
        return self.principal_cents + self.interest_cents + self.fee_cents + self.penalty_cents


def nothing_owed(on: date) -> Quote:
    """The quote for a loan that is not being repaid."""
    return Quote(on, 0, 0, 0, 0, 0)


def opening_lines(instalments: Iterable[Instalment]) -> list[Line]:
    """A schedule of which nothing is paid."""
    return [
        Line(
            number=instalment.number,
            due_on=instalment.due_on.isoformat(),
            principal=instalment.principal_cents,
            interest=instalment.interest_cents,
            fee=0,
            penalties=[],
            paid=dict.fromkeys(map(str, Component), 0),
        )
        for instalment in instalments
    ]


def copied(lines: Iterable[Line]) -> list[Line]:
    """Lines that can be changed without changing these."""
    return [
        {**line, "penalties": list(line["penalties"]), "paid": dict(line["paid"])} for line in lines
    ]


def due_cents(line: Line, component: str) -> int:
    """All that is, or was, due of one component."""
    if component == Component.PENALTY:
        return sum(penalty["cents"] for penalty in line["penalties"])
    return line[component]  # type: ignore[literal-required, no-any-return]


def unpaid_cents(line: Line, component: str) -> int:
    """What is still due of one component."""
    return due_cents(line, component) - line["paid"][component]


def payable_cents(lines: Iterable[Line]) -> int:
    """All that is, or was, due."""
    return sum(due_cents(line, component) for line in lines for component in Component)


def paid_cents(lines: Iterable[Line]) -> int:
    """All that was paid."""
    return sum(sum(line["paid"].values()) for line in lines)


def principal_cents(lines: Iterable[Line]) -> int:
    """The principal still out."""
    return sum(unpaid_cents(line, Component.PRINCIPAL) for line in lines)


def due_since(lines: Iterable[Line]) -> str | None:
    """The due day of the oldest instalment that is not fully paid, past or to come."""
    return next((line["due_on"] for line in lines if open_cents(line)), None)


def overdue_cents(lines: Iterable[Line], *, today: date) -> int:
    """What should have been paid before today. An instalment due today is not late."""
    day = today.isoformat()
    return sum(open_cents(line) for line in lines if line["due_on"] < day)


class Standing:
    """A loan's lines, as they change with each entry in value order."""

    def __init__(self, terms: LoanTerms, lines: Sequence[Line], *, accrues_from: date) -> None:
        self.lines = copied(lines)
        self._terms = terms
        self._accrues_from = accrues_from

    def replay(self, entries: Iterable[Entry]) -> dict[str, Parts]:
        """Take entries in value order; fees of a day come before payments, else as they were told.

        Answers what became of each payment.
        """
        parts = {}
        for entry in sorted(entries, key=lambda entry: (entry["on"], entry["kind"])):
            taken = self.take(entry)
            if taken is not None:
                parts[entry["id"]] = taken
        return parts

    def take(self, entry: Entry) -> Parts | None:
        """Take one entry, not older than those before. Answers the parts of a payment."""
        self.assess(date.fromisoformat(entry["on"]))
        if entry["kind"] == "fee":
            self._charge_fee(entry)
            return None
        return self._pay(entry["cents"], on=date.fromisoformat(entry["on"]))

    def assess(self, day: date) -> None:
        """Charge the penalties that arise until the morning of a day."""
        terms = self._terms
        if terms.penalty_percent == "0" and not terms.penalty_cents:
            return
        for line in self.lines:
            if line["due_on"] >= day.isoformat():
                break
            self._assess_line(line, day)

    def settlement(self, on: date) -> Quote:
        """What would settle the loan on a day."""
        owed = self._interest_owed(on)
        interest = {
            line["number"]: owed.get(line["number"], line["interest"]) for line in self.lines
        }
        unpaid = {
            str(component): sum(unpaid_cents(line, component) for line in self.lines)
            for component in Component
        }
        paid_interest = sum(line["paid"][Component.INTEREST] for line in self.lines)
        interest_cents = sum(interest.values()) - paid_interest
        return Quote(
            on=on,
            principal_cents=unpaid[Component.PRINCIPAL],
            interest_cents=interest_cents,
            fee_cents=unpaid[Component.FEE],
            penalty_cents=unpaid[Component.PENALTY],
            waived_interest_cents=unpaid[Component.INTEREST] - interest_cents,
        )

    def _interest_owed(self, on: date) -> Mapping[int, int]:
        """For each later instalment, the interest owed by who settles on a day."""
        policy = self._terms.settlement_interest
        day = on.isoformat()
        later = [line for line in self.lines if line["due_on"] > day]
        if policy == SettlementInterest.WHOLE_TERM or not later:
            return {}
        owed = {line["number"]: line["paid"][Component.INTEREST] for line in later}
        current = later[0]
        index = self.lines.index(current)
        started = self._accrues_from
        if index:
            started = max(started, date.fromisoformat(self.lines[index - 1]["due_on"]))
        period_days = (date.fromisoformat(current["due_on"]) - started).days
        used = Fraction(max((on - started).days, 0), max(period_days, 1))
        if policy == SettlementInterest.TO_THE_INSTALMENT:
            used = Fraction(1)
        accrued_cents = rounded(
            current["interest"] * min(used, Fraction(1)), self._terms.money_multiple_cents
        )
        accrued_cents = min(accrued_cents, current["interest"])
        owed[current["number"]] = max(accrued_cents, current["paid"][Component.INTEREST])
        return owed

    def _pay(self, cents: int, *, on: date) -> Parts:
        parts: Parts = dict.fromkeys([*map(str, Component), SURPLUS], 0)
        # Nothing less than the principal settles; asking that first spares most of the work.
        if cents >= principal_cents(self.lines) and cents >= self.settlement(on).total_cents:
            owed = self._interest_owed(on)
            for line in self.lines:
                line["interest"] = owed.get(line["number"], line["interest"])
        day = on.isoformat()
        due = [line for line in self.lines if line["due_on"] <= day]
        later = [line for line in self.lines if line["due_on"] > day]
        left = cents
        for line in due:
            for component in self._terms.allocation:
                left -= _take(line, component, left, parts)
        for component in (
            Component.PRINCIPAL,
            Component.PENALTY,
            Component.FEE,
            Component.INTEREST,
        ):
            for line in later:
                left -= _take(line, component, left, parts)
        parts[SURPLUS] = left
        return parts

    def _charge_fee(self, entry: Entry) -> None:
        """A fee falls due with the first instalment on or after its day, else with the last."""
        line = next((line for line in self.lines if line["due_on"] >= entry["due_on"]), None)
        (line or self.lines[-1])["fee"] += entry["cents"]

    def _assess_line(self, line: Line, day: date) -> None:
        terms = self._terms
        late_cents = unpaid_cents(line, Component.PRINCIPAL)
        late_cents += unpaid_cents(line, Component.INTEREST)
        if not late_cents:
            return
        percent = Fraction(terms.penalty_percent)
        due_on = date.fromisoformat(line["due_on"])
        while True:
            charged_cents = due_cents(line, Component.PENALTY)
            room_cents = line["principal"] + line["interest"] - charged_cents
            months = len(line["penalties"])
            charge_day = months_after(due_on, months) + timedelta(days=terms.penalty_grace_days + 1)
            if room_cents <= 0 or charge_day > day:
                return
            compounded_cents = unpaid_cents(line, Component.PENALTY)
            base_cents = late_cents + (compounded_cents if terms.penalty_compounds else 0)
            exact = base_cents * percent * PERCENT + terms.penalty_cents
            cents = min(max(rounded(exact, terms.money_multiple_cents), 1), room_cents)
            line["penalties"].append(Penalty(charged_on=charge_day.isoformat(), cents=cents))


def open_cents(line: Line) -> int:
    """What is still to be paid of one instalment."""
    return sum(unpaid_cents(line, component) for component in Component)


def _take(line: Line, component: str, left: int, parts: Parts) -> int:
    taken = min(left, unpaid_cents(line, component))
    line["paid"][component] += taken
    parts[component] += taken
    return taken
