"""Statements, runs and cases over HTTP: imported whole or not at all, decided by two."""

from __future__ import annotations

import base64
from uuid import uuid4

import pytest

from infra.mpesa.statement_reading import IMPORT_ROWS_MAX
from tests.integration.http.house import ALL_PERMISSIONS, assert_refused
from tests.integration.http.reconciliation_requests import (
    RECONCILIATION,
    make_cases,
    short_code_of,
    statement_file,
)
from tests.support.statements import Moved, balanced, newer_layout

STATEMENTS = f"{RECONCILIATION}/statements"
CASES = f"{RECONCILIATION}/cases"


def encoded(told):
    return base64.b64encode(told).decode()


def test_a_statement_is_imported_and_then_held_against_our_books_by_the_clock(house, client):
    body = {"content": statement_file(house, 1, 2)}
    told = client.post(STATEMENTS, body)
    assert told.status_code == 202, told.text
    assert (told.json["lines"], told.json["short_code"]) == (2, short_code_of(house))
    where = told.headers["Location"]
    house.follow()
    assert client.get(where).json["compared_at"] is None
    house.services.reconciliation.round().work_once()
    house.follow()
    run = client.get(where).json
    assert run["resolved_cases"] == {"only_there": 2}
    assert (run["theirs"], run["ours"]) == ({"payment": "1500.00"}, {"payment": "1500.00"})
    assert (run["unexplained"], run["balances_tie"]) == ("0.00", True)
    cases = client.get(f"{CASES}?run_id={run['id']}&status=resolved").json["cases"]
    assert [case["ending"] for case in cases] == ["posted", "posted"]
    assert client.get(f"{CASES}?kind=amount").json["cases"] == []


def test_a_statement_that_was_imported_before_is_refused_and_changes_nothing(house, client):
    body = {"content": statement_file(house, 3)}
    first = client.post(STATEMENTS, body)
    with house.unchanged():
        problem = assert_refused(client.post(STATEMENTS, body), 409, "statement_known")
    assert first.json["id"] in problem["message"]


def test_a_malformed_row_is_named_and_nothing_is_imported(house, client):
    lines = balanced([line for number in range(9) for line in Moved(number, "payment", 5).lines()])
    rows = newer_layout(lines, short_code_of(house)).split(b"\r\n")
    rows[6] = rows[6].replace(b"5.00", b"five", 1)
    content = encoded(b"\r\n".join(rows))
    with house.unchanged():
        problem = assert_refused(client.post(STATEMENTS, {"content": content}), 422, "invalid_body")
    assert "row 7" in problem["errors"]["content"][0]
    assert "five" not in str(problem)


@pytest.mark.parametrize(
    ("short_code", "code"),
    [("600111", "statement_of_another"), (None, "short_code_not_named")],
)
def test_a_statement_of_nobody_knows_whom_is_refused(house, client, short_code, code):
    [_, _, _, *table] = newer_layout(balanced(Moved(1, "payment", 5).lines())).split(b"\r\n")
    body = {"content": encoded(b"\r\n".join(table)), "short_code": short_code}
    with house.unchanged():
        assert_refused(client.post(STATEMENTS, body), 409, code)


def test_a_statement_with_too_many_rows_is_refused(house, client):
    rows = newer_layout(balanced(Moved(1, "payment", 5).lines()), short_code_of(house))
    line = rows.split(b"\r\n")[4]
    content = encoded(rows + b"\r\n".join([line] * IMPORT_ROWS_MAX))
    with house.unchanged():
        problem = assert_refused(client.post(STATEMENTS, {"content": content}), 422, "invalid_body")
    assert "more than" in problem["errors"]["content"][0]


def test_one_proposes_over_http_and_another_confirms(house):
    cases = make_cases(house)
    maker = house.approver(*ALL_PERMISSIONS, name="Maker")
    checker = house.approver(*ALL_PERMISSIONS, name="Checker")
    at = f"{CASES}/{cases['propose']}"
    body = {"decision": "accept", "reason": "the weekly transfer to our bank"}
    assert maker.post(f"{at}/proposal", body).json["status"] == "proposed"
    with house.unchanged():
        assert_refused(maker.post(f"{at}/confirmation", {}), 409, "another_must_decide")
    told = checker.post(f"{at}/confirmation", {})
    assert (told.json["status"], told.json["ending"]) == ("resolved", "accepted")
    house.follow()
    case = checker.get(at).json
    assert (case["effect"], case["explained"]) == ("-900.00", "-900.00")
    assert case["reason"] == body["reason"]
    with house.unchanged():
        assert_refused(maker.post(f"{at}/proposal", body), 409, "case_is_resolved")
        posting = {"decision": "post", "reason": "money"}
        other = f"{CASES}/{cases['confirm']}/proposal"
        assert_refused(maker.post(other, posting), 409, "cannot_be_posted")


@pytest.mark.parametrize(
    ("path", "code"),
    [("runs", "run_not_found"), ("cases", "case_not_found")],
)
def test_what_there_is_not_is_not_found(house, client, path, code):
    assert_refused(client.get(f"{RECONCILIATION}/{path}/{uuid4()}"), 404, code)
