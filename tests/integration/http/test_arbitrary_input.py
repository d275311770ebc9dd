"""Whatever is sent, it is never our failure, and only what was accepted leaves events behind."""

from __future__ import annotations

import json
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.http.requests_of_every_kind import COMMANDS, LISTS

QUICKLY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
WORDS = st.text(st.characters(codec=None), max_size=40)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
AMOUNTS = st.decimals(allow_nan=True, allow_infinity=True).map(str) | st.from_regex(
    r"\A\d{1,12}(\.\d{1,3})?\Z"
)
DAYS = st.dates().map(str) | st.datetimes().map(str)
PLAUSIBLE = VALUES | AMOUNTS | DAYS | st.uuids().map(str) | st.from_regex(r"\A\+?[0-9 ]{9,14}\Z")


def check(premises, response, events_before):
    assert response.status_code < 500, response.text
    grown = premises.house.count("event_store.events") - events_before
    if 200 <= response.status_code < 300:
        assert grown > 0
    else:
        assert grown == 0
        assert response.content_type == "application/problem+json"
        problem = json.loads(response.data)
        assert problem["code"]
        assert problem["data"] == {"status": response.status_code}


@pytest.mark.parametrize("command", COMMANDS)
@given(value=VALUES)
@QUICKLY
def test_any_json_is_answered_without_failing(premises, command, value):
    path, _ = premises.command(command)
    events = premises.house.count("event_store.events")
    check(premises, premises.client.post(path, value), events)


@pytest.mark.parametrize("command", COMMANDS)
@given(data=st.binary(max_size=200))
@QUICKLY
def test_any_bytes_are_answered_without_failing(premises, command, data):
    path, _ = premises.command(command)
    events = premises.house.count("event_store.events")
    check(premises, premises.client.post_bytes(path, data), events)


@pytest.mark.parametrize("command", COMMANDS)
@given(data=st.data())
@QUICKLY
def test_a_good_body_spoiled_anywhere_is_answered_without_failing(premises, command, data):
    path, body = premises.command(command)
    names = (st.sampled_from(sorted(body)) | WORDS) if body else WORDS
    spoiled = body | data.draw(st.dictionaries(names, PLAUSIBLE, min_size=1, max_size=3))
    headers = {"Idempotency-Key": data.draw(st.from_regex(r"\A[!-~]{1,40}\Z"))}
    events = premises.house.count("event_store.events")
    response = premises.client.post(path, spoiled, headers=headers)
    if response.headers.get("Idempotency-Replayed"):
        return
    check(premises, response, events)


@pytest.mark.parametrize("path", LISTS)
@given(
    parameters=st.dictionaries(
        st.sampled_from(["page", "per_page", "status", "member_id", "date_from", "date_to"]),
        st.text(max_size=30) | st.integers().map(str) | DAYS | st.uuids().map(str),
        max_size=4,
    )
)
@QUICKLY
def test_any_parameters_are_answered_without_failing(premises, path, parameters):
    response = premises.client.get(f"{path}?{urlencode(parameters)}")
    assert response.status_code in {200, 400}, response.text


@given(path=st.text(max_size=60), key=st.text(st.characters(codec="latin-1"), max_size=40))
@QUICKLY
def test_any_path_and_any_key_are_answered_without_failing(premises, path, key):
    clean = key.replace("\r", "").replace("\n", "")
    response = premises.client.get(f"/{quote(path)}", headers={"X-API-Key": clean})
    assert response.status_code < 500
