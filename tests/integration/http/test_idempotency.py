"""The same request, however often it comes, is done once and answered the same."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from app.accounting.webhook_fields import (
    CreatedWebhookAnswer,
    OneWebhookAnswer,
    RotatedSecretAnswer,
)
from app.operations.contributions import RecordedAnswer
from app.operations.loans import LoanStandingAnswer
from app.operations.members import MemberStandingAnswer, RegisteredAnswer
from app.operations.mpesa import PushAnswer
from app.operations.payouts import LaneStandingAnswer, SettlingAnswer
from app.operations.reconciliation import CaseStandingAnswer, ImportedAnswer
from app.operations.refunds import RefundAnswer
from app.operations.repayments import RepaymentRecordedAnswer
from app.operations.suspense import ProposedAnswer
from infra.event_store.dispatch import dispatch
from infra.event_store.errors import IdempotencyClaimLapsed
from infra.idempotency import CLAIM_SECONDS, Claim, IdempotencyKeys
from infra.postgres.pool import open_pool
from tests.integration.http.house import ALL_PERMISSIONS, PUSH, RECORD, assert_refused
from tests.integration.http.payout_requests import PAYOUT_ACTS, REFUND_ACTS
from tests.integration.http.requests_of_every_kind import (
    COMMANDS,
    DESK_ACTS,
    LOAN_ACTS,
    MEMBER_ACTS,
    MONEY_COMMANDS,
    STATUS_OF,
    Premises,
)
from tests.support.co_operative import CAUSE
from tests.support.commits import contribution
from tests.support.waiting import eventually

AT_ONCE = 8
ANSWERS = {
    "register": RegisteredAnswer,
    "record": RecordedAnswer,
    "reverse": RecordedAnswer,
    "push": PushAnswer,
    **dict.fromkeys(MEMBER_ACTS, MemberStandingAnswer),
    **dict.fromkeys(("apply", *LOAN_ACTS), LoanStandingAnswer),
    "repay": RepaymentRecordedAnswer,
    "import_statement": ImportedAnswer,
    **dict.fromkeys(("propose", "confirm"), CaseStandingAnswer),
    **dict.fromkeys(REFUND_ACTS, RefundAnswer),
    **dict.fromkeys(PAYOUT_ACTS[:3], SettlingAnswer),
    "resume": LaneStandingAnswer,
    "retry": PushAnswer,
    "subscribe": CreatedWebhookAnswer,
    "rotate_secret": RotatedSecretAnswer,
    **dict.fromkeys(("pause_webhook", "resume_webhook"), OneWebhookAnswer),
    **dict.fromkeys(DESK_ACTS, ProposedAnswer),
}
EVENTS_OF = {
    **dict.fromkeys(("register", "exit"), 2),
    **dict.fromkeys(("confirm_proposal", "confirm_refund", "confirm_settlement"), 4),
}
"""How many events a command makes, where it is more than one."""


@pytest.fixture
def own(house):
    return Premises.of(house)


def keyed(key="the-key"):
    return {"Idempotency-Key": key}


def effects(house):
    """All that a second run of a command could add to."""
    tables = ("events", "keys", "personal_keys")
    return [house.count(f"event_store.{table}") for table in tables]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_answers_what_its_schema_says(own, command):
    path, body = own.command(command)
    response = own.client.post(path, body)
    assert response.content_type == "application/json"
    assert ANSWERS[command]().validate(response.json) == {}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_same_request_is_answered_with_the_same_bytes_and_does_nothing_more(own, command):
    path, body = own.command(command)
    first = own.client.post(path, body, headers=keyed())
    assert first.status_code == STATUS_OF[command]
    assert "Idempotency-Replayed" not in first.headers
    with own.house.unchanged():
        for _ in range(3):
            again = own.client.post(path, body, headers=keyed())
            assert (again.status_code, again.data) == (first.status_code, first.data)
            assert again.headers["Idempotency-Replayed"] == "true"
            assert again.headers.get("Location") == first.headers.get("Location")


@pytest.mark.parametrize("command", MONEY_COMMANDS)
def test_the_same_request_written_otherwise_is_the_same_request(own, command):
    path, body = own.command(command)
    first = own.client.post(path, body, headers=keyed())
    turned = json.dumps(dict(reversed(body.items())), indent=4).encode()
    escaped = json.dumps(body).replace("m", "\\u006d").encode()
    with own.house.unchanged():
        for data in (turned, escaped):
            again = own.client.post_bytes(
                path, data, headers=keyed(), content_type="application/json; charset=utf-8"
            )
            assert (again.status_code, again.data) == (first.status_code, first.data)


def test_another_body_under_the_same_key_is_refused(own):
    path, body = own.command("record")
    assert own.client.post(path, body, headers=keyed()).status_code == 201
    with own.house.unchanged():
        response = own.client.post(path, body | {"amount": "2000.0"}, headers=keyed())
        assert_refused(response, 422, "idempotency_key_reused")


def test_an_answer_given_before_is_not_kept_in_clear(own):
    path, body = own.command("register")
    answer = own.client.post(path, body, headers=keyed("a-key-of-mine"))
    kept = own.house.owner.execute("SELECT i::text, i.body FROM event_store.idempotency i")
    for text, stored in kept.fetchall():
        assert b"a-key-of-mine".hex() not in text
        assert answer.json["id"].encode() not in stored


def test_a_key_belongs_to_whoever_sent_it(own):
    path, body = own.command("record")
    first = own.client.post(path, body, headers=keyed())
    other = own.house.client(*ALL_PERMISSIONS)
    second = other.post(path, body | {"payment_reference": "OTHER"}, headers=keyed())
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json["id"] != second.json["id"]


def test_a_key_belongs_to_its_path(own):
    member_id = str(own.member_id)
    statuses = [
        own.client.post(*own.command(command), headers=keyed()).status_code
        for command in MONEY_COMMANDS
    ]
    assert statuses == [STATUS_OF[command] for command in MONEY_COMMANDS]
    other = own.house.contribution(own.member_id)
    response = own.client.post(
        f"{RECORD}/{other}/reversal",
        {"member_id": member_id, "reason": "typed twice"},
        headers=keyed(),
    )
    assert response.status_code == 201
    assert response.json["id"] == str(other)


def test_keys_differ_in_case(own):
    path, body = own.command("record")
    first = own.client.post(path, body, headers=keyed("key"))
    second = own.client.post(path, body | {"payment_reference": "B"}, headers=keyed("KEY"))
    assert (first.status_code, second.status_code) == (201, 201)


@pytest.mark.parametrize("command", COMMANDS)
def test_of_many_identical_requests_at_once_one_has_an_effect(own, command):
    path, body = own.command(command)
    own.client.get("/livez")
    before = effects(own.house)
    together = threading.Barrier(AT_ONCE)

    def ask():
        together.wait()
        return own.client.post(path, body, headers=keyed())

    with ThreadPoolExecutor(AT_ONCE) as threads:
        responses = [asked.result() for asked in [threads.submit(ask) for _ in range(AT_ONCE)]]
    done = [response for response in responses if response.status_code < 300]
    assert done, "somebody was served"
    assert len({response.data for response in done}) == 1
    for response in responses:
        if response not in done:
            assert_refused(response, 409, "idempotency_key_in_flight")
            assert response.headers["Retry-After"] == "1"
    after = effects(own.house)
    assert own.client.post(path, body, headers=keyed()).data == done[0].data
    assert effects(own.house) == after
    assert after[0] - before[0] == EVENTS_OF.get(command, 1)


@pytest.mark.parametrize(
    ("command", "wrong", "status"),
    [
        ("record", {"amount": "1.00"}, 409),
        ("record", {"payment_method": "mpesa"}, 422),
        ("record", {"amount": "-1"}, 422),
        ("record", {"payment_reference": "TAKEN-REFERENCE"}, 409),
        ("record", {"member_id": str(uuid4())}, 404),
        ("push", {"phone": "0712345678"}, 409),
        ("push", {"phone": "0000000000"}, 422),
        ("reverse", {"reason": "   "}, 422),
        ("register", {"id_number": "TAKEN0001"}, 409),
    ],
)
def test_after_a_refusal_the_key_serves_the_corrected_request(own, command, wrong, status):
    path, body = own.command(command)
    with own.house.unchanged():
        for _ in range(2):
            response = own.client.post(path, body | wrong, headers=keyed())
            assert response.status_code == status
    assert own.client.post(path, body, headers=keyed()).status_code == STATUS_OF[command]


def dead_claim(own, path, key, body, *, pool=None):
    """A claim whose request died before it acted."""
    keys = IdempotencyKeys(pool or own.house.services.pool, own.house.services.keyring)
    key_id = own.house.services.key_check.caller(own.client.key).key_id
    claim = keys.claim(scope=f"{key_id}\nPOST\n{path}", key=key, body=body)
    assert isinstance(claim, Claim)
    return claim


def let_time_pass(own, seconds):
    own.house.owner.execute(
        "UPDATE event_store.idempotency SET claimed_at = claimed_at - make_interval(secs => %s)",
        (seconds,),
    )


def test_a_claim_left_by_a_dead_process_holds_for_a_while_and_then_lapses(own):
    path, body = own.command("record")
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    dead_claim(own, path, "the-key", canonical)
    with own.house.unchanged():
        response = own.client.post(path, body, headers=keyed())
        assert_refused(response, 409, "idempotency_key_in_flight")
        assert response.headers["Retry-After"] == "1"
    let_time_pass(own, CLAIM_SECONDS - 5)
    assert own.client.post(path, body, headers=keyed()).status_code == 409
    let_time_pass(own, 6)
    assert own.client.post(path, body, headers=keyed()).status_code == 201


def test_a_claim_ends_with_the_process_that_made_it(own, owner_url):
    """With its connections, that is: a process that is killed loses them at once."""
    path, body = own.command("record")
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    with open_pool(owner_url, size_max=1) as of_another:
        dead_claim(own, path, "the-key", canonical, pool=of_another)
        assert own.client.post(path, body, headers=keyed()).status_code == 409

    def served():
        return own.client.post(path, body, headers=keyed()).status_code == 201

    eventually(served, within=CLAIM_SECONDS / 3)


def test_who_was_taken_for_dead_does_nothing_any_more(own, owner_url):
    """Its session ended while it was at work: whoever asked again has the claim, and the effect."""
    path, body = own.command("record")
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    with open_pool(owner_url, size_max=1) as of_another:
        claim = dead_claim(own, path, "the-key", canonical, pool=of_another)
    eventually(lambda: own.client.post(path, body, headers=keyed()).status_code == 201)
    keys = own.house.services.idempotency
    before = effects(own.house)
    with pytest.raises(IdempotencyClaimLapsed):
        dispatch(
            own.house.services.store,
            contribution(own.member_id),
            CAUSE,
            answer=lambda _: keys.answer(claim, status=201, body=b"{}"),
        )
    assert effects(own.house) == before


def test_while_a_key_is_claimed_another_body_is_refused(own):
    path, body = own.command("record")
    dead_claim(own, path, "the-key", "another body")
    with own.house.unchanged():
        response = own.client.post(path, body, headers=keyed())
        assert_refused(response, 422, "idempotency_key_reused")


def test_an_answer_outlives_the_time_of_a_claim(own):
    path, body = own.command("record")
    first = own.client.post(path, body, headers=keyed())
    let_time_pass(own, 10 * CLAIM_SECONDS)
    again = own.client.post(path, body, headers=keyed())
    assert again.data == first.data


def test_answers_are_forgotten_after_a_week(own):
    path, body = own.command("record")
    own.client.post(path, body, headers=keyed())
    kept = own.house.count("event_store.idempotency")
    let_time_pass(own, 6 * 86_400)
    assert own.house.services.idempotency.expire() == 0
    let_time_pass(own, 86_400)
    assert own.house.services.idempotency.expire() == kept > 0
    assert own.house.count("event_store.idempotency") == 0


def test_two_members_without_keys_are_two_registrations(own):
    path, body = own.command("register")
    del body["member_number"]
    none = {"Idempotency-Key": None}
    first = own.client.post(path, body, headers=none)
    second = own.client.post(path, body | {"id_number": "41234567"}, headers=none)
    assert first.json["member_number"] != second.json["member_number"]


def test_a_push_can_be_looked_at_where_its_answer_points(own):
    path, body = own.command("push")
    response = own.client.post(path, body)
    own.house.follow()
    shown = own.client.get(response.headers["Location"])
    assert shown.status_code == 200
    assert shown.json["id"] == response.json["id"]
    assert set(shown.json) == {
        *("id", "transaction_type", "member_id", "phone", "amount", "payment_purpose", "loan_id"),
        *("account_reference", "short_code", "status", "merchant_request_id"),
        *("checkout_request_id", "receipt_number", "amount_received", "in_suspense"),
        *("suspense_reason", "result_code", "result_description"),
        *("requested_at", "completed_at", "updated_at", "retry_of"),
    }
    assert shown.json["amount"] == "1500.00"
    assert shown.json["phone"] == "254733000222"
    assert path == PUSH


def test_a_push_whose_read_model_lags_says_so_and_when_to_ask_again(own):
    response = own.client.post(*own.command("push"))
    shown = own.client.get(response.headers["Location"])
    assert_refused(shown, 503, "read_model_behind")
    assert shown.headers["Retry-After"] == "2"
