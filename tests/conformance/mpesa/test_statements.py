"""The organisation's statement in every form that staff may upload, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import pytest

from infra.mpesa.statements import Statement, read_statement
from infra.mpesa.unreadable import UnreadableStatement

TODAYS = (
    "Receipt No.,Completion Time,Initiation Time,Details,Transaction Status,Paid In,Withdrawn,"
    "Balance,Balance Confirmed,Reason Type,Other Party Info,Linked Transaction ID,A/C No."
)
OLDER = (
    "Receipt,Date,Details,Status,Withdrawn,Paid In,Balance,Balance Confirmed,Transaction Type,"
    "Other Party Info,Transaction Party Details"
)
ROW = (
    "UB30000003,03-02-2026 10:15:00,03-02-2026 10:15:00,Pay Bill from 2547****0001 - ZOË DOE Acc."
    ' M001,Completed,"1,500.00",,"1,305,659.00",TRUE,Pay Bill Online,2547****0001 - ZOË DOE,,M001'
)
OLDER_ROW = (
    "UB30000003,2026-02-03 10:15:00,Pay Bill from 2547****0001 - ZOË DOE Acc. M001,Completed,,"
    '"1,500.00","1,305,659.00",TRUE,Pay Bill Online,2547****0001 - ZOË DOE,'
)
PREAMBLE = "Organization Name,EXAMPLE\nPaybill,600000\n\n"


def file(*rows: str, header: str = TODAYS, preamble: str = "") -> str:
    return preamble + "\n".join([header, *rows]) + "\n"


def comparable(statement: Statement) -> Statement:
    """Without what one layout tells and the other does not."""
    lines = tuple(replace(line, row=0, initiated_at=None) for line in statement.lines)
    return replace(statement, lines=lines)


def test_both_layouts_tell_the_same():
    todays = read_statement(file(ROW, preamble=PREAMBLE))
    older = read_statement(file(OLDER_ROW, header=OLDER, preamble=PREAMBLE))
    assert comparable(todays) == comparable(older)
    assert todays.short_code == "600000"
    [line] = todays.lines
    assert (line.paid_in_cents, line.withdrawn_cents, line.balance_cents) == (
        150_000,
        0,
        130_565_900,
    )
    assert (line.account_number, line.other_party.name) == ("M001", "ZOË DOE")
    assert (line.row, line.is_completed) == (5, True)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_letters_and_line_ends_may_differ(encoding: str, ending: str):
    text = file(ROW, preamble=PREAMBLE)
    told = read_statement(text.replace("\n", ending).encode(encoding))
    assert told == read_statement(text)


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_spreadsheet_may_have_saved_it_with_another_delimiter(delimiter: str):
    row = ROW.replace(",", delimiter).replace('"1;500.00"', '"1,500.00"').replace(
        '"1;305;659.00"', '"1,305,659.00"'
    )  # fmt: skip
    row = row.replace('"1\t500.00"', '"1,500.00"').replace('"1\t305\t659.00"', '"1,305,659.00"')
    told = read_statement(file(row, header=TODAYS.replace(",", delimiter)))
    assert told.lines == read_statement(file(ROW)).lines


def test_columns_are_found_by_name_not_by_place():
    names = TODAYS.split(",")
    swapped = [*names[:5], names[6], names[5], *names[7:]]
    row = ROW.replace('"1,500.00",', ',"1,500.00"')
    assert read_statement(file(row, header=",".join(swapped))).lines == (
        read_statement(file(ROW)).lines
    )


@pytest.mark.parametrize(
    ("preamble", "short_code"),
    [
        ("", None),
        ("Organization Name,EXAMPLE STORE 12345\n", None),
        ("Short Code,600992\n", "600992"),
        ("Shortcode: 600992\n", "600992"),
        ("Till Number,5001234,\nPaybill,600992\n", "5001234"),
    ],
)
def test_the_preamble_may_name_the_short_code(preamble: str, short_code: str | None):
    assert read_statement(file(ROW, preamble=preamble)).short_code == short_code


@pytest.mark.parametrize("withdrawn", ['"-5,000.00"', '"5,000.00"', "-5000.00", "5000"])
def test_money_that_went_out_is_told_without_its_minus(withdrawn: str):
    row = ROW.replace('"1,500.00",', f",{withdrawn}")
    [line] = read_statement(file(row)).lines
    assert (line.paid_in_cents, line.withdrawn_cents) == (0, 500_000)


def test_a_charge_of_nothing_and_a_missing_balance_are_no_obstacle():
    row = ROW.replace('"1,500.00",,"1,305,659.00"', ",0.00,")
    [line] = read_statement(file(row)).lines
    assert (line.paid_in_cents, line.withdrawn_cents, line.balance_cents) == (0, 0, None)


def test_blank_rows_are_no_rows_and_count_all_the_same():
    told = read_statement(file("", ROW, ",,,", ROW, preamble=PREAMBLE))
    assert [line.row for line in told.lines] == [6, 8]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("UB30000003", "?"), "receipt"),
        (("03-02-2026 10:15:00", "03/02/2026 10:15"), "completion time"),
        (("03-02-2026 10:15:00", "31-02-2026 10:15:00"), "completion time"),
        (('"1,500.00"', '"1,5000.00"'), "Paid In"),
        (('"1,500.00"', "-1500.00"), "Paid In"),
        (('"1,500.00"', "1.500"), "Paid In"),
        (('"1,500.00",', '"1,500.00",-1'), "both"),
        (('"1,305,659.00"', "lots"), "Balance"),
        (("Completed", ""), "status"),
        ((",M001", ""), "cells"),
        ((",M001", ",M001,more"), "cells"),
    ],
)
def test_a_malformed_row_is_named(change: tuple[str, str], reason: str):
    with pytest.raises(UnreadableStatement) as refused:
        read_statement(file(ROW, ROW, ROW.replace(*change, 1), ROW, preamble=PREAMBLE))
    assert refused.value.row == 7
    assert reason in refused.value.reason
    assert "row 7" in str(refused.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "unknown layout"),
        (ROW, "unknown layout"),
        (file(ROW, header=TODAYS.replace("Receipt No.", "Transaction")), "unknown layout"),
        (file(ROW, header=TODAYS.replace("Withdrawn", "Money Out")), "withdrawn"),
        (file(ROW, header=TODAYS + ",Fee"), "fee"),
        (file(ROW, header=TODAYS.replace("Paid In", "Balance")), "unknown layout"),
        (b"PK\x03\x04 a workbook", "Excel"),
        (b"\x81\x8d" + file(ROW).encode(), "letters"),
        (file(ROW + '"' + "x" * 200_000), "not CSV"),
        (file(ROW.replace("M001", "M0\x0001")), None),
    ],
)
def test_what_is_no_statement_is_refused_loudly(content: bytes | str, reason: str | None):
    if reason is None:  # a NUL is no letter: it is left out, and nothing of the row is lost
        assert read_statement(content).lines[0].account_number == "M001"
        return
    with pytest.raises(UnreadableStatement) as refused:
        read_statement(content)
    assert reason in refused.value.reason


def test_no_reason_quotes_the_file():
    with pytest.raises(UnreadableStatement) as refused:
        read_statement(file(ROW.replace("UB30000003", "from 254700000001")))
    assert "254700000001" not in str(refused.value)


@pytest.mark.parametrize("form", ["", "layout=older", "dates=iso&encoding=utf-8-sig", "preamble=0"])
def test_what_the_simulator_exports_ties_to_its_ledger(client, simulator, listener, form):
    opening = simulator.accounts()
    _some_business(client, simulator, listener)
    told = read_statement(simulator.get(f"statement?{form}").content)
    done = [line for line in told.lines if line.is_completed]
    closing = simulator.accounts()
    moved = sum(line.paid_in_cents - line.withdrawn_cents for line in done)
    balance = closing["utility"] + closing["charges"]
    assert opening["utility"] * 100 + moved == balance * 100
    assert done[0].balance_cents == balance * 100
    receipts = {line.receipt_number for line in done}
    assert receipts == {row["receipt"] for row in simulator.ledger()}
    assert {line.status for line in told.lines} == {"Completed", "Failed"}
    for newer, older in pairwise(done):
        change = newer.paid_in_cents - newer.withdrawn_cents
        assert newer.balance_cents == older.balance_cents + change


def test_the_simulator_breaks_a_statement_on_demand(client, simulator, listener):
    _some_business(client, simulator, listener)
    whole = read_statement(simulator.get("statement").content)
    breaks = "only_there,only_here,amount,status,duplicate,running_balance"
    answer = simulator.get(f"statement?breaks={breaks}")
    broken, named = read_statement(answer.content), json.loads(answer.headers["Simulator-Broken"])
    assert set(named) == set(breaks.split(","))
    assert len(set(named.values())) == 6
    there = {line.receipt_number for line in broken.lines}
    here = {line.receipt_number for line in whole.lines}
    assert there - here == {named["only_there"]}
    assert here - there == {named["only_here"]}
    assert len(broken.lines) == len(whole.lines) + 1
    with pytest.raises(UnreadableStatement) as refused:
        read_statement(simulator.get("statement?malformed_row=7").content)
    assert refused.value.row == 7


def _some_business(client, simulator, listener) -> None:
    for number in range(6):
        simulator.post(
            "payments", phone="254708374149", amount=1_000 + number, account_number=f"M{number}"
        )
    simulator.set("no_float", of="payout", amount=777)
    for number, amount in enumerate((777, 200, 6_000)):
        client.pay_out(
            originator_conversation_id=f"payout-{number}",
            phone="254708374149",
            amount_shillings=amount,
            remarks="Loan",
            occasion="L001",
            result_url=listener.at("result"),
            timeout_url=listener.at("timeout"),
        )
        listener.next()
    simulator.post("top-up", amount=-50_000)
