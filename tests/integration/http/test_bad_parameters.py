"""Parameters of the accounting API that make no sense: 400 each, named, and nothing changed."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from app.accounting.resources import PAGE_MAX, PER_PAGE_MAX
from app.factory import ALIAS_PREFIX
from tests.integration.http.house import (
    CONTRIBUTIONS,
    MEMBERS,
    assert_refused,
)
from tests.integration.http.requests_of_every_kind import LISTS

NOT_A_NUMBER = [
    *("x", "", " ", "1.5", "1e2", "NaN", "0x10", "--1", "1,000", "null", "9" * 5_000),
    *("1_0", " 5", "5 ", "+5", "05", "5\n", "\u0665", "\uff15"),
]
NOT_A_DATE = [
    *("2026-02-30", "10000-01-01", "0000-01-01", "", "today", "2026-1-1", "\x00"),
    *("20260301", "2026-W10-1", " 2026-03-01", "2026-03-01 ", "\u0662\u0660\u0662\u0666-03-01"),
]
SOME_ID = "6f1c1df2-7a3e-5d0e-9a52-0f4b3c8e2a10"


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in ("page", "per_page") for value in NOT_A_NUMBER),
        *((name, value) for name in ("page", "per_page") for value in ("0", "-1", "-9" * 30)),
        ("page", PAGE_MAX + 1),
        ("page", "9" * 30),
        ("per_page", PER_PAGE_MAX + 1),
        ("per_page", "9" * 30),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_page_out_of_range_is_refused(premises, path, name, value):
    with premises.house.unchanged():
        response = premises.client.get(f"{path}?{urlencode({name: value})}")
        problem = assert_refused(response, 400, "rest_invalid_param")
    assert problem["message"] == f"Invalid parameter(s): {name}"
    assert set(problem["errors"]) == {name}


@pytest.mark.parametrize("status", ["", "Active", "deleted", "active,inactive", "\x00", "é", "%"])
def test_a_status_outside_its_list_is_refused(premises, status):
    with premises.house.unchanged():
        response = premises.client.get(f"{MEMBERS}?{urlencode({'status': status})}")
        problem = assert_refused(response, 400, "rest_invalid_param")
    assert set(problem["errors"]) == {"status"}


@pytest.mark.parametrize(
    "member",
    [
        *("", "1", "not-a-uuid", "' OR 1=1 --", "\x00" * 16, "0" * 33),
        *(SOME_ID.replace("-", ""), f"{{{SOME_ID}}}", f"urn:uuid:{SOME_ID}", f"{SOME_ID} "),
    ],
)
def test_a_malformed_member_id_is_refused(premises, member):
    with premises.house.unchanged():
        response = premises.client.get(f"{CONTRIBUTIONS}?{urlencode({'member_id': member})}")
        problem = assert_refused(response, 400, "rest_invalid_param")
    assert set(problem["errors"]) == {"member_id"}


@pytest.mark.parametrize("name", ["date_from", "date_to"])
@pytest.mark.parametrize("day", NOT_A_DATE, ids=repr)
def test_a_malformed_date_is_refused(premises, name, day):
    with premises.house.unchanged():
        response = premises.client.get(f"{CONTRIBUTIONS}?{urlencode({name: day})}")
        problem = assert_refused(response, 400, "rest_invalid_param")
    assert set(problem["errors"]) == {name}


def test_a_period_that_ends_before_it_begins_is_refused(premises):
    with premises.house.unchanged():
        response = premises.client.get(f"{CONTRIBUTIONS}?date_from=2026-03-02&date_to=2026-03-01")
        problem = assert_refused(response, 400, "rest_invalid_param")
    assert set(problem["errors"]) == {"date_to"}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        *((path, name) for path in LISTS for name in ("perpage", "Page", "page[]", "order", "é")),
        (MEMBERS, "date_from"),
        (MEMBERS, "member_id"),
        (CONTRIBUTIONS, "status"),
        (CONTRIBUTIONS, "from"),
    ],
)
def test_an_unknown_parameter_is_refused_rather_than_ignored(premises, path, name):
    with premises.house.unchanged():
        response = premises.client.get(f"{path}?{urlencode({name: '1'})}")
        problem = assert_refused(response, 400, "rest_invalid_param")
    assert set(problem["errors"]) == {name}


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("name", ["page", "cursor", "api_key"])
def test_a_parameter_sent_twice_is_refused(premises, path, name):
    with premises.house.unchanged():
        response = premises.client.get(f"{path}?{name}=1&{name}=2")
        problem = assert_refused(response, 400, "rest_invalid_param")
    assert problem["errors"] == {name: ["Send it once."]}


def test_all_that_is_wrong_is_said_at_once(premises):
    response = premises.client.get(f"{CONTRIBUTIONS}?page=0&per_page=x&member_id=1&date_from=1")
    problem = assert_refused(response, 400, "rest_invalid_param")
    assert set(problem["errors"]) == {"page", "per_page", "member_id", "date_from"}


def test_the_alias_refuses_in_the_same_words(premises):
    client = premises.client
    response = client.get(f"{MEMBERS}?page=0")
    alias = client.get(f"{ALIAS_PREFIX}v1/members?page=0")
    assert_refused(alias, 400, "rest_invalid_param")
    assert alias.data == response.data


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("page", [2, PAGE_MAX])
def test_a_page_beyond_the_last_is_empty(premises, path, page):
    noun = path.rpartition("/")[2]
    first = premises.client.get(f"{path}?per_page={PER_PAGE_MAX}")
    response = premises.client.get(f"{path}?page={page}&per_page={PER_PAGE_MAX}")
    assert response.status_code == 200
    assert response.json[noun] == []
    assert response.json["pagination"]["total_items"] == len(first.json[noun]) > 0


@pytest.mark.parametrize(
    "query", ["%", "&&&", "=", "page", "?page=1", "%ff=1", "page=%ff", "a=b=c"]
)
def test_a_query_that_is_no_query_never_fails_on_our_side(premises, query):
    with premises.house.unchanged():
        response = premises.client.get(f"{MEMBERS}?{query}")
    assert response.status_code in {200, 400}
