"""Which line speaks of which movement: by receipt, by particulars, or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from domain.mpesa.matching import by_particulars, by_receipt
from domain.mpesa.payer import Payer, phone_hash
from domain.mpesa.reconciliation import DifferenceKind, compare
from domain.mpesa.statement import LineStatus, Side, Window
from tests.support.statements import FIRST, Moved

EVER = Window(FIRST - timedelta(days=365), FIRST + timedelta(days=365))
PUSH = Moved(1, "push", 500)
PAYOUT = Moved(2, "payout", 700)


def line_of(told, /, **changes):
    return replace(told.lines()[-1], **changes)


def ours_of(told, /, **changes):
    return replace(told.ours(), **changes)


def in_doubt(told, /, **changes):
    unsettled = {"receipt_number": None, "moved": False, "status": "in_doubt"}
    return ours_of(told, **(unsettled | changes))


def kinds(lines, ours):
    return [each.kind for each in compare(lines, ours, certain=EVER).differences]


@pytest.mark.parametrize(
    "payer",
    [
        Payer(phone=PUSH.phone),
        Payer(phone_sha256=phone_hash(PUSH.phone)),
        Payer(masked_phone=f"{PUSH.phone[:4]}****{PUSH.phone[-4:]}"),
        Payer(masked_phone=f"{PUSH.phone[:4]} ***** {PUSH.phone[-3:]}"),
        Payer(name="NOBODY SAYS THE NUMBER"),
    ],
)
def test_a_push_without_receipt_is_found_by_its_particulars(payer):
    line = line_of(PUSH, payer=payer)
    [match] = by_particulars([line], [ours_of(PUSH)], [])
    assert (match.line, match.ours.id) == (line, PUSH.id)


@pytest.mark.parametrize(
    "other",
    [
        {"payer": Payer(phone="254799999999")},
        {"payer": Payer(masked_phone="2547****9999")},
        {"account_number": "ELSEWHERE"},
        {"amount_cents": 499_00},
        {"completed_at": PUSH.at + timedelta(minutes=11)},
        {"completed_at": PUSH.at - timedelta(minutes=11)},
        {"side": Side.OUT},
        {"payer": Payer(), "account_number": None},
    ],
)
def test_particulars_that_do_not_fit_find_nothing(other):
    assert by_particulars([line_of(PUSH, **other)], [ours_of(PUSH)], []) == []


def test_nothing_is_guessed_where_two_would_fit():
    twin = ours_of(PUSH, id=uuid4())
    line = line_of(PUSH)
    assert by_particulars([line], [ours_of(PUSH), twin], []) == []
    second = replace(line, receipt_number="UB39999999")
    assert by_particulars([line, second], [ours_of(PUSH)], []) == []


def test_a_payout_in_doubt_that_the_statement_shows_is_a_difference_of_status():
    [found] = compare([line_of(PAYOUT)], [in_doubt(PAYOUT)], certain=EVER).differences
    assert found.kind is DifferenceKind.STATUS
    assert (found.theirs_cents, found.ours_cents) == (-700_00, 0)
    assert found.ours.id == PAYOUT.id


def test_a_payout_that_failed_on_both_sides_is_no_difference():
    line = line_of(PAYOUT, status=LineStatus.FAILED)
    assert kinds([line], [ours_of(PAYOUT, moved=False, status="failed")]) == []


def test_an_attempt_that_failed_is_told_of_a_payout_in_doubt_and_decides_nothing():
    line = line_of(PAYOUT, status=LineStatus.FAILED)
    [found] = compare([line], [in_doubt(PAYOUT)], certain=EVER).differences
    assert (found.kind, found.effect_cents) == (DifferenceKind.STATUS, 0)


def test_an_attempt_that_failed_beside_the_one_that_worked_disturbs_nobody():
    failed = line_of(PAYOUT, status=LineStatus.FAILED)
    again = line_of(PAYOUT, reason_type="Business Payment to Customer via API again")
    assert kinds([failed, again], [ours_of(PAYOUT)]) == []


def test_a_receipt_of_an_unknown_reason_type_is_known_by_its_number():
    payment = Moved(3, "payment", 90)
    assert kinds([line_of(payment, reason_type="Something new")], [payment.ours()]) == []


def test_a_receipt_taken_back_is_known_by_what_it_takes_back():
    reversal = ours_of(PAYOUT, receipt_number=None, reverses="UB30000009", charge_cents=0)
    line = line_of(
        PAYOUT, reason_type="Transaction Reversal", linked_receipt="UB30000009", payer=Payer()
    )
    [match] = by_receipt([line], [reversal])
    assert match.ours.id == reversal.id
    assert kinds([line], [reversal]) == []


def test_a_push_whose_receipt_was_posted_apart_is_counted_twice_here():
    line = line_of(PUSH)
    receipt = replace(Moved(1, "payment", 500).ours(), id=uuid4())
    [found] = compare([line], [receipt, ours_of(PUSH)], certain=EVER).differences
    assert (found.kind, found.ours.id) == (DifferenceKind.DUPLICATE, PUSH.id)
    assert found.effect_cents == -500_00


def test_charges_on_an_account_of_their_own_are_missed_nowhere():
    paid = replace(PAYOUT, charge_shillings=9)
    [_, line] = paid.lines()
    assert kinds([line], [paid.ours()]) == []
    other = Moved(3, "payout", 800, 9)
    assert kinds([line, *other.lines()], [paid.ours(), other.ours()]) == [DifferenceKind.CHARGE]


def test_a_charge_in_several_rows_is_held_against_ours_as_one():
    paid = replace(PAYOUT, charge_shillings=9)
    charge, line = paid.lines()
    parts = [
        replace(charge, amount_cents=600),
        replace(charge, amount_cents=300, reason_type="B2C Charge Excise"),
    ]
    assert kinds([*parts, line], [paid.ours()]) == []


def test_what_is_outside_the_window_is_not_missed():
    payment = Moved(3, "payment", 90).ours()
    never = Window(FIRST + timedelta(days=9), FIRST + timedelta(days=8))
    assert compare([line_of(PAYOUT)], [PAYOUT.ours(), payment], certain=never).differences == ()
