"""Who is told of events: made, listed, changed, paused, deleted by their owner and nobody else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from app.accounting.webhook_fields import CreatedWebhookAnswer, WebhooksAnswer
from domain.api_keys.api_key import Permission
from domain.webhooks.commands import DisableWebhookEndpoint
from domain.webhooks.endpoint import DisableReason
from domain.webhooks.secret import given_secret
from infra import clock
from infra.webhooks.delivery_settings import DeliverySettings
from infra.webhooks.dialled_addresses import network
from infra.webhooks.endpoint_secrets import REMEMBERED_SECONDS
from infra.webhooks.endpoint_settings import EndpointSettings
from tests.integration.http.house import (
    CHANGES,
    EVENTS,
    WEBHOOKS,
    Client,
    assert_refused,
    open_house,
)
from tests.support.waiting import eventually

GOOD = {"url": "https://books.example/hook", "events": ["loan.created", "repayment.received"]}
MANAGER = (
    *(Permission.MANAGE_WEBHOOKS, Permission.READ_LOANS, Permission.READ_REPAYMENTS),
    *(Permission.READ_CONTRIBUTIONS, Permission.READ_MEMBERS),
)


@pytest.fixture
def manager(house):
    return house.client(*MANAGER)


def made(client, **fields):
    response = client.post(WEBHOOKS, GOOD | fields)
    assert response.status_code == 201, response.text
    return response.json


def change(client, webhook_id, body):
    return client.send("PATCH", f"{WEBHOOKS}/{webhook_id}", json=body)


def delete(client, webhook_id):
    return client.send("DELETE", f"{WEBHOOKS}/{webhook_id}")


def act(client, webhook_id, name, body=None):
    return client.post(f"{WEBHOOKS}/{webhook_id}/{name}", body or {})


def secrets_of(house, webhook_id):
    """What a delivery would be signed with, by a process that has just started."""
    house.follow()
    house.services.endpoint_secrets._remembered.clear()
    return house.services.endpoint_secrets.secrets_of(UUID(webhook_id))


def test_the_older_systems_request_is_answered_as_it_was_and_with_the_secret(house, manager):
    body = {"url": GOOD["url"], "events": ["loan.created"], "secret": "a plain secret, 24 bytes"}
    response = manager.post(WEBHOOKS, body, headers={"Idempotency-Key": None})
    assert response.status_code == 201
    answer = response.json
    assert CreatedWebhookAnswer().validate(answer) == {}
    assert answer["webhook_id"] == answer["id"]
    assert answer["message"]
    assert given_secret(answer["secret"]) == b"a plain secret, 24 bytes"
    assert secrets_of(house, answer["id"]) == (b"a plain secret, 24 bytes",)


def test_a_secret_is_made_where_none_is_given_and_shown_once(house, manager):
    answer = made(manager)
    assert answer["secret"].startswith("whsec_")
    assert len(given_secret(answer["secret"])) == 32
    shown = manager.get(f"{WEBHOOKS}/{answer['id']}")
    assert "secret" not in shown.json
    house.follow()
    assert answer["secret"] not in manager.get(WEBHOOKS).text
    assert secrets_of(house, answer["id"]) == (given_secret(answer["secret"]),)


def test_a_secret_is_neither_in_the_log_nor_in_clear_anywhere(house, manager):
    plain = "a plain secret, 24 bytes"
    answer = made(manager, secret=plain)
    act(manager, answer["id"], "secret-rotation", {"secret": f"{plain} again"})
    house.follow()
    tables = [name for name, _, _ in house.contents()]
    for table in tables:
        rows = house.owner.execute(f"SELECT t::text FROM {table} t").fetchall()
        for (row,) in rows:
            assert plain not in row
            assert plain.encode().hex() not in row
            assert answer["secret"].removeprefix("whsec_") not in row


def test_what_is_listed_is_what_was_made(house, manager):
    answers = [
        made(manager, description=f"number {number}", masked_fields=["payment_reference"])
        for number in range(3)
    ]
    house.follow()
    listed = manager.get(f"{WEBHOOKS}?per_page=2").json
    assert WebhooksAnswer().validate(listed) == {}
    assert listed["pagination"]["total_items"] == 3
    rest = manager.get(f"{WEBHOOKS}?per_page=2&cursor={listed['pagination']['next_cursor']}").json
    found = listed["webhooks"] + rest["webhooks"]
    for answer, row in zip(reversed(answers), found, strict=True):
        shown = manager.get(f"{WEBHOOKS}/{answer['id']}").json
        assert {name: answer[name] for name in shown} == shown
        del shown["old_secrets_until"]
        for moment in ("created_at", "disabled_at"):
            row.pop(moment), shown.pop(moment)
        assert row == shown


def test_another_principals_webhook_is_not_found_and_not_listed(house, manager):
    webhook_id = made(manager)["id"]
    house.follow()
    _, key = house.issue(*MANAGER, name="Somebody else")
    stranger = Client(house.app, key)
    with house.unchanged():
        for response in (
            stranger.get(f"{WEBHOOKS}/{webhook_id}"),
            change(stranger, webhook_id, {"payload": "thin"}),
            delete(stranger, webhook_id),
            *(act(stranger, webhook_id, name) for name in ("pause", "resume", "secret-rotation")),
        ):
            assert_refused(response, 404, "webhook_not_found")
    assert stranger.get(WEBHOOKS).json["webhooks"] == []
    assert len(manager.get(WEBHOOKS).json["webhooks"]) == 1


def test_another_key_of_the_same_principal_sees_it(house, manager):
    webhook_id = made(manager)["id"]
    assert house.client(*MANAGER).get(f"{WEBHOOKS}/{webhook_id}").status_code == 200


def test_what_a_key_may_not_read_it_is_not_told_by_webhook_either(house):
    client = house.client(Permission.MANAGE_WEBHOOKS, Permission.READ_LOANS)
    with house.unchanged():
        problem = assert_refused(client.post(WEBHOOKS, GOOD), 403, "insufficient_permission")
    assert "read_repayments" in problem["message"]
    webhook_id = made(client, events=["loan.created"])["id"]
    with house.unchanged():
        response = change(client, webhook_id, {"events": ["repayment.received"]})
        assert_refused(response, 403, "insufficient_permission")


@pytest.mark.parametrize(
    ("fields", "code", "wrong"),
    [
        ({"events": ["loan.created", "loan.exploded"]}, "invalid_body", "events"),
        ({"events": []}, "invalid_body", "events"),
        ({"url": "http://books.example/hook"}, "invalid_value", "url"),
        ({"url": "https://user:pass@books.example/hook"}, "invalid_value", "url"),
        ({"url": "ftp://books.example/hook"}, "invalid_value", "url"),
        ({"secret": "too short"}, "invalid_value", "secret"),
        ({"secret": "whsec_!"}, "invalid_value", "secret"),
        ({"masked_fields": ["payout_purpose"]}, "invalid_value", "masked_fields"),
        ({"masked_fields": ["misspelt"]}, "invalid_body", "masked_fields"),
        ({"begins_after": 9_000_000_000}, "invalid_value", "begins_after"),
        ({"begins_after": -1}, "invalid_body", "begins_after"),
        ({"payload": "fat"}, "invalid_body", "payload"),
        ({"rate_limit_per_second": 0}, "invalid_body", "rate_limit_per_second"),
        ({"description": ""}, "invalid_body", "description"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_by_name_and_leaves_nothing(
    house, manager, fields, code, wrong
):
    with house.unchanged():
        problem = assert_refused(manager.post(WEBHOOKS, GOOD | fields), 422, code)
    assert set(problem["errors"]) == {wrong}


def test_a_body_beyond_what_is_taken_is_refused(house, manager):
    body = GOOD | {"description": "x" * 256 * 1024}
    with house.unchanged():
        assert_refused(manager.post(WEBHOOKS, body), 413, "body_too_large")


def test_one_webhook_too_many_is_refused_until_one_is_deleted(owner_url, tmp_path):
    limits = EndpointSettings(webhooks_max=3)
    with open_house(owner_url, tmp_path, endpoints=limits) as house:
        manager = house.client(*MANAGER)
        ids = [made(manager)["id"] for _ in range(3)]
        with house.unchanged():
            assert_refused(manager.post(WEBHOOKS, GOOD), 409, "too_many_webhooks")
        made(house.client(*MANAGER))  # another key has its own
        assert delete(manager, ids[1]).json["state"] == "deleted"
        made(manager)
        with house.unchanged():
            assert_refused(manager.post(WEBHOOKS, GOOD), 409, "too_many_webhooks")


def test_many_at_once_never_make_one_too_many(owner_url, tmp_path):
    limits = EndpointSettings(webhooks_max=4)
    with open_house(owner_url, tmp_path, endpoints=limits) as house:
        manager = house.client(*MANAGER)
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: manager.post(WEBHOOKS, GOOD), range(16)))
        house.follow()
        listed = manager.get(WEBHOOKS).json["webhooks"]
        assert len(listed) == sum(answer.status_code == 201 for answer in answers) <= 4
        assert {answer.status_code for answer in answers} <= {201, 409}


def test_http_is_taken_only_where_the_house_allows_that_very_address(owner_url, tmp_path):
    inside = DeliverySettings(networks=(network("10.1.2.0/24"),))
    with open_house(owner_url, tmp_path, deliveries=inside) as house:
        manager = house.client(*MANAGER)
        made(manager, url="http://10.1.2.7:9000/hook")
        made(manager, url="https://10.1.2.7/hook")
        for url in ("http://10.1.3.7/", "http://127.0.0.1/", "http://93.184.216.34/"):
            problem = assert_refused(
                manager.post(WEBHOOKS, GOOD | {"url": url}), 422, "invalid_value"
            )
            assert set(problem["errors"]) == {"url"}


@pytest.mark.parametrize(
    "host",
    [
        *("10.0.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.1", "100.64.0.1", "224.0.0.1"),
        *("[::1]", "[::]", "[fe80::1]", "[fc00::1]", "[::ffff:10.0.0.1]", "[2002:a00:1::]"),
        *("[64:ff9b::a00:1]", "[64:ff9b:1::1]"),
    ],
)
def test_an_address_that_is_never_dialled_is_refused_as_soon_as_it_is_written(premises, host):
    body = GOOD | {"url": f"https://{host}/hook"}
    with premises.house.unchanged():
        assert_refused(premises.client.post(WEBHOOKS, body), 422, "invalid_value")
        webhook = premises.client.post(WEBHOOKS, GOOD | {"url": "https://user@[::1]/"})
        assert_refused(webhook, 422, "invalid_value")


def test_changes_are_those_named_and_a_mask_must_still_hide_something(house, manager):
    webhook = made(manager, masked_fields=["payment_reference"], rate_limit_per_second=5)
    changed = change(manager, webhook["id"], {"payload": "thin", "rate_limit_per_second": None})
    assert changed.status_code == 200
    expected = webhook | {"payload": "thin", "rate_limit_per_second": None}
    assert changed.json == {name: expected[name] for name in changed.json}
    with house.unchanged():
        for body, code, wrong in (
            ({"events": ["loan.created"]}, "invalid_value", "masked_fields"),
            ({"url": "http://books.example/"}, "invalid_value", "url"),
            ({"secret": "a plain secret, 24 bytes"}, "invalid_body", "secret"),
            ({"begins_after": 0}, "invalid_body", "begins_after"),
        ):
            problem = assert_refused(change(manager, webhook["id"], body), 422, code)
            assert set(problem["errors"]) == {wrong}
        assert change(manager, webhook["id"], {}).json == changed.json
    events = {"events": ["loan.created"], "masked_fields": []}
    assert change(manager, webhook["id"], events).json["events"] == ["loan.created"]


def test_a_pause_is_resumed_and_neither_is_done_twice(house, manager):
    webhook_id = made(manager)["id"]
    assert act(manager, webhook_id, "pause").json["state"] == "paused"
    with house.unchanged():
        assert_refused(act(manager, webhook_id, "pause"), 409, "webhook_already_paused")
    assert act(manager, webhook_id, "resume").json["state"] == "active"
    with house.unchanged():
        assert_refused(act(manager, webhook_id, "resume"), 409, "webhook_not_paused")


def test_a_disabled_webhook_says_why_is_told_of_and_resumes(house, manager):
    webhook_id = made(manager)["id"]
    begun = manager.get(f"{CHANGES}?after=0").json["next_after"]
    for _ in range(2):
        house.co_operative.dispatch(
            DisableWebhookEndpoint(UUID(webhook_id), DisableReason.GONE, clock.now())
        )
    shown = manager.get(f"{WEBHOOKS}/{webhook_id}").json
    assert (shown["state"], shown["disabled_reason"]) == ("disabled", "gone")
    house.follow()
    assert manager.get(f"{WEBHOOKS}?state=disabled").json["webhooks"][0]["id"] == webhook_id
    (told,) = manager.get(f"{CHANGES}?after={begun}").json["changes"]
    assert (told["type"], told["subject"]) == ("webhook.disabled", webhook_id)
    assert told["data"]["reason"] == "gone"
    with house.unchanged():
        assert_refused(act(manager, webhook_id, "pause"), 409, "webhook_disabled")
    resumed = act(manager, webhook_id, "resume").json
    assert (resumed["state"], resumed["disabled_reason"]) == ("active", None)


def test_a_rotated_secret_signs_first_and_the_old_one_beside_it_until_its_end(house, manager):
    webhook = made(manager)
    rotated = act(manager, webhook["id"], "secret-rotation", {"overlap_seconds": 3_600}).json
    assert len(rotated["old_secrets_until"]) == 1
    newest, old = given_secret(rotated["secret"]), given_secret(webhook["secret"])
    assert secrets_of(house, webhook["id"]) == (newest, old)
    shown = manager.get(f"{WEBHOOKS}/{webhook['id']}").json
    assert shown["old_secrets_until"] == rotated["old_secrets_until"]
    leaked = act(manager, webhook["id"], "secret-rotation", {"overlap_seconds": 0}).json
    assert leaked["old_secrets_until"] == []
    assert secrets_of(house, webhook["id"]) == (given_secret(leaked["secret"]),)


def test_the_overlap_is_the_houses_where_its_owner_does_not_say(house, manager):
    webhook_id = made(manager)["id"]
    before = clock.now()
    (until,) = act(manager, webhook_id, "secret-rotation").json["old_secrets_until"]
    end = clock.now() + timedelta(hours=24)
    assert (before + timedelta(hours=24)).isoformat() <= until <= end.isoformat()


def test_one_secret_too_many_is_refused_but_a_leak_always_ends(house, manager):
    webhook_id = made(manager)["id"]
    for _ in range(4):
        assert act(manager, webhook_id, "secret-rotation").status_code == 200
    with house.unchanged():
        assert_refused(act(manager, webhook_id, "secret-rotation"), 409, "too_many_secrets")
    ended = act(manager, webhook_id, "secret-rotation", {"overlap_seconds": 0})
    assert ended.json["old_secrets_until"] == []


def test_a_process_that_signs_knows_of_a_rotation_within_a_second(house, manager):
    webhook = made(manager)
    secrets = house.services.endpoint_secrets
    house.follow()
    assert len(secrets.secrets_of(UUID(webhook["id"]))) == 1
    act(manager, webhook["id"], "secret-rotation")
    house.follow()
    eventually(
        lambda: len(secrets.secrets_of(UUID(webhook["id"]))) == 2, within=REMEMBERED_SECONDS + 2
    )


def test_a_deleted_webhook_is_gone_with_its_secrets(house, manager):
    webhook_id = made(manager)["id"]
    act(manager, webhook_id, "secret-rotation")
    kept = "secrets.secrets WHERE name LIKE 'webhook_endpoint/%'"
    assert house.count(kept) == 2
    assert delete(manager, webhook_id).json["state"] == "deleted"
    assert house.count(kept) == 0
    assert secrets_of(house, webhook_id) == ()
    assert manager.get(WEBHOOKS).json["webhooks"] == []
    with house.unchanged():
        assert_refused(manager.get(f"{WEBHOOKS}/{webhook_id}"), 404, "webhook_not_found")
        assert_refused(delete(manager, webhook_id), 404, "webhook_not_found")


def test_the_same_idempotency_key_makes_one_webhook_with_one_secret(house, manager):
    again = {"Idempotency-Key": "the-same"}
    first = manager.post(WEBHOOKS, GOOD, headers=again)
    with house.unchanged():
        assert manager.post(WEBHOOKS, GOOD, headers=again).json == first.json
    assert secrets_of(house, first.json["id"]) == (given_secret(first.json["secret"]),)


def test_auditors_see_the_host_and_never_the_address(house, manager):
    made(manager, url="https://books.example/token-in-the-path")
    auditor = house.client(Permission.READ_EVENTS)
    (event,) = auditor.get(f"{EVENTS}?type=webhook-endpoint.created").json["events"]
    assert event["data"]["host"] == "books.example"
    assert "token-in-the-path" not in str(event)


def test_a_chosen_position_is_kept_and_the_head_is_none_of_the_future(house, manager):
    house.member()
    head = manager.get(f"{CHANGES}?after=0").json["next_after"]
    for position in (0, head):
        assert made(manager, begins_after=position)["begins_after"] == position
    assert made(manager)["begins_after"] is None
    house.follow()
    rows = house.owner.execute(
        "SELECT begins_after, position, is_backfilled FROM read_webhook_endpoints.endpoints"
        " ORDER BY position"
    ).fetchall()
    assert [(row[0], row[2]) for row in rows[:2]] == [(0, True), (head, True)]
    assert rows[2][0] == rows[2][1]
    assert rows[2][2] is False


def test_an_unknown_webhook_is_not_found(house, manager):
    with house.unchanged():
        assert_refused(manager.get(f"{WEBHOOKS}/{uuid4()}"), 404, "webhook_not_found")
        assert_refused(delete(manager, uuid4()), 404, "webhook_not_found")


def test_the_older_address_answers_the_same(manager):
    answer = manager.post(f"/wp-json{WEBHOOKS}", GOOD)
    assert answer.status_code == 201
    assert manager.get(f"/wp-json{WEBHOOKS}/{answer.json['id']}").status_code == 200
