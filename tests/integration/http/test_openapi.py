"""The API's description of itself: whole, true, and readable without another host."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest

from app.blueprint import Blueprint
from projections.public_events.table import TYPES
from tests.integration.http.house import Client, assert_refused

PARTS_OF_THE_PAGE = {"/docs/page.js", "/docs/page.css", "/docs/icon.svg"}
CONVERTED = re.compile(r"{[a-z_]+}")
SOME_ID = "6f1c1df2-7a3e-5d0e-9a52-0f4b3c8e2a10"
CONVERTER = re.compile(r"<(?:[^:>]+:)?([^>]+)>")


@pytest.fixture
def document(premises):
    response = Client(premises.house.app, None).get("/openapi.json")
    assert response.status_code == 200
    return response.json


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in {"get", "post", "patch", "delete"}:
                yield path, method, operation


def test_every_address_of_the_application_is_described_and_no_other(premises, document):
    assert document["openapi"] == "3.1.0"
    answered = {
        (CONVERTER.sub(r"{\1}", rule.rule), method.lower())
        for rule in premises.house.app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.endpoint != "static" and rule.rule not in PARTS_OF_THE_PAGE
    }
    described = list(operations(document))
    assert {(path, method) for path, method, _ in described} == answered
    names = [operation["operationId"] for _, _, operation in described]
    assert len(names) == len(set(names))
    groups = {tag["name"] for tag in document["tags"] if tag["description"]}
    for _, _, operation in described:
        assert operation["summary"]
        assert set(operation["tags"]) <= groups


def test_every_blueprint_leaves_the_unknown_to_its_schemas(premises):
    parts = {"page_parts"}
    for name, blueprint in premises.house.app.blueprints.items():
        assert isinstance(blueprint, Blueprint) or name in parts, name


def test_every_keyed_door_names_its_key_its_refusals_and_its_budget(document):
    def resolved(response):
        name = response.get("$ref", "").rpartition("/")[2]
        return document["components"]["responses"][name] if name else response

    for path, method, operation in operations(document):
        told = {status: resolved(each) for status, each in operation["responses"].items()}
        for status, response in told.items():
            assert {"X-Request-Id", "Content-Security-Policy"} <= set(response["headers"])
            if not status.startswith("2") and status != "304":
                assert set(response["content"]) == {"application/problem+json"}
        assert {"403", "405", "500"} <= set(told)
        if not operation["security"]:
            assert not path.startswith("/daystar")
            assert not any("RateLimit" in response["headers"] for response in told.values())
            continue
        assert {"401", "429", "503"} <= set(told)
        for status in set(told) - {"401", "405"}:
            assert "RateLimit" in told[status]["headers"], (path, status)
        assert "WWW-Authenticate" in told["401"]["headers"]
        assert "Allow" in told["405"]["headers"]
        assert "Retry-After" in told["429"]["headers"]
        if method == "post":
            assert {"400", "409", "413", "415", "422"} <= set(told)
            named = {known["$ref"].rpartition("/")[2] for known in operation["parameters"]}
            assert named <= {"IdempotencyKey", "IdempotencyKeyOptional"}
            assert named


def queried(document):
    for path, _, operation in operations(document):
        named = [p for p in operation.get("parameters", []) if p.get("in") == "query"]
        if named:
            yield CONVERTED.sub(SOME_ID, path), named


def test_every_list_refuses_what_it_does_not_know_and_what_python_alone_would_read(
    premises, document
):
    some_id = "6f1c1df27a3e5d0e9a520f4b3c8e2a10"
    loosely = {"integer": ["1_0", " 5", "5.0"], "date": ["20260301"], "uuid": [some_id]}
    lists = list(queried(document))
    assert len(lists) >= 2
    for template, parameters in lists:
        path = re.sub(r"\{[a-z_]+\}", str(premises.member_id), template)
        spoiled = [("misspelt", "1")]
        for parameter in parameters:
            schema = parameter["schema"]
            kind = schema.get("format", schema.get("type"))
            spoiled += [(parameter["name"], value) for value in loosely.get(kind, [])]
        for name, value in spoiled:
            response = premises.client.get(f"{path}?{urlencode({name: value})}")
            assert_refused(response, 400, "rest_invalid_param")


def test_what_moved_in_is_described_as_the_feed_tells_it(document):
    told = TYPES["contribution.received"].data["payment_method"]["enum"]
    listed = document["components"]["schemas"]["ContributionAnswer"]["properties"]["payment_method"]
    assert sorted(listed["enum"]) == sorted(told)
    assert "opening_balance" in told


def test_every_reference_leads_somewhere(document):
    def references(node):
        if isinstance(node, dict):
            if "$ref" in node:
                yield node["$ref"]
            for inner in node.values():
                yield from references(inner)
        if isinstance(node, list):
            for inner in node:
                yield from references(inner)

    for reference in set(references(document)):
        place = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
        assert place


def test_the_page_loads_nothing_from_elsewhere(premises):
    stranger = Client(premises.house.app, None)
    for path, kind in (
        ("/docs", "html"),
        ("/docs/page.js", "javascript"),
        ("/docs/page.css", "css"),
    ):
        response = stranger.get(path)
        assert response.status_code == 200
        assert kind in response.content_type
        assert not re.search(r"(https?:)?//[a-z]", response.text.replace("// Reads /", ""))
        policy = response.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in policy
