"""What Safaricom tells of money we send: kept raw and clean, and believed in its place alone."""

from __future__ import annotations

import json

import pytest

from domain.identities import short_code_id
from domain.mpesa.payout import Payout
from domain.mpesa.payout_lane import PayoutLane
from infra.callbacks import BODY_BYTES_MAX
from tests.integration.http.house import Client, assert_refused
from tests.support import payout_states as told

KINDS = ("b2c", "reversal", "status", "balance")
SECRET = "c2VjcmV0LWNyZWRlbnRpYWw="
GARBAGE = [
    *(b"", b"{", b"null", b"[]", b"{}", b'{"Result":{}}', b'{"Result":[]}', b"\xff\xfe\x00"),
    *(b'{"Result":{"ResultCode":0}}', b"[" * 60_000, b'{"CommandID":'),
    b'{"Result":{"ResultCode":0,"OriginatorConversationID":"x","ResultParameters":7}}',
]
STORED = "SELECT kind, body, state, note FROM intake.callbacks ORDER BY callback_id"


@pytest.fixture
def safaricom(app):
    """Has no key."""
    return Client(app, None)


@pytest.fixture
def payout(house):
    return told.payout_in(house.co_operative, "accepted")


def address(house, kind, subject_id, end=""):
    return f"/hooks/{kind}/{house.services.keyring.callback_token(kind, subject_id)}{end}"


def result(payout, code=0, **fields):
    told = {"ResultType": 0, "ResultCode": code, "ResultDesc": "a sentence"}
    ids = {"OriginatorConversationID": str(payout), "ConversationID": "AG_1"}
    return {"Result": {**told, **ids, "TransactionID": "SKN0000000", **fields}}


def taken_in(house):
    while house.services.intake().work_once():
        pass
    keyring = house.services.keyring
    rows = house.owner.execute(STORED).fetchall()
    return [(kind, keyring.decrypt(bytes(body)), *rest) for kind, body, *rest in rows]


def test_a_result_settles_its_payout_however_often_it_is_told(house, safaricom, payout):
    for _ in range(3):
        answer = safaricom.post(address(house, "b2c", payout), result(payout, 2001))
        assert (answer.status_code, answer.json["ResultCode"]) == (200, 0)
    [(kind, _, state, note)] = taken_in(house)
    assert (kind, state, note) == ("b2c", "done", "applied")
    assert told.state_of(house.co_operative, payout) == "failed"


def test_what_comes_to_the_address_of_timeouts_is_believed_in_nothing(house, safaricom, payout):
    body = result(payout, 2040)
    assert safaricom.post(address(house, "b2c", payout, "/timeout"), body).status_code == 200
    [(kind, _, state, _)] = taken_in(house)
    assert (kind, state) == ("b2c_timeout", "done")
    assert told.state_of(house.co_operative, payout) == "in_doubt"


@pytest.mark.parametrize("end", ["", "/timeout"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_initiators_credential_is_taken_out_before_anything_is_stored(
    house, safaricom, payout, kind, end
):
    ours = {
        "OriginatorConversationID": str(payout),
        "CommandID": "BusinessPayment",
        "SecurityCredential": SECRET,
        "PartyB": 254712345678,
    }
    assert safaricom.post(address(house, kind, payout, end), ours).status_code == 200
    [(_, body, _, _)] = taken_in(house)
    assert SECRET.encode() not in body
    assert json.loads(body)["PartyB"] == 254712345678


@pytest.mark.parametrize("end", ["", "/timeout"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_token_opens_its_own_door_alone_and_nothing_large_is_taken(
    house, safaricom, payout, kind, end
):
    others = [other for other in (*KINDS, "stk") if other != kind]
    with house.unchanged():
        for other in others:
            token = house.services.keyring.callback_token(other, payout)
            response = safaricom.post(f"/hooks/{kind}/{token}{end}", result(payout))
            assert_refused(response, 404, "rest_no_route")
        large = b" " * (BODY_BYTES_MAX + 1)
        response = safaricom.post_bytes(address(house, kind, payout, end), large)
        assert_refused(response, 413, "body_too_large")


@pytest.mark.parametrize("body", GARBAGE, ids=lambda body: repr(body[:24]))
def test_garbage_is_set_aside_or_told_of_nothing_and_hurts_nobody(house, safaricom, payout, body):
    for kind in KINDS:
        assert safaricom.post_bytes(address(house, kind, payout), body).status_code == 200
    assert {state for _, _, state, _ in taken_in(house)} == {"set_aside"}
    assert told.state_of(house.co_operative, payout) == "accepted"


def test_a_result_of_another_conversation_is_set_aside(house, safaricom, payout):
    forged = result(house.member(), 2040)
    safaricom.post(address(house, "b2c", payout), forged)
    [(_, _, state, note)] = taken_in(house)
    assert (state, note) == ("set_aside", "conversation_id_does_not_match")
    assert told.state_of(house.co_operative, payout) == "accepted"


def test_a_balance_that_is_told_is_the_float(house, safaricom, payout):
    short_code = house.co_operative.load(Payout, payout).short_code
    accounts = "Working Account|KES|7.00|7.00|0.00|0.00&Utility Account|KES|228.50|228.50|0.00|0.00"
    item = {"Key": "AccountBalance", "Value": accounts}
    body = result("11-22-1", ResultParameters={"ResultParameter": [item]})
    safaricom.post(address(house, "balance", short_code_id(short_code)), body)
    [(_, _, state, note)] = taken_in(house)
    assert (state, note) == ("done", "applied")
    house.follow()
    lanes = house.client("operate").get("/daystar/v1/mpesa/lanes").json["lanes"]
    [shown] = [lane for lane in lanes if lane["short_code"] == short_code]
    assert (shown["float"], shown["under_way"]) == ("228.50", "1000.00")
    assert not house.co_operative.load(PayoutLane, short_code_id(short_code)).is_stopped
