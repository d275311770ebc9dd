"""The API's description of itself: whole, true, and readable without another host."""

from __future__ import annotations

import re

import pytest

from tests.integration.http.house import Client

OPERATIONS = {
    ("/daystar-accounting/v1/members", "get"),
    ("/daystar-accounting/v1/contributions", "get"),
    ("/daystar/v1/members", "post"),
    ("/daystar/v1/contributions", "post"),
    ("/daystar/v1/contributions/{contribution_id}/reversal", "post"),
    ("/daystar/v1/mpesa/stk-push", "post"),
    ("/daystar/v1/mpesa/transactions/{transaction_id}", "get"),
    ("/livez", "get"),
    ("/readyz", "get"),
}


@pytest.fixture
def document(premises):
    response = Client(premises.house.app, None).get("/openapi.json")
    assert response.status_code == 200
    return response.json


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in {"get", "post"}:
                yield path, method, operation


def test_every_door_is_described_once(document):
    assert document["openapi"] == "3.1.0"
    described = list(operations(document))
    assert {(path, method) for path, method, _ in described} >= OPERATIONS
    names = [operation["operationId"] for _, _, operation in described]
    assert len(names) == len(set(names))
    for _, _, operation in described:
        assert operation["summary"]
        assert operation["tags"]


def test_every_keyed_door_names_its_key_its_refusals_and_its_budget(document):
    for path, method, operation in operations(document):
        told = operation["responses"]
        for status, response in told.items():
            assert "X-Request-Id" in response["headers"]
            if not status.startswith("2"):
                assert set(response["content"]) == {"application/problem+json"}
        if not operation["security"]:
            assert path in {"/livez", "/readyz"}
            continue
        assert {"401", "403", "405", "429", "503"} <= set(told)
        assert "RateLimit" in next(iter(told.values()))["headers"]
        assert "Retry-After" in told["429"]["headers"]
        if method == "post":
            assert {"400", "404", "409", "413", "415", "422"} <= set(told)
            assert "Idempotency-Key" in {known["name"] for known in operation["parameters"]}


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
