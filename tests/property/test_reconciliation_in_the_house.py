"""Money moves, some of it is told wrong or not at all; a statement comes, and all is put right."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from domain.mpesa.reconciliation_case import Ending
from domain.mpesa.statement import LineStatus
from domain.mpesa.tariff import payout_charge_cents
from tests.support.co_operative import TODAY
from tests.support.reconciling import Reconciling
from tests.support.statements import Moved, balanced

BY_ITSELF = ("missed", "in doubt", "charged otherwise")
BY_PERSONS = ("only here", "another amount", "said failed", "misprinted", "to the bank")
FOUND_AS = {
    "missed": "only_there",
    "in doubt": "status",
    "charged otherwise": "charge",
    "only here": "only_here",
    "another amount": "amount",
    "said failed": "status",
    "to the bank": "only_there",
}
OF_KIND = {
    "payment": ("", "", "missed", "only here", "another amount", "said failed"),
    "push": ("",),
    "payout": ("", "in doubt", "charged otherwise"),
    "transfer": ("to the bank",),
}


@pytest.fixture
def reconciling(co_operative):
    return Reconciling(co_operative)


def happened(reconciling, chance, breaks):
    """Movements, each told to our books as its break wants it; and the lines Safaricom tells."""
    lines, seeded = [], Counter()
    for number in range(30):
        kind = chance.choice(("payment", "payment", "push", "payout", "transfer"))
        how = chance.choice([each for each in OF_KIND[kind] if not each or each in breaks] or [""])
        if kind == "transfer" and not how:
            continue
        if not 9 <= number < 21 and how == "only here":
            how = ""
        shillings = chance.randint(500, 3_000)
        charge = payout_charge_cents(shillings, on=TODAY) // 100 if kind == "payout" else 0
        moved = Moved(number, kind, shillings, charge)
        lines += told(reconciling, moved, how)
        seeded[FOUND_AS.get(how, "")] += 1
    lines = balanced(lines)
    del seeded[""]
    return misprinted(lines, chance, seeded) if "misprinted" in breaks else lines, seeded


def told(reconciling, moved, how):
    match moved.kind:
        case "payment" if how != "missed":
            reconciling.payment(moved, cents_more=50_00 if how == "another amount" else 0)
        case "push":
            moved = reconciling.push(moved)
        case "payout":
            reconciling.payout(moved, in_doubt=how == "in doubt")
    lines = moved.lines()
    match how:
        case "only here":
            return []
        case "said failed":
            return [replace(line, status=LineStatus.FAILED) for line in lines]
        case "charged otherwise":
            return [replace(lines[0], amount_cents=lines[0].amount_cents + 7_00), *lines[1:]]
    return lines


def misprinted(lines, chance, seeded):
    place = chance.randrange(1, len(lines) - 1)
    line = lines[place]
    if line.status is LineStatus.COMPLETED:
        lines[place] = replace(line, balance_cents=line.balance_cents + 33)
        seeded["running_balance"] += 1
    return lines


@pytest.mark.parametrize("seed", range(2))
def test_what_can_be_put_right_by_itself_leaves_both_equal_to_the_shilling(reconciling, seed):
    lines, seeded = happened(reconciling, random.Random(seed), BY_ITSELF)
    report = reconciling.run(lines)
    assert Counter(case.kind for case in report.cases.values()) == seeded
    assert not report.standing.open_cases
    assert report.standing.resolved_cases == seeded
    assert report.standing.theirs_cents == report.standing.ours_cents
    assert report.standing.agreed == len(lines)
    opening, closing = report.standing.opening_cents, report.standing.closing_cents
    assert opening + sum(report.standing.theirs_cents.values()) == closing
    events = reconciling.events()
    again = reconciling.run(lines)
    assert again.cases == {}
    assert again.standing == report.standing
    assert reconciling.events() == events


@pytest.mark.parametrize("seed", range(2, 4))
def test_exactly_what_was_broken_is_found_and_persons_explain_the_rest(reconciling, seed):
    lines, seeded = happened(reconciling, random.Random(seed), (*BY_ITSELF, *BY_PERSONS))
    repeated = [line for line in lines if line.reason_type == "Pay Bill Online"][3]
    lines.insert(lines.index(repeated), repeated)
    seeded["duplicate"] += 1
    report = reconciling.run(lines)
    assert Counter(case.kind for case in report.cases.values()) == seeded
    waiting = [case for case in report.cases.values() if case.is_open]
    assert Counter(case.kind for case in waiting) == report.standing.open_cases
    for case in waiting:
        assert reconciling.accept(case).ending == Ending.ACCEPTED
    explained = reconciling.run(lines)
    assert not explained.standing.open_cases
    assert explained.standing.unexplained_cents == 0
    events = reconciling.events()
    assert reconciling.run(lines).standing == explained.standing
    assert reconciling.events() == events
