"""Each request has an id; what it causes, and every line said meanwhile, carries it."""

from __future__ import annotations

import json

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from consumers.mpesa.due_requests import DueRequest
from consumers.mpesa.push_sender import PushSender
from infra import clock
from tests.integration.http.house import MEMBERS, REGISTER, REQUEST_ID, Client
from tests.integration.http.requests_of_every_kind import Premises

_METADATA = """
SELECT topic, convert_from(metadata, 'UTF8') FROM event_store.events
WHERE stream_id = %s ORDER BY stream_version
"""


@pytest.fixture
def lines():
    with capture_logs(processors=[merge_contextvars]) as captured:
        yield captured


def ids(line):
    return line["request_id"], line["correlation_id"]


def caused(house, stream_id):
    rows = house.owner.execute(_METADATA, (stream_id,)).fetchall()
    return [(topic, json.loads(metadata)) for topic, metadata in rows]


def test_what_a_request_causes_carries_its_id(house, lines):
    client = house.client("operate")
    answer = client.post(REGISTER, Premises.of(house).command("register")[1])
    assert answer.status_code == 201
    [(_, metadata)] = caused(house, answer.json["id"])
    assert metadata["correlation_id"] == REQUEST_ID
    assert metadata["causation_id"] == f"request:{REQUEST_ID}"
    assert ids(lines[-1]) == (REQUEST_ID, REQUEST_ID)


def test_a_push_is_followed_by_its_own_id_however_often_it_is_asked_for(house, lines):
    client = house.client("operate", "read_members")
    path, body = Premises.of(house).command("push")
    first = client.post(path, body, headers={"Idempotency-Key": "once"})
    again = client.post(
        path, body, headers={"Idempotency-Key": "once", "X-Request-Id": "asked-again"}
    )
    client.get(MEMBERS, headers={"X-Request-Id": "something-else"})
    push_id = first.json["id"]
    assert again.json["id"] == push_id
    assert [ids(line) for line in lines if line["event"] == "request"][-3:] == [
        (REQUEST_ID, push_id),
        ("asked-again", push_id),
        ("something-else", "something-else"),
    ]
    [(_, metadata)] = caused(house, push_id)
    assert metadata["correlation_id"] == push_id
    assert metadata["causation_id"] == f"request:{REQUEST_ID}"


def test_a_callback_carries_the_pushs_id_to_the_last_line(house, lines):
    push_id = house.co_operative.accepted_push(house.member())
    address = f"/hooks/stk/{house.services.keyring.callback_token('stk', push_id)}"
    Client(house.app, None).post_bytes(address, b"garbage")
    assert ids(lines[-1]) == (REQUEST_ID, str(push_id))
    assert house.services.intake().work_once() == 1
    said = {line["event"]: line for line in lines[-2:]}
    assert set(said) == {"callback_unreadable", "callback_settled"}
    assert {line["correlation_id"] for line in said.values()} == {str(push_id)}
    assert said["callback_settled"]["set_aside"]


def test_what_goes_wrong_with_a_push_is_said_with_its_id(house, lines):
    """Whatever it is: here, that nobody knows the push."""
    push_id = house.member()
    sender = PushSender(house.services.store, None, None, callback_url=str)
    sender._send_guarded(DueRequest(push_id, clock.now(), 1))
    assert (lines[-1]["event"], lines[-1]["correlation_id"]) == ("request_failed", str(push_id))
    watch = house.services.push_watch()
    watch._do_guarded(DueRequest(push_id, clock.now(), 1), "query")
    assert (lines[-1]["event"], lines[-1]["correlation_id"]) == ("watch_failed", str(push_id))
