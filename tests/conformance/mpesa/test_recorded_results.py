"""Recorded results, notices, pulls and statements, against what we must make of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from domain.mpesa.payer import Payer, phone_hash
from domain.mpesa.payout_result_codes import (
    PAYOUT_RESULT_CODES,
    REVERSAL_RESULT_CODES,
    PayoutVerdict,
    payout_result,
    question_stops_lane,
    reversal_result,
    transaction_status_verdict,
)
from infra.mpesa.c2b_notices import read_c2b_notice
from infra.mpesa.pulled import PulledPage, read_pull_answer
from infra.mpesa.result_views import (
    read_balances,
    read_paid_out,
    read_reversed,
    read_transaction_status,
)
from infra.mpesa.results import MpesaResult, read_result, scrub_credential
from infra.mpesa.statements import read_statement
from infra.mpesa.transport import Answer
from tests.conformance.mpesa.golden import EXPECTED, body_of, names_of

VIEWS = {
    "payout": read_paid_out,
    "status": read_transaction_status,
    "reversal": read_reversed,
}
VERDICTS = {"payout": payout_result, "reversal": reversal_result}


def plain(told: object) -> dict[str, Any]:
    """What was read, as the expectations write it: payers without what is not known."""
    values = asdict(told)  # type: ignore[call-overload]
    for name, value in values.items():
        if isinstance(getattr(told, name), Payer):
            values[name] = {key: known for key, known in value.items() if known is not None}
        elif hasattr(value, "isoformat"):
            values[name] = value.isoformat()
    return values


def result_of(name: str) -> MpesaResult:
    result, expected = read_result(body_of(name)), EXPECTED[name]
    assert result.result_code == expected["code"]
    assert result.originator_conversation_id == expected["originator_conversation_id"]
    assert result.conversation_id == expected["conversation_id"]
    assert result.succeeded is (expected["code"] == "0")
    assert not result.is_timeout
    return result


@pytest.mark.parametrize("name", names_of("payout", "status", "reversal"))
def test_recorded_result_is_understood(name: str):
    result, expected = result_of(name), EXPECTED[name]
    kind = expected["kind"]
    if kind in VERDICTS:
        assert VERDICTS[kind](result.result_code).verdict is PayoutVerdict(expected["verdict"])
    if result.succeeded:
        told = VIEWS[kind](result)
        assert plain(told) == expected["told"]
    if kind == "status" and result.succeeded:
        verdict = transaction_status_verdict(told.transaction_status)
        assert verdict is PayoutVerdict(expected["verdict"])


@pytest.mark.parametrize("name", names_of("balance"))
def test_recorded_balance_is_understood(name: str):
    result, expected = result_of(name), EXPECTED[name]
    if not result.succeeded:
        assert question_stops_lane(result.result_code)
        return
    told = read_balances(result)
    held = {account: balance.available_cents for account, balance in told.accounts.items()}
    assert held == expected["accounts"]
    assert told.payable_cents == expected["payable_cents"]
    assert told.completed_at.isoformat() == expected["completed_at"]


@pytest.mark.parametrize("name", names_of("other_result"))
def test_a_result_of_no_kind_of_ours_is_readable_all_the_same(name: str):
    result, expected = result_of(name), EXPECTED[name]
    assert result.transaction_id == expected["receipt"]
    for key, values in expected["parameters"].items():
        assert list(result.parameters[key]) == values


@pytest.mark.parametrize("name", names_of("timeout"))
def test_a_recorded_timeout_proves_nothing(name: str):
    result = read_result(scrub_credential(body_of(name)))
    assert result.is_timeout
    assert not result.succeeded
    assert result.originator_conversation_id == EXPECTED[name]["originator_conversation_id"]


@pytest.mark.parametrize("name", names_of("c2b"))
def test_recorded_notice_is_understood(name: str):
    notice, expected = read_c2b_notice(body_of(name)), EXPECTED[name]
    assert notice.receipt_number == expected["receipt"]
    assert notice.amount_cents == expected["amount_cents"]
    assert notice.paid_at.isoformat() == expected["paid_at"]
    assert notice.short_code == expected["short_code"]
    assert notice.account_number == expected["account_number"]
    assert notice.payer == Payer(**expected["payer"])
    assert notice.transaction_type == "Pay Bill"


def test_the_hash_of_a_recorded_notice_is_that_of_safaricoms_test_number():
    notice = read_c2b_notice(body_of("c2b_confirmation_hashed_2025.json"))
    assert notice.payer.phone_hash == phone_hash("254705912645")


@pytest.mark.parametrize("name", names_of("pull"))
def test_recorded_pull_is_understood(name: str):
    page = read_pull_answer(Answer(200, body_of(name)))
    assert isinstance(page, PulledPage)
    assert [plain(each) for each in page.transactions] == [
        {**each, "payer": each["payer"]} for each in EXPECTED[name]["transactions"]
    ]
    assert page.told == 1


@pytest.mark.parametrize("name", names_of("statement"))
def test_recorded_statement_is_understood(name: str):
    statement, expected = read_statement(body_of(name)), EXPECTED[name]
    assert statement.short_code == expected["short_code"]
    assert len(statement.lines) == len(expected["lines"])
    for line, wanted in zip(statement.lines, expected["lines"], strict=True):
        told = plain(line)
        assert {name: told[name] for name in wanted} == wanted
    assert len({line.key for line in statement.lines}) == len(statement.lines)


@pytest.mark.parametrize("code", ["1", "00", "0 0", "31337", "100000001", "100000011", ""])
def test_only_zero_means_paid(code: str):
    assert payout_result(code).verdict is not PayoutVerdict.PAID


@pytest.mark.parametrize("code", ["15", "17", "26", "2029", "100000005", "31337", ""])
def test_a_code_that_proves_nothing_is_ambiguous(code: str):
    assert payout_result(code).verdict is PayoutVerdict.AMBIGUOUS
    assert reversal_result(code).verdict is PayoutVerdict.AMBIGUOUS
    assert not question_stops_lane(code)


@pytest.mark.parametrize("code", ["18", "20", "21", "2001", "2028", "8006", "11", "2006"])
def test_a_credential_that_is_refused_stops_the_lane(code: str):
    assert payout_result(code).verdict.stops_lane
    assert reversal_result(code).verdict.stops_lane
    assert question_stops_lane(code)


def test_a_reversal_that_was_made_before_has_reached_its_goal():
    assert reversal_result("R000001").verdict is PayoutVerdict.PAID
    assert reversal_result("R000002").verdict is PayoutVerdict.FAILED


@pytest.mark.parametrize(
    "status", ["Pending", "Cancelled", "Declined", "Expired", "Authorized", ""]
)
def test_only_completed_and_failed_prove_anything(status: str):
    assert transaction_status_verdict(status) is PayoutVerdict.AMBIGUOUS
    assert transaction_status_verdict(" completed") is PayoutVerdict.PAID
    assert transaction_status_verdict("Failed") is PayoutVerdict.FAILED


def test_every_code_has_words():
    for table in (PAYOUT_RESULT_CODES, REVERSAL_RESULT_CODES):
        assert all(row.meaning.endswith(".") for row in table.values())
