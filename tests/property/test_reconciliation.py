"""Whatever moved, and whatever is broken in the telling of it: just that is found."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.mpesa.reconciliation import DifferenceKind, compare
from domain.mpesa.statement import LineStatus, Window, balances, in_order
from tests.support.statements import FIRST, Moved, balanced

DAY = timedelta(days=1)
KINDS = ("payment", "push", "payout")


class Told:
    """Books and a statement of the same movements, before and after they are broken."""

    def __init__(self, moved: list[Moved]) -> None:
        self.moved = moved
        self.ours = {each.number: each.ours() for each in moved if each.kind != "transfer"}
        self.lines = {each.number: each.lines() for each in moved}
        self.repeated: set[int] = set()
        self.misprinted: set[int] = set()
        self.expected: set[tuple[DifferenceKind, str]] = {
            (DifferenceKind.ONLY_THERE, each.receipt_number)
            for each in moved
            if each.kind == "transfer"
        }

    def statement(self):
        """From the oldest line to the newest."""
        lines = balanced([line for number in self.lines for line in self.lines[number]])
        for number in self.misprinted:
            for line in self._main(lines, number):
                wrong = line.balance_cents + 77_00 + number
                lines[lines.index(line)] = replace(line, balance_cents=wrong)
        for number in self.repeated:
            for line in self._main(lines, number):
                lines.insert(lines.index(line), line)
        return lines

    def _main(self, lines, number):
        """The row of the movement itself, unless it was taken out."""
        keys = {line.key for line in self.lines[number][-1:]}
        return [line for line in lines if line.key in keys]

    def compared(self):
        ours = [movement for movement in self.ours.values() if movement is not None]
        edges = Window(FIRST + DAY, self.moved[-1].at - DAY)
        return compare(self.statement(), ours, certain=edges)

    def break_at(self, each: Moved, how: DifferenceKind) -> None:
        """Spoil one movement, where it can be spoiled in this way."""
        number, known_as = each.number, each.receipt_number
        ours, lines = self.ours.get(number), self.lines[number]
        match how:
            case DifferenceKind.ONLY_THERE if each.kind == "payment":
                self.ours[number] = None
            case DifferenceKind.ONLY_HERE if ours and 9 <= number < len(self.moved) - 9:
                self.lines[number] = []
                known_as = ours.known_as
            case DifferenceKind.AMOUNT if each.kind == "payment":
                self.ours[number] = replace(ours, amount_cents=ours.amount_cents + 1_00)
            case DifferenceKind.STATUS if each.kind == "payout" and not each.charge_shillings:
                waits = {"receipt_number": None, "moved": False, "status": "in_doubt"}
                self.ours[number] = replace(ours, **waits)
            case DifferenceKind.STATUS if each.kind == "payment":
                self.lines[number] = [replace(lines[0], status=LineStatus.FAILED)]
            case DifferenceKind.DUPLICATE if each.kind == "payment":
                self.repeated.add(number)
            case DifferenceKind.CHARGE if each.charge_shillings:
                self.ours[number] = replace(ours, charge_cents=0)
            case DifferenceKind.RUNNING_BALANCE if (
                0 < number < len(self.moved) - 1
            ):  # not the edges
                self.misprinted.add(number)
            case _:
                return
        self.expected.add((how, known_as))


@st.composite
def told(draw):
    count = draw(st.integers(24, 40))
    kind = st.sampled_from((*KINDS, "payment", "payment", "transfer"))
    moved = []
    for number in range(count):
        each = Moved(number, draw(kind), draw(st.integers(10, 5_000)))
        if each.kind == "payout" and draw(st.booleans()):
            each = replace(each, charge_shillings=9)
        moved.append(each)
    return Told(moved)


@settings(max_examples=60, deadline=None)
@given(told=told(), data=st.data())
def test_exactly_the_breaks_that_were_made_are_found(told, data):
    whole = told.compared()
    assert {(d.kind, d.receipt_number) for d in whole.differences} == told.expected
    places = data.draw(st.lists(st.sampled_from(told.moved), unique=True, max_size=8))
    for each in places:
        told.break_at(each, data.draw(st.sampled_from(DifferenceKind)))
    found = told.compared()
    known = {(d.kind, d.receipt_number or str(d.ours.id)) for d in found.differences}
    assert known == told.expected
    assert len(found.differences) == len(told.expected), "each once"
    assert found.unlike_cents == sum(d.effect_cents for d in found.differences)
    assert told.compared() == found, "the same again"


@settings(max_examples=30, deadline=None)
@given(told=told())
def test_a_statement_ties_whichever_way_it_is_turned(told):
    lines = told.statement()
    whole = balances(lines)
    assert whole.ties
    assert not whole.gaps
    assert in_order(list(reversed(lines))) == lines
    assert in_order(lines) == lines


@settings(max_examples=30, deadline=None)
@given(told=told(), data=st.data())
def test_a_row_that_was_taken_out_leaves_a_gap_of_its_amount(told, data):
    lines = told.statement()
    place = data.draw(st.integers(1, len(lines) - 2))
    gone = lines.pop(place)
    whole = balances(lines)
    assert [(gap.line, gap.cents) for gap in whole.gaps] == [(lines[place], gone.moved_cents)]
    assert not whole.ties
