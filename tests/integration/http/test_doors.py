"""Who is let in: keys, permissions, addresses and methods. Whoever is not leaves no trace."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from app.accounting.changes import READABLE
from app.factory import ALIAS_PREFIX
from domain.api_keys.api_key import Permission
from domain.api_keys.handlers import RevokeApiKey, RotateApiKey
from infra import clock
from infra.event_store.dispatch import dispatch
from infra.key_check import REMEMBERED_SECONDS, key_sha256, new_api_key
from tests.integration.http.house import (
    ALL_PERMISSIONS,
    CHANGES,
    CONTRIBUTIONS,
    EVENTS,
    LOAN_BOOKS,
    LOANS,
    MEMBERS,
    PUSH,
    RECORD,
    REFUNDS,
    REGISTER,
    REPAYMENTS,
    REQUEST_ID,
    SUMMARY,
    WEBHOOKS,
    Client,
    assert_refused,
)
from tests.integration.http.requests_of_every_kind import COMMANDS
from tests.support.co_operative import CAUSE

SOME_ID = "6f1c1df2-7a3e-5d0e-9a52-0f4b3c8e2a10"
NEEDED = {
    MEMBERS: Permission.READ_MEMBERS,
    CONTRIBUTIONS: Permission.READ_CONTRIBUTIONS,
    LOAN_BOOKS: Permission.READ_LOANS,
    REPAYMENTS: Permission.READ_REPAYMENTS,
    EVENTS: Permission.READ_EVENTS,
    SUMMARY: Permission.READ_FINANCIAL_SUMMARY,
    "/daystar/v1/": Permission.OPERATE,
}


LOAN_ACTS_NEED = {
    **dict.fromkeys(("approval", "refusal", "restructuring", "write-off"), "approve"),
    "settlement": "read_loans",
}


DECIDED_BY_ANOTHER = ("/confirmation", "/rejection", "/resumption")


def needed(path):
    """Any of these permissions opens the door."""
    if path.startswith(CHANGES):
        return READABLE
    if path.startswith(WEBHOOKS):
        return ("manage_webhooks",)
    if path.startswith(REFUNDS) and path.endswith("/rejection"):
        return ("operate",)  # whoever proposed a refund may take it back
    if path.endswith(DECIDED_BY_ANOTHER):
        return ("approve",)
    if path.startswith(LOANS):
        act = path.rpartition("/")[2]
        return (LOAN_ACTS_NEED.get(act, "operate"),)
    return (next(permission for prefix, permission in NEEDED.items() if path.startswith(prefix)),)


def ask(client, method, path, body, **options):
    if method == "POST":
        return client.post(path, body, **options)
    return client.send(method, path, json=body, **options)


def test_without_a_key_every_door_is_closed(premises):
    stranger = Client(premises.house.app, None)
    with premises.house.unchanged():
        for method, path, body in premises.everything():
            response = ask(stranger, method, path, body)
            assert_refused(response, 401, "no_api_key")
            assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic c2FnZTpzYWdl"},
        {"Authorization": "Bearer   ", "X-API-Key": "  "},
    ],
    ids=str,
)
def test_a_header_that_holds_no_key_is_no_key(premises, headers):
    stranger = Client(premises.house.app, None)
    assert_refused(stranger.get(f"{MEMBERS}?api_key=", headers=headers), 401, "no_api_key")


@pytest.mark.parametrize(
    "key",
    [
        *("A" * 32, "a", "x" * 31, "x" * 33, "x" * 5_000, "' OR '1'='1' --                "),
        *("é" * 32, "0" * 16 + "\x7f" * 16, "a b", "null", "*"),
    ],
    ids=lambda key: repr(key)[:20],
)
def test_a_wrong_key_opens_no_door(premises, key):
    stranger = Client(premises.house.app, key)
    with premises.house.unchanged():
        for method, path, body in premises.everything():
            response = ask(stranger, method, path, body)
            assert_refused(response, 401, "invalid_api_key")
            assert response.headers["WWW-Authenticate"] == "Bearer"


def test_the_digest_of_a_key_is_no_key(premises):
    stolen = Client(premises.house.app, key_sha256(premises.client.key))
    assert_refused(stolen.get(MEMBERS), 401, "invalid_api_key")


def test_a_key_in_another_case_is_no_key(premises):
    misspelt = Client(premises.house.app, premises.client.key.swapcase())
    assert_refused(misspelt.get(MEMBERS), 401, "invalid_api_key")


def test_each_door_asks_for_its_own_permission_and_for_no_other(premises):
    for method, path, body in premises.everything():
        permissions = needed(path)
        others = premises.house.client(*(o for o in ALL_PERMISSIONS if o not in permissions))
        with premises.house.unchanged():
            problem = assert_refused(
                ask(others, method, path, body), 403, "insufficient_permission"
            )
        for permission in permissions:
            assert permission in problem["message"]
            if method == "GET":
                _, key = premises.house.issue(permission, name="Treasurer")
                assert Client(premises.house.app, key).get(path).status_code == 200


def test_a_key_without_permission_does_not_learn_what_is_wrong_with_its_body(premises):
    reader = premises.house.client(Permission.READ_MEMBERS)
    assert_refused(reader.post(REGISTER, {}), 403, "insufficient_permission")


def test_a_revoked_key_opens_nothing(premises):
    house = premises.house
    key_id, key = house.issue(*ALL_PERMISSIONS)
    dispatch(house.services.store, RevokeApiKey(key_id, "laptop stolen"), CAUSE)
    with house.unchanged():
        for method, path, body in premises.everything():
            response = ask(Client(house.app, key), method, path, body)
            assert_refused(response, 401, "invalid_api_key")


def test_a_key_in_use_closes_within_a_second_of_its_revocation(premises):
    house = premises.house
    key_id, key = house.issue(Permission.READ_MEMBERS)
    client = Client(house.app, key)
    assert client.get(MEMBERS).status_code == 200
    dispatch(house.services.store, RevokeApiKey(key_id, "laptop stolen"), CAUSE)
    time.sleep(REMEMBERED_SECONDS)
    assert_refused(client.get(MEMBERS), 401, "invalid_api_key")


@pytest.mark.parametrize(("overlap", "opens"), [(timedelta(hours=1), True), (timedelta(0), False)])
def test_a_rotated_key_opens_until_its_overlap_ends(premises, overlap, opens):
    house = premises.house
    key_id, old = house.issue(Permission.READ_MEMBERS)
    new = new_api_key()
    command = RotateApiKey(key_id, key_sha256(new), clock.now() + overlap)
    dispatch(house.services.store, command, CAUSE)
    assert Client(house.app, new).get(MEMBERS).status_code == 200
    if opens:
        assert Client(house.app, old).get(MEMBERS).status_code == 200
    else:
        assert_refused(Client(house.app, old).get(MEMBERS), 401, "invalid_api_key")


def test_the_key_is_taken_from_bearer_then_x_api_key_then_the_query(premises):
    good, bad = premises.client.key, "B" * 32
    stranger = Client(premises.house.app, None)

    def status(bearer, header, query):
        headers = {"Authorization": bearer and f"Bearer {bearer}", "X-API-Key": header}
        path = f"{MEMBERS}?api_key={query}" if query else MEMBERS
        return stranger.get(path, headers=headers).status_code

    assert status(good, None, None) == 200
    assert status(None, good, None) == 200
    assert status(None, None, good) == 200
    assert status(good, bad, bad) == 200
    assert status(bad, good, good) == 401
    assert status(None, good, bad) == 200
    assert status(None, bad, good) == 401


def test_the_scheme_of_a_bearer_key_is_read_in_any_case(premises):
    stranger = Client(premises.house.app, None)
    for scheme in ("bearer", "BEARER"):
        headers = {"Authorization": f"{scheme} {premises.client.key}"}
        assert stranger.get(MEMBERS, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/nothing", "/daystar/v1", "/daystar/v2/members", "/daystar-accounting/v1"),
        *("/daystar-accounting/v1/member", "/daystar-accounting/v1/members/", "/wp-json"),
        *("/wp-json/daystar-accounting/v1/nothing", "/wp-json/daystar/v1/members"),
        *("/wp-json/wp-json/daystar-accounting/v1/members", "/hooks", "/hooks/stk"),
        "/daystar/v1/mpesa/transactions/1",
        *("/daystar/v1/mpesa/transactions/not-a-uuid", "/daystar/v1/mpesa/transactions/%00"),
        *("/%ff%fe", "/daystar-accounting/v1/%F0%9F%98%80", "//daystar-accounting/v1/members%2f"),
    ],
)
def test_an_unknown_path_is_not_found(premises, path):
    with premises.house.unchanged():
        assert_refused(premises.client.get(path), 404, "rest_no_route")


@pytest.mark.parametrize("contribution", ["1", "not-a-uuid", f"{SOME_ID}0", "%00", "%ff"])
def test_a_malformed_id_in_a_path_is_not_found(premises, contribution):
    _, body = premises.command("reverse")
    with premises.house.unchanged():
        response = premises.client.post(f"{RECORD}/{contribution}/reversal", body)
        assert_refused(response, 404, "rest_no_route")


@pytest.mark.parametrize(
    ("path", "method"),
    [
        *((path, method) for path in (MEMBERS, CONTRIBUTIONS) for method in ("POST", "PUT")),
        *((path, "DELETE") for path in (MEMBERS, CONTRIBUTIONS, REGISTER, RECORD, PUSH)),
        *((path, "GET") for path in (REGISTER, RECORD, PUSH, f"{RECORD}/{SOME_ID}/reversal")),
        (f"{ALIAS_PREFIX}v1/members", "DELETE"),
        (f"/daystar/v1/mpesa/transactions/{SOME_ID}", "DELETE"),
        ("/livez", "DELETE"),
        ("/readyz", "POST"),
    ],
)
def test_another_method_is_refused_and_the_right_one_is_named(premises, path, method):
    with premises.house.unchanged():
        response = premises.client.send(method, path)
        assert_refused(response, 405, "method_not_allowed")
    assert method not in response.headers["Allow"]


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_command_is_only_ever_posted(premises, name, method):
    path, body = premises.command(name)
    with premises.house.unchanged():
        response = premises.client.send(method, path, json=body)
        assert_refused(response, 405, "method_not_allowed")


@pytest.mark.parametrize("asked", ["", "x" * 65, "two words", "a/b", "é", '{"a":1}'])
def test_a_request_id_that_is_not_plain_is_replaced(premises, asked):
    response = premises.client.get(MEMBERS, headers={"X-Request-Id": asked})
    given = response.headers["X-Request-Id"]
    assert given != asked
    assert len(given) == 32


def test_every_answer_names_its_request_and_no_cache_gives_it_out_unasked(premises):
    for method, path, _ in premises.everything()[:3]:
        response = premises.client.send(method, path)
        assert response.status_code == 200
        assert response.headers["X-Request-Id"] == REQUEST_ID
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        of_persons = path == MEMBERS
        kept = "no-store" if of_persons else "private, no-cache"
        assert response.headers["Cache-Control"] == kept


def test_health_is_told_without_a_key(premises):
    stranger = Client(premises.house.app, None)
    assert stranger.get("/livez").json == {"status": "alive"}
    readiness = stranger.get("/readyz")
    assert readiness.status_code == 200
    assert set(readiness.json) == {"status", "read_models"}
