"""What a statement says of itself: its order, its balances, what its lines are of."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.mpesa.statement import (
    LineKind,
    LineStatus,
    Period,
    Side,
    Window,
    balances,
    certain,
    digest,
    in_order,
)
from tests.support.statements import FIRST, Moved, balanced

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def lines(*shillings):
    moved = [Moved(number, "payment", amount) for number, amount in enumerate(shillings)]
    return balanced([line for each in moved for line in each.lines()])


@pytest.mark.parametrize(
    ("reason", "side", "kind"),
    [
        ("Pay Bill Online", Side.IN, LineKind.PAYMENT),
        ("Pay Utility", Side.IN, LineKind.PAYMENT),
        ("Customer Merchant Payment", Side.IN, LineKind.PAYMENT),
        ("c2b-pay-bill-debit", Side.IN, LineKind.PAYMENT),
        ("Business Payment to Customer via API", Side.OUT, LineKind.PAYOUT),
        ("Salary Payment via API", Side.OUT, LineKind.PAYOUT),
        ("B2C Charge", Side.OUT, LineKind.CHARGE),
        ("Pay Bill Charge", Side.OUT, LineKind.CHARGE),
        ("Organization Settlement Charge", Side.OUT, LineKind.CHARGE),
        ("Organization Settlement", Side.OUT, LineKind.TRANSFER),
        ("Withdraw Funds to Bank", Side.OUT, LineKind.TRANSFER),
        ("Transaction Reversal", Side.OUT, LineKind.REVERSAL),
        ("Pay Bill Reversal", Side.OUT, LineKind.REVERSAL),
        ("Pay Bill Online", Side.OUT, LineKind.OTHER),
        ("Business Payment to Customer via API", Side.IN, LineKind.OTHER),
        ("Something new", Side.IN, LineKind.OTHER),
    ],
)
def test_a_line_is_of_what_its_reason_type_says(reason, side, kind):
    [line] = lines(100)
    assert replace(line, reason_type=reason, side=side).kind is kind


def test_a_charge_is_another_line_than_the_payment_whose_receipt_it_repeats():
    charge, payout = Moved(1, "payout", 1_000, 9).lines()
    assert charge.receipt_number == payout.receipt_number
    assert charge.key != payout.key


def test_opening_and_what_moved_make_closing():
    told = lines(100, 250, 40)
    whole = balances(told)
    assert whole.came_in_cents == 390_00
    assert whole.closing_cents - whole.opening_cents == 390_00
    assert whole.ties


def test_what_failed_moves_nothing_and_is_no_witness():
    told = lines(100, 250, 40)
    failed = replace(told[1], status=LineStatus.FAILED, balance_cents=0)
    told = [told[0], failed, replace(told[2], balance_cents=told[2].balance_cents - 250_00)]
    assert balances(told).ties
    assert balances(told).gaps == ()


def test_a_balance_that_is_left_out_is_made_up_for_by_the_next():
    told = lines(100, 250, 40)
    told[1] = replace(told[1], balance_cents=None)
    assert balances(told).ties
    assert not balances([replace(line, balance_cents=None) for line in told]).ties


def test_one_wrong_balance_is_one_gap_there():
    told = lines(100, 250, 40, 60)
    told[1] = replace(told[1], balance_cents=told[1].balance_cents + 5)
    whole = balances(told)
    assert [(gap.line, gap.cents) for gap in whole.gaps] == [(told[1], 5)]
    assert whole.ties


def test_a_wrong_balance_behind_a_missing_row_is_told_apart_from_it():
    told = lines(100, 250, 40, 60, 80, 90)
    told[4] = replace(told[4], balance_cents=told[4].balance_cents + 7)
    missing = told.pop(2)
    gaps = [(gap.line.number, gap.cents) for gap in balances(told).gaps]
    assert gaps == [(4, missing.moved_cents), (5, 7)]


def test_of_one_second_the_balances_tell_the_order():
    charge, payout = balanced(Moved(1, "payout", 1_000, 9).lines())
    assert in_order([payout, charge]) == [charge, payout]
    assert in_order([charge, payout]) == [charge, payout]


def test_the_same_lines_have_the_same_digest_whatever_they_are_called_in_the_file():
    told = lines(100, 250)
    renumbered = [replace(line, number=90, account_number="ELSE") for line in told]
    assert digest(told) == digest(renumbered)
    assert digest(told) != digest(told[:1])
    assert digest(told) != digest([told[0], replace(told[1], balance_cents=1)])


def period(first, last, opening=None, closing=None):
    return Period(FIRST + first, FIRST + last, opening, closing)


def test_at_the_edges_of_a_statement_a_day_is_left_to_chance():
    own = period(0 * DAY, 10 * DAY, 100, 900)
    assert certain(own, []) == Window(FIRST + DAY, FIRST + 9 * DAY)
    assert not certain(period(0 * DAY, DAY, 100, 900), []).holds(FIRST + DAY / 2)


def test_where_statements_join_nothing_is_left_to_chance():
    own = period(0 * DAY, 10 * DAY, 100, 900)
    before = period(-10 * DAY, -HOUR, 50, 100)
    after = period(10 * DAY + HOUR, 20 * DAY, 900, 700)
    assert certain(own, [before, after]) == Window(FIRST - DAY, FIRST + 11 * DAY)
    assert certain(own, [after]) == Window(FIRST + DAY, FIRST + 11 * DAY)


def test_other_balances_or_more_than_a_day_between_join_nothing():
    own = period(0 * DAY, 10 * DAY, 100, 900)
    strangers = [
        period(-10 * DAY, -HOUR, 50, 101),
        period(12 * DAY, 20 * DAY, 900, 700),
        period(10 * DAY + HOUR, 20 * DAY, None, None),
    ]
    assert certain(own, strangers) == certain(own, [])
