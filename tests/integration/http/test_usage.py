"""The usage log: every request of the API, without a person in it, and each key's last use."""

from __future__ import annotations

from datetime import timedelta

import pytest
import requests
from click.testing import CliRunner

from app.cli.administration import list_keys
from infra import clock
from infra.postgres.pool import open_pool
from infra.usage import FLUSH_ROWS, UsageLog, Use
from tests.integration.http.house import ALL_PERMISSIONS, CONTRIBUTIONS, MEMBERS, Client
from tests.support.web_processes import running_web

_USAGE = """
SELECT key_id, host(address), method, endpoint, status, milliseconds FROM api.usage
ORDER BY occurred_at
"""


def usage(house):
    house.services.usage.flush()
    return [row[:5] for row in house.owner.execute(_USAGE).fetchall()]


def use(**fields):
    values = {
        "occurred_at": clock.now(),
        "key_id": None,
        "address": "127.0.0.1",
        "method": "GET",
        "endpoint": "/x",
        "status": 200,
        "milliseconds": 1.5,
    }
    return Use(**(values | fields))


def test_each_request_is_noted_with_its_key_route_and_status(house):
    key_id, key = house.issue("read_members")
    client = Client(house.app, key)
    client.get(f"{MEMBERS}?page=1&api_key=secret")
    client.get(f"{MEMBERS}?page=0")
    client.get(CONTRIBUTIONS)
    client.get("/wp-json/daystar-accounting/v1/members")
    client.get("/daystar/v1/mpesa/transactions/6f1c1df2-7a3e-5d0e-9a52-0f4b3c8e2a10")
    transaction = "/daystar/v1/mpesa/transactions/<uuid:transaction_id>"
    assert usage(house) == [
        (key_id, "127.0.0.1", "GET", MEMBERS, 200),
        (key_id, "127.0.0.1", "GET", MEMBERS, 400),
        (key_id, "127.0.0.1", "GET", CONTRIBUTIONS, 403),
        (key_id, "127.0.0.1", "GET", MEMBERS, 200),
        (key_id, "127.0.0.1", "GET", transaction, 403),
    ]


def test_strangers_are_noted_by_address_alone(house):
    stranger = Client(house.app, None)
    stranger.get(MEMBERS)
    Client(house.app, "B" * 32).get(MEMBERS)
    stranger.get("/jane/0712345678?phone=0712345678")
    stranger.send("PROPFIND", MEMBERS)
    stranger.get(MEMBERS, environ_overrides={"REMOTE_ADDR": "2001:db8::1"})
    assert usage(house) == [
        (None, "127.0.0.1", "GET", MEMBERS, 401),
        (None, "127.0.0.1", "GET", MEMBERS, 401),
        (None, "127.0.0.1", "GET", None, 404),
        (None, "127.0.0.1", "OTHER", None, 405),
        (None, "2001:db8::1", "GET", MEMBERS, 403),
    ]


@pytest.mark.parametrize(
    ("claimed", "noted"),
    [("unknown", None), ("", None), ("fe80::1%eth0", "fe80::1"), ("1.2.3", None)],
)
def test_an_address_that_is_none_is_noted_as_none(house, claimed, noted):
    Client(house.app, None).get(MEMBERS, environ_overrides={"REMOTE_ADDR": claimed})
    assert [row[1] for row in usage(house)] == [noted]


def test_nobodys_health_is_use(house):
    stranger = Client(house.app, None)
    stranger.get("/livez")
    stranger.get("/readyz")
    assert usage(house) == []


def test_latency_is_noted_in_milliseconds(house):
    house.client("read_members").get(MEMBERS)
    house.services.usage.flush()
    [row] = house.owner.execute(_USAGE).fetchall()
    assert 0.1 < row[5] < 10_000


def test_a_keys_last_use_only_moves_forward(house):
    key_id, _ = house.issue("read_members")
    log, now = house.services.usage, clock.now()
    log.add(use(key_id=key_id, occurred_at=now))
    log.flush()
    log.add(use(key_id=key_id, occurred_at=now - timedelta(minutes=1)))
    log.flush()
    assert log.last_uses() == {key_id: now}


def test_a_full_buffer_is_written_at_once_and_a_closed_log_leaves_nothing_behind(house):
    log = UsageLog(house.services.pool)
    for _ in range(3 * FLUSH_ROWS + 7):
        log.add(use())
    log.close()
    assert house.count("api.usage") == 3 * FLUSH_ROWS + 7


def test_while_the_database_does_not_answer_uses_wait(house, owner_url):
    with open_pool(owner_url, size_max=1, statement_timeout_milliseconds=100) as impatient:
        log = UsageLog(impatient)
        log.close()  # nobody writes in the background any more
        log.add(use())
        with house.owner.transaction():
            house.owner.execute("LOCK TABLE api.usage")
            log.flush()
        assert house.count("api.usage") == 0
        log.flush()
    assert house.count("api.usage") == 1


def test_old_usage_is_forgotten(house):
    log = house.services.usage
    for days in (0, 89, 91, 400):
        log.add(use(occurred_at=clock.now() - timedelta(days=days)))
    log.flush()
    assert log.expire(days=90) == 2
    assert house.count("api.usage") == 2


def test_settled_callbacks_are_forgotten_and_those_that_waited_for_a_person_lose_their_words(house):
    kept = (("done", 91), ("done", 89), ("set_aside", 400), ("set_aside", 364), ("waiting", None))
    for state, settled in kept:
        house.owner.execute(
            "INSERT INTO intake.callbacks (kind, subject_id, body_mac, body, source_address,"
            " correlation_id, state, settled_at, note) VALUES ('stk', gen_random_uuid(), 'mac',"
            " 'words', '', '', %s, now() - make_interval(days => %s), 'why')",
            (state, settled),
        )
    callbacks = house.services.callbacks
    assert callbacks.expire(days=90) == 1
    assert callbacks.wipe_set_aside(days=365) == 1
    assert callbacks.wipe_set_aside(days=365) == 0
    rows = house.owner.execute(
        "SELECT state, body, body_mac, note FROM intake.callbacks ORDER BY callback_id"
    ).fetchall()
    assert [(state, body) for state, body, _, _ in rows] == [
        ("done", b"words"),
        ("set_aside", b""),
        ("set_aside", b"words"),
        ("waiting", b"words"),
    ]
    assert [(mac == b"mac", note) for _, _, mac, note in rows] == [
        (True, "why"),
        (False, "why"),
        (True, "why"),
        (True, "why"),
    ]


def test_a_callback_we_took_in_is_counted_and_one_we_refused_is_noted_too(house):
    push_id = house.co_operative.accepted_push(house.member())
    safaricom, token = (
        Client(house.app, None),
        house.services.keyring.callback_token("stk", push_id),
    )
    for path in (f"/hooks/stk/{token}", "/hooks/stk/nobodys", f"/hooks/stk/{token}"):
        safaricom.post_bytes(path, b"{}")
    route = "/hooks/stk/<token>"
    assert usage(house) == [(None, "127.0.0.1", "POST", route, 404)]
    counted = house.owner.execute(
        "SELECT status, requests FROM api.request_totals WHERE endpoint = %s ORDER BY status",
        (route,),
    ).fetchall()
    assert counted == [(200, 2), (404, 1)]


def test_the_list_of_keys_tells_the_last_use(house, owner_url, tmp_path, monkeypatch):
    used_id, used = house.issue(*ALL_PERMISSIONS, name="Sage")
    unused_id, _ = house.issue(*ALL_PERMISSIONS, name="QuickBooks")
    Client(house.app, used).get(MEMBERS)
    house.services.usage.flush()
    monkeypatch.setattr("app.cli.administration.read_settings", lambda: house.services.settings)
    told = CliRunner().invoke(list_keys).output
    lines = {line.split()[0]: line for line in told.splitlines()}
    assert "last used 20" in lines[str(used_id)]
    assert lines[str(unused_id)].endswith("never used")


@pytest.mark.slow
def test_a_process_that_is_asked_to_stop_writes_the_rest_first(house, owner_url, tmp_path):
    _, key = house.issue("read_members")
    with running_web(owner_url, tmp_path) as web:
        for _ in range(7):
            answer = requests.get(web.url + MEMBERS, headers={"X-API-Key": key}, timeout=5)
            assert answer.status_code == 200
        web.stop()
    assert house.count("api.usage") == 7
