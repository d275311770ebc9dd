"""The document's `webhooks` say what is really posted: every event, its body, its headers."""

from __future__ import annotations

from uuid import UUID

import jsonschema_rs
import orjson
import pytest

from app.documentation.webhooks import told_webhooks
from consumers.webhooks.body import body_of
from infra.webhooks.signatures import signed_headers
from projections.public_events.examples import EXAMPLE_ID, example_item
from projections.public_events.schemas import schema_of
from projections.public_events.table import TYPES
from tests.integration.http.house import Client

OPERATIONS = {name: item["post"] for name, item in told_webhooks().items()}


def validator(schema):
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def test_the_document_holds_every_event_that_can_be_told(premises):
    document = Client(premises.house.app, None).get("/openapi.json").json
    assert set(document["webhooks"]) == set(TYPES)
    assert document["webhooks"] == orjson.loads(orjson.dumps(told_webhooks()))
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(ids)) == len(TYPES)


@pytest.mark.parametrize("name", sorted(TYPES))
def test_an_example_item_is_one_of_its_type(name):
    assert validator(schema_of(TYPES[name])).is_valid(example_item(TYPES[name]))


@pytest.mark.parametrize("name", sorted(TYPES))
@pytest.mark.parametrize("sequence", [1, None])
def test_a_body_as_it_is_posted_is_what_the_document_says(name, sequence):
    (content,) = OPERATIONS[name]["requestBody"]["content"].values()
    item = orjson.dumps(example_item(TYPES[name]))
    body = orjson.loads(body_of(item, endpoint_id=UUID(EXAMPLE_ID), sequence=sequence))
    assert validator(content["schema"]).is_valid(body)
    assert set(body) == set(content["schema"]["properties"])
    assert content["example"] == body | {"sequence": content["example"]["sequence"]}


def test_the_headers_as_they_are_sent_are_those_the_document_names():
    sent = signed_headers([bytes(32)], webhook_id="id", timestamp=1, event="e", body=b"{}")
    for operation in OPERATIONS.values():
        assert {parameter["name"] for parameter in operation["parameters"]} == set(sent)
