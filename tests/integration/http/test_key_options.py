"""Keys that open from some networks only, or for some time only."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner
from eventsourcing.persistence import StoredEvent

from app.cli.administration import issue, issue_key, list_keys
from domain.api_keys.api_key import ApiKey
from domain.api_keys.handlers import ADDRESSES_MAX, RotateApiKey
from domain.errors import InvalidInput
from infra import clock
from infra.event_store.dispatch import dispatch
from infra.event_store.mapper import EventMapper
from infra.event_store.personal_keys import PersonalKeys
from infra.key_check import key_sha256, new_api_key
from tests.integration.http.house import MEMBERS, PUSH, Client, assert_refused
from tests.support.co_operative import CAUSE

GOLDEN = Path(__file__).parents[2] / "golden" / "events"


def issued(house, **options):
    return issue_key(
        house.services, CAUSE, name="Sage", permissions=("read_members", "operate"), **options
    )


def ask(house, key, address, *, far=True):
    return Client(house.app, key).get(
        MEMBERS,
        base_url="https://daystar.example" if far else None,
        environ_overrides={"REMOTE_ADDR": address},
    )


def status(house, key, address):
    return ask(house, key, address).status_code


@pytest.mark.parametrize(
    ("address", "opens"),
    [
        *(("198.51.100.0", True), ("198.51.100.255", True), ("198.51.101.0", False)),
        *(("::ffff:198.51.100.7", True), ("2001:db8::1", True), ("2001:db8:1::1", False)),
        *(("203.0.113.9", True), ("203.0.113.8", False), ("unknown", False), ("", False)),
    ],
)
def test_a_key_with_networks_opens_from_them_alone(premises, address, opens):
    networks = ("198.51.100.0/24", "203.0.113.9", "2001:db8::/48")
    _, key = issued(premises.house, addresses=networks)
    response = ask(premises.house, key, address)
    if opens:
        assert response.status_code == 200
    else:
        assert_refused(response, 403, "address_not_allowed")


def test_a_key_from_the_wrong_place_changes_nothing_and_spends_nothing(premises):
    _, key = issued(premises.house, addresses=("198.51.100.0/24",))
    path, body = premises.command("push")
    assert path == PUSH
    with premises.house.unchanged():
        response = Client(premises.house.app, key).post(path, body)
        assert_refused(response, 403, "address_not_allowed")
    assert "RateLimit" not in response.headers


def test_an_expired_key_opens_nothing(premises):
    house = premises.house
    _, key = issued(house, expires_at=clock.now() + timedelta(days=1))
    assert status(house, key, "127.0.0.1") == 200
    _, gone = issued(house, expires_at=clock.now() + timedelta(seconds=0.05))
    clock_passes = clock.now() + timedelta(seconds=0.05)
    while clock.now() < clock_passes:
        pass
    assert_refused(ask(house, gone, "127.0.0.1"), 401, "invalid_api_key")


def test_rotation_keeps_the_networks_and_the_end(premises):
    house = premises.house
    expires_at = clock.now() + timedelta(days=1)
    key_id, _ = issued(house, addresses=("198.51.100.0/24",), expires_at=expires_at)
    new = new_api_key()
    command = RotateApiKey(key_id, key_sha256(new), clock.now() + timedelta(days=30))
    rotated = dispatch(house.services.store, command, CAUSE)
    assert_refused(ask(house, new, "127.0.0.1"), 403, "address_not_allowed")
    assert status(house, new, "198.51.100.1") == 200
    assert not rotated.opens(sha256=key_sha256(new), now=expires_at)


@pytest.mark.parametrize(
    "addresses",
    [("anywhere",), ("198.51.100.1/24",), ("198.51.100.0/33",), ("",), ("10.0.0.0/8", "x")],
)
def test_what_is_no_network_is_refused(premises, addresses):
    with premises.house.unchanged(), pytest.raises(InvalidInput, match="CIDR"):
        issue_key(
            premises.house.services,
            CAUSE,
            name="Nobody yet",
            permissions=("read_members",),
            addresses=addresses,
        )


def test_too_many_networks_and_an_end_in_the_past_are_refused(premises):
    many = tuple(f"10.0.{n}.0/24" for n in range(ADDRESSES_MAX + 1))
    with pytest.raises(InvalidInput, match="at most"):
        issued(premises.house, addresses=many)
    with pytest.raises(InvalidInput, match="expired already"):
        issued(premises.house, expires_at=clock.now())


def test_the_command_line_issues_and_lists_them(house, monkeypatch):
    monkeypatch.setattr("app.cli.administration.read_settings", lambda: house.services.settings)
    asked = ["--name", "Sage", "--permission", "read_members", "--address", "10.0.0.0/8"]
    told = CliRunner().invoke(issue, [*asked, "--expires-in-days", "30"]).output
    key_id, key = told.split()[2], told.splitlines()[-1]
    assert status(house, key, "10.1.2.3") == 200
    assert status(house, key, "11.1.2.3") == 403
    [line] = CliRunner().invoke(list_keys).output.splitlines()
    assert line.startswith(key_id)
    assert "read_members,10.0.0.0/8,until 20" in line
    refused = CliRunner().invoke(issue, [*asked, "--address", "here"])
    assert refused.exit_code == 1
    assert "CIDR" in refused.output


def from_the_log(store, payload):
    mapper = EventMapper(PersonalKeys(store.pool, store.keyring))
    event = mapper.to_domain_event(
        StoredEvent(uuid4(), 1, "api-key.issued", json.dumps(payload).encode())
    )
    return event.mutate(None)


def test_keys_of_both_versions_of_the_event_are_read(store):
    payload = json.loads((GOLDEN / "api-key.issued.v2.json").read_text())
    now = clock.now()
    key = from_the_log(store, payload | {"class_version": 2})
    assert isinstance(key, ApiKey)
    assert key.addresses == ["198.51.100.0/24", "2001:db8::/48"]
    assert key.expires_at == "2027-11-23T09:00:00+00:00"
    for name in ("addresses", "expires_at"):
        del payload[name]
    older = from_the_log(store, payload)
    assert older.addresses == []
    assert older.expires_at is None
    assert older.opens(sha256=payload["sha256"], now=now + timedelta(days=10_000))
