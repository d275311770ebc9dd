"""The examples of the document are what the house answers: asked for again, and compared."""

from __future__ import annotations

import os
from pathlib import Path

import jsonschema_rs
import pytest

import app.documentation
from tests.integration.http.house import Client
from tests.integration.http.recording import Recording, as_text
from tests.integration.http.requests_of_every_kind import Premises

FILE = Path(app.documentation.__file__).parent / "answers.json"


@pytest.fixture
def document(house):
    return Client(house.app, None).get("/openapi.json").json


def test_every_example_is_what_the_house_answers(house, document):
    """`make examples` writes them down anew."""
    recorded = as_text(Recording(document, Premises.of(house)))
    if os.environ.get("RECORD_EXAMPLES"):
        FILE.write_text(recorded)
    assert recorded == FILE.read_text(), "say `make examples`, and look at the difference"


def resolved(document, node):
    while "$ref" in node:
        place = document
        for step in node["$ref"].removeprefix("#/").split("/"):
            place = place[step]
        node = place
    return node


def contents(document):
    """Every body of the document: where it stands, its schema and its examples."""
    for path, item in document["paths"].items():
        for method in {"get", "post", "patch", "delete"} & set(item):
            operation = item[method]
            told = [("request", operation.get("requestBody", {})), *operation["responses"].items()]
            for status, body in told:
                for content in resolved(document, body).get("content", {}).values():
                    found = [resolved(document, e) for e in content.get("examples", {}).values()]
                    examples = [example["value"] for example in found]
                    examples += [content["example"]] if "example" in content else []
                    yield f"{method} {path} {status}", content["schema"], examples


def test_every_body_of_the_document_has_examples_that_fit_its_schema(document):
    for where, schema, examples in contents(document):
        assert examples, where
        whole = {**schema, "components": document["components"]}
        validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        for example in examples:
            assert [error.message for error in validator.iter_errors(example)] == [], where
