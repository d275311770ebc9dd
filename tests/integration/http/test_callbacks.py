"""What strangers tell us: kept raw and encrypted if the token is ours, unheard of otherwise."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from infra.callbacks import BODY_BYTES_MAX
from tests.integration.http.house import Client, assert_refused

GARBAGE = [
    *(b"", b"{", b"Jane Doe 0712345678", b"\xff\xfe\x00", b"null", b"[]", b"{}", b"[" * 60_000),
    *(b'{"Body":{}}', b'{"Body":{"stkCallback":{"ResultCode":"x"}}}', b"1" * 5_000),
    b'{"Body":{"stkCallback":{"ResultCode":0,"MerchantRequestID":"1","CheckoutRequestID":"2"}}}',
    b'{"Body":{"stkCallback":{"ResultCode":0,"CallbackMetadata":{"Item":"x"}}}}',
]
SELECT = "SELECT kind, subject_id, body, deliveries, state, note, source_address FROM {}"


@pytest.fixture
def push_id(house):
    return house.co_operative.accepted_push(house.member(phone="0712345678"))


@pytest.fixture
def safaricom(app):
    """Has no key."""
    return Client(app, None)


def address(house, push_id, kind="stk"):
    return f"/hooks/stk/{house.services.keyring.callback_token(kind, push_id)}"


def stored(house):
    return house.owner.execute(SELECT.format("intake.callbacks")).fetchall()


def paid(push_id, **items):
    told = {
        "Amount": 2000,
        "MpesaReceiptNumber": "SKN7000001",
        "TransactionDate": 20261123101500,
        "PhoneNumber": 254712345678,
    } | items
    return {
        "Body": {
            "stkCallback": {
                "MerchantRequestID": "merchant-1",
                "CheckoutRequestID": f"ws_CO_{push_id.hex}",
                "ResultCode": 0,
                "ResultDesc": "The service request is processed successfully.",
                "CallbackMetadata": {
                    "Item": [{"Name": name, "Value": value} for name, value in told.items()]
                },
            }
        }
    }


def test_a_callback_is_stored_before_it_is_understood(house, safaricom, push_id):
    events = house.count("event_store.events")
    response = safaricom.post(address(house, push_id), paid(push_id))
    assert response.status_code == 200
    assert response.json == {"ResultCode": 0, "ResultDesc": "Accepted"}
    [(kind, subject, _, deliveries, state, note, source)] = stored(house)
    assert (kind, subject, deliveries, state, note) == ("stk", push_id, 1, "waiting", None)
    assert source == "127.0.0.1"
    assert house.count("event_store.events") == events


def test_a_stored_callback_is_posted_once_however_often_it_is_worked(house, safaricom, push_id):
    for _ in range(2):
        safaricom.post(address(house, push_id), paid(push_id))
        while house.services.intake().work_once():
            pass
    [(_, _, _, deliveries, state, note, _)] = stored(house)
    assert (deliveries, state, note) == (2, "done", "applied")
    house.follow()
    assert house.count("read_contributions.contributions") == 1
    assert house.count("read_mpesa_transactions.receipts") == 1


@pytest.mark.parametrize(
    "token",
    [
        *("x", "0" * 64, "0" * 63, "0" * 65, "g" * 64, "é" * 32, "0" * 5_000, "%00" * 64),
        *("%ff", "..", "' OR 1=1 --"),
    ],
    ids=lambda token: token[:12],
)
def test_a_token_we_did_not_make_leads_nowhere(house, safaricom, push_id, token):
    with house.unchanged():
        response = safaricom.post(f"/hooks/stk/{token}", paid(push_id))
        assert_refused(response, 404, "rest_no_route")


@pytest.mark.parametrize("position", [0, 31, 32, 63])
def test_a_token_with_one_digit_changed_leads_nowhere(house, safaricom, push_id, position):
    token = house.services.keyring.callback_token("stk", push_id)
    other = "0" if token[position] != "0" else "1"
    forged = token[:position] + other + token[position + 1 :]
    with house.unchanged():
        response = safaricom.post(f"/hooks/stk/{forged}", paid(push_id))
        assert_refused(response, 404, "rest_no_route")


def test_a_token_of_another_kind_leads_nowhere(house, safaricom, push_id):
    with house.unchanged():
        for kind in ("b2c", "c2b", "status", ""):
            response = safaricom.post(address(house, push_id, kind), paid(push_id))
            assert_refused(response, 404, "rest_no_route")


@pytest.mark.parametrize("kind", ["STK", "nothing", "mpesa"])
def test_another_kind_of_address_leads_nowhere(house, safaricom, push_id, kind):
    path = address(house, push_id).replace("/stk/", f"/{kind}/")
    with house.unchanged():
        assert_refused(safaricom.post(path, paid(push_id)), 404, "rest_no_route")


def test_an_api_key_is_no_token(house, safaricom, client, push_id):
    with house.unchanged():
        response = safaricom.post(f"/hooks/stk/{client.key}", paid(push_id))
        assert_refused(response, 404, "rest_no_route")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_a_callback_is_only_ever_posted(house, safaricom, push_id, method):
    with house.unchanged():
        response = safaricom.send(method, address(house, push_id))
        assert_refused(response, 405, "method_not_allowed")


def test_a_body_that_is_too_large_is_not_stored(house, safaricom, push_id):
    with house.unchanged():
        response = safaricom.post_bytes(address(house, push_id), b"x" * (BODY_BYTES_MAX + 1))
        assert_refused(response, 413, "body_too_large")


def test_the_largest_body_is_stored(house, safaricom, push_id):
    response = safaricom.post_bytes(address(house, push_id), b"x" * BODY_BYTES_MAX)
    assert response.status_code == 200
    assert len(stored(house)) == 1


@pytest.mark.parametrize("body", GARBAGE, ids=lambda body: repr(body[:60]))
def test_garbage_is_kept_as_it_came_and_set_aside_with_a_reason(house, safaricom, push_id, body):
    response = safaricom.post_bytes(address(house, push_id), body)
    assert response.status_code == 200
    [row] = stored(house)
    assert house.services.keyring.decrypt(row[2]) == body
    events = house.count("event_store.events")
    assert house.services.intake().work_once() == 1
    [(_, _, _, _, state, note, _)] = stored(house)
    assert state == "set_aside"
    assert note.startswith("unreadable: ")
    assert house.count("event_store.events") == events
    assert house.services.intake().work_once() == 0


@pytest.mark.parametrize(
    "content_type",
    [
        *(None, "text/plain", "application/x-www-form-urlencoded", "application/json"),
        *("multipart/form-data; boundary=x", "application/json; charset=nonsense"),
    ],
)
def test_the_content_type_of_a_callback_does_not_matter(house, safaricom, push_id, content_type):
    body = b"a=1&b=%20"
    response = safaricom.post_bytes(address(house, push_id), body, content_type=content_type)
    assert response.status_code == 200
    [row] = stored(house)
    assert house.services.keyring.decrypt(row[2]) == body


def test_what_a_callback_says_is_nowhere_in_the_database_in_clear(house, safaricom, push_id):
    safaricom.post(address(house, push_id), paid(push_id, PhoneNumber=254799888777))
    rows = house.owner.execute("SELECT c::text, c.body FROM intake.callbacks c").fetchall()
    for text, body in rows:
        for secret in (b"254799888777", b"SKN7000001", f"ws_CO_{push_id.hex}".encode()):
            assert secret not in body
            assert secret.decode() not in text
            assert secret.hex() not in text


def test_a_callback_of_a_checkout_that_is_not_ours_is_set_aside(house, safaricom, push_id):
    other = paid(uuid4())
    assert safaricom.post(address(house, push_id), other).status_code == 200
    events = house.count("event_store.events")
    house.services.intake().work_once()
    [(_, _, _, _, state, note, _)] = stored(house)
    assert (state, note) == ("set_aside", "checkout_request_id_does_not_match")
    assert house.count("event_store.events") == events


def test_one_piece_of_garbage_holds_up_no_other_callback(house, safaricom, push_id):
    safaricom.post_bytes(address(house, push_id), b"garbage")
    safaricom.post(address(house, push_id), paid(push_id))
    house.services.intake().work_once()
    assert sorted(row[4] for row in stored(house)) == ["done", "set_aside"]


def test_the_same_body_five_times_at_once_is_one_row_that_counts(house, safaricom, push_id):
    path, body = address(house, push_id), json.dumps(paid(push_id)).encode()
    with ThreadPoolExecutor(5) as threads:
        told = [threads.submit(safaricom.post_bytes, path, body) for _ in range(5)]
    assert [response.result().status_code for response in told] == [200] * 5
    [row] = stored(house)
    assert row[3] == 5


def test_two_bodies_for_one_push_are_two_rows(house, safaricom, push_id):
    for body in (b"{}", b"{ }"):
        safaricom.post_bytes(address(house, push_id), body)
    assert [row[3] for row in stored(house)] == [1, 1]
