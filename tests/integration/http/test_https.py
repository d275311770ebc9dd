"""Nothing personal goes over a wire in clear: strangers use https, or nothing."""

from __future__ import annotations

import pytest

from tests.integration.http.house import ALL_PERMISSIONS, MEMBERS, assert_refused, open_house

FAR = {"REMOTE_ADDR": "203.0.113.9"}
THROUGH_PROXY = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}


@pytest.fixture
def behind_proxy(owner_url, tmp_path):
    with open_house(owner_url, tmp_path, proxy_hops=1) as opened:
        yield opened


@pytest.mark.parametrize(
    "address", ["203.0.113.9", "10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", ""]
)
def test_http_from_afar_is_refused(premises, address):
    with premises.house.unchanged():
        response = premises.client.get(MEMBERS, environ_overrides={"REMOTE_ADDR": address})
        assert_refused(response, 403, "https_required")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1"])
def test_http_within_this_machine_is_welcome(premises, address):
    response = premises.client.get(MEMBERS, environ_overrides={"REMOTE_ADDR": address})
    assert response.status_code == 200


def test_a_command_over_http_from_afar_changes_nothing(premises):
    path, body = premises.command("record")
    with premises.house.unchanged():
        response = premises.client.post(path, body, environ_overrides=FAR)
        assert_refused(response, 403, "https_required")


def test_a_callback_over_http_from_afar_is_not_stored(premises):
    house = premises.house
    token = house.services.keyring.callback_token("stk", premises.transaction_id)
    with house.unchanged():
        response = premises.client.post(f"/hooks/stk/{token}", {}, environ_overrides=FAR)
        assert_refused(response, 403, "https_required")


def test_https_from_afar_is_welcome(premises):
    response = premises.client.get(
        MEMBERS, base_url="https://daystar.example", environ_overrides=FAR
    )
    assert response.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        THROUGH_PROXY,
        {"X-Forwarded-Proto": "https"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https"},
        {"Forwarded": "for=127.0.0.1;proto=https"},
        {"X-Real-IP": "127.0.0.1"},
        {"X-Forwarded-Ssl": "on"},
    ],
    ids=str,
)
def test_without_a_proxy_what_claims_to_come_through_one_is_not_believed(premises, headers):
    response = premises.client.get(MEMBERS, headers=headers, environ_overrides=FAR)
    assert_refused(response, 403, "https_required")


def test_behind_the_proxy_https_is_what_the_proxy_says(behind_proxy):
    client = behind_proxy.client(*ALL_PERMISSIONS)
    near = {"REMOTE_ADDR": "127.0.0.1"}
    response = client.get(MEMBERS, headers=THROUGH_PROXY, environ_overrides=near)
    assert response.status_code == 200
    plain = THROUGH_PROXY | {"X-Forwarded-Proto": "http"}
    response = client.get(MEMBERS, headers=plain, environ_overrides=near)
    assert_refused(response, 403, "https_required")


def test_behind_the_proxy_only_the_hop_of_the_proxy_is_believed(behind_proxy):
    client = behind_proxy.client(*ALL_PERMISSIONS)
    forged = {
        "X-Forwarded-For": "127.0.0.1, 203.0.113.9",
        "X-Forwarded-Proto": "https, http",
    }
    response = client.get(MEMBERS, headers=forged)
    assert_refused(response, 403, "https_required")
