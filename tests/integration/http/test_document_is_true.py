"""The OpenAPI document against the running application: every answer is one it describes.

`make fuzz` asks ten thousand times; the suite asks a few hundred times.
"""

from __future__ import annotations

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CASES = int(os.environ.get("FUZZ_CASES", "300"))
_STRATEGIES = 3 * 9  # good and bad requests with a key, and some without, at nine doors
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
QUICKLY = settings(
    max_examples=max(1, CASES // _STRATEGIES),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def described(premises):
    def from_this_machine(environ, start_response):
        return premises.house.app(environ | {"REMOTE_ADDR": "127.0.0.1"}, start_response)

    return schemathesis.openapi.from_wsgi("/openapi.json", from_this_machine)


def ask(case, premises, headers):
    events = premises.house.count("event_store.events")
    response = case.call(headers=headers)
    case.validate_response(response, checks=CHECKS)
    if response.status_code >= 400:
        assert premises.house.count("event_store.events") == events
    return response


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_with_a_key_every_answer_is_described(premises, described, mode):
    headers = {"Authorization": f"Bearer {premises.client.key}"}
    for found in described.get_all_operations():
        operation = found.ok()
        if mode is GenerationMode.NEGATIVE and not operation.path.startswith("/daystar"):
            continue  # health asks for nothing that could be wrong

        @given(case=operation.as_strategy(generation_mode=mode))
        @QUICKLY
        def every_answer_is_described(case):
            ask(case, premises, headers)

        every_answer_is_described()


def test_without_a_key_every_answer_is_described_and_every_door_is_closed(premises, described):
    for operation in described.get_all_operations():

        @given(case=operation.ok().as_strategy())
        @QUICKLY
        def every_answer_is_described(case):
            response = ask(case, premises, {})
            if case.operation.path.startswith("/daystar"):
                assert response.status_code in {401, 404, 405}

        every_answer_is_described()
