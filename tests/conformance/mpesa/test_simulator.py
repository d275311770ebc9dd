"""The simulator is as strict as Daraja, and as lenient."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
import requests

from infra.mpesa.callbacks import read_stk_callback
from infra.mpesa.paths import PUSH_PATH, QUERY_PATH
from infra.mpesa.simulator.ledger import Ledger
from infra.mpesa.simulator.push_behaviours import BEHAVIOURS
from infra.mpesa.simulator.push_desk import RESULT_SENTENCES
from infra.mpesa.simulator.push_requests import PushRequest
from infra.mpesa.simulator.pushes import PushMemory
from infra.mpesa.simulator.settings import SimulatorSettings
from infra.mpesa.stk_calls import push_password
from infra.mpesa.tokens import TOKEN_PATH
from tests.conformance.mpesa.conftest import SETTINGS

TIMESTAMP = "20260201101500"
PASSWORD = push_password(
    short_code=SETTINGS.short_code, pass_key=SETTINGS.pass_key, timestamp=TIMESTAMP
)
KEY = (SETTINGS.consumer_key, SETTINGS.consumer_secret)


class Caller:
    """Speaks raw Daraja, without our client."""

    def __init__(self, url: str) -> None:
        self.url = url
        answer = self.token()
        assert answer.json()["expires_in"] == "3599"
        self.headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def token(self, *, auth: object = KEY, **query: str) -> requests.Response:
        wanted = query or {"grant_type": "client_credentials"}
        return requests.get(f"{self.url}{TOKEN_PATH}", params=wanted, auth=auth, timeout=5)

    def post(self, path: str, fields: object, **headers: str) -> requests.Response:
        sent = {**self.headers, **headers}
        return requests.post(f"{self.url}{path}", json=fields, headers=sent, timeout=5)


@pytest.fixture
def caller(simulator) -> Caller:
    return Caller(simulator.url)


@pytest.fixture
def fields(listener) -> dict[str, object]:
    return {
        "BusinessShortCode": 174379,
        "Password": PASSWORD,
        "Timestamp": TIMESTAMP,
        "TransactionType": "CustomerPayBillOnline",
        "Amount": 150,
        "PartyA": 254708374149,
        "PartyB": 174379,
        "PhoneNumber": 254708374149,
        "CallBackURL": listener.url,
        "AccountReference": "M001",
        "TransactionDesc": "Deposit",
    }


def test_numbers_as_text_and_unknown_keys_are_accepted(caller, fields, listener):
    as_text = {name: str(value) for name, value in fields.items()} | {"Passkey": "more"}
    answer = caller.post(PUSH_PATH, as_text)
    assert answer.status_code == 200
    told = answer.json()
    assert told["ResponseCode"] == "0"
    assert re.fullmatch(r"ws_CO_\d{17}708374149", told["CheckoutRequestID"])
    assert read_stk_callback(listener.next()).payment is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BusinessShortCode", "17437x"),
        ("Timestamp", "2026-02-01"),
        ("Timestamp", "20261301101500"),
        ("TransactionType", "Pay Bill"),
        ("Amount", 0),
        ("Amount", "1.5"),
        ("Amount", 1.5),
        ("Amount", 250_001),
        ("Amount", True),
        ("PartyA", "0708374149"),
        ("PhoneNumber", 254208374149),
        ("CallBackURL", "https://daystar.example/mpesa"),
        ("CallBackURL", "http://daystar.example/hooks"),
        ("AccountReference", "M" * 13),
        ("AccountReference", ""),
        ("TransactionDesc", "D" * 14),
        ("PartyB", None),
        ("Password", {}),
    ],
)
def test_a_wrong_field_is_named(caller, fields, name, value):
    answer = caller.post(PUSH_PATH, {**fields, name: value})
    assert answer.status_code == 400
    assert answer.json()["errorCode"] == "400.002.02"
    assert answer.json()["errorMessage"] == f"Bad Request - Invalid {name}"


def test_a_password_must_fit_the_timestamp(caller, fields):
    answer = caller.post(PUSH_PATH, {**fields, "Timestamp": "20260201101501"})
    assert answer.status_code == 500
    assert answer.json()["errorMessage"] == "[MerchantValidate] - Wrong credentials"


def test_a_body_without_content_type_is_not_read(caller, fields):
    answer = requests.post(
        f"{caller.url}{PUSH_PATH}", data=b"{}", headers=caller.headers, timeout=5
    )
    assert answer.json()["errorMessage"] == "Bad Request - Invalid BusinessShortCode"


@pytest.mark.parametrize("path", [PUSH_PATH, QUERY_PATH])
@pytest.mark.parametrize(
    ("header", "code"),
    [("", "404.001.04"), ("Basic abc", "404.001.04"), ("Bearer stale", "404.001.03")],
)
def test_a_call_without_a_good_token_is_turned_away(caller, fields, path, header, code):
    answer = caller.post(path, fields, Authorization=header)
    assert answer.status_code == 404
    assert answer.json()["errorCode"] == code


def test_a_token_needs_key_and_grant(caller):
    assert caller.token(auth=("key", "wrong")).json()["errorCode"] == "400.008.01"
    assert caller.token(auth=None).json()["errorCode"] == "400.008.01"
    assert caller.token(grant_type="password").json()["errorCode"] == "400.008.02"


def test_other_paths_and_methods_are_refused(caller):
    assert caller.post("/mpesa/none", {}).json()["errorCode"] == "404.001.01"
    answer = requests.get(f"{caller.url}{PUSH_PATH}", timeout=5)
    assert (answer.status_code, answer.json()["errorCode"]) == (405, "405.001")


def test_what_is_no_json_object_is_refused(caller):
    for body in (b"[]", b"{", b"[" * 50_000, b" " * 70_000):
        answer = requests.post(
            f"{caller.url}{PUSH_PATH}",
            data=body,
            headers={**caller.headers, "Content-Type": "application/json"},
            timeout=5,
        )
        assert answer.json()["errorCode"] == "400.002.05"


def test_behaviours_can_be_set_listed_and_reset(simulator):
    simulator.set("cancelled", phone="254700000001")
    simulator.set("wrong_pin", amount=77)
    simulator.set("no_balance", default=True)
    simulator.set("html_200", next=2)
    listed = requests.get(f"{simulator.url}/simulator/behaviours", timeout=5).json()
    assert {row["name"] for row in listed["tables"]["push"]} == set(BEHAVIOURS)
    assert listed["set"]["push"] == {
        "default": "no_balance",
        "mix": {},
        "by_phone": {"254700000001": "cancelled"},
        "by_amount": {"77": "wrong_pin"},
        "next": ["html_200", "html_200"],
    }
    answer = requests.delete(f"{simulator.url}/simulator/behaviours", timeout=5).json()
    assert answer["set"]["push"]["default"] == "success"
    assert answer["set"]["push"]["next"] == []


@pytest.mark.parametrize(
    "wanted",
    [[], {}, {"behaviour": "nonsense", "next": 1}, {"behaviour": "success"},
     {"behaviour": "success", "next": 0}, {"behaviour": "success", "next": 10_000},
     {"behaviour": "success", "phone": "1", "amount": 1}, {"behaviour": [], "next": 1},
     {"behaviour": "code_0", "next": 1}, {"behaviour": "code_31337", "next": 1},
     {"of": "nothing", "behaviour": "success", "next": 1}, {"mix": {"nonsense": 1}},
     {"mix": {"success": 0}}, {"mix": {"success": True}}, {"mix": [], "of": "payout"}],
)  # fmt: skip
def test_a_behaviour_not_understood_is_refused(simulator, wanted):
    answer = requests.post(f"{simulator.url}/simulator/behaviours", json=wanted, timeout=5)
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"PhoneNumber": 254700009902}, "1032"),
        ({"Amount": 99_903}, "2001"),
        ({"PhoneNumber": 254700000004}, "0"),
    ],
)
def test_the_number_or_the_amount_chooses_the_behaviour(caller, fields, listener, change, code):
    assert caller.post(PUSH_PATH, {**fields, **change}).status_code == 200
    assert read_stk_callback(listener.next()).result_code == code


def test_every_result_has_its_sentence():
    results = {code for row in BEHAVIOURS.values() for code in row.results}
    assert results <= set(RESULT_SENTENCES)


def test_receipts_look_like_mpesas_and_differ(caller, fields, listener, simulator):
    for number in range(20):
        caller.post(PUSH_PATH, {**fields, "PhoneNumber": 254700000000 + number})
    receipts = {read_stk_callback(listener.next()).payment.receipt_number for _ in range(20)}
    assert len(receipts) == 20
    assert all(re.fullmatch(r"[A-Z]{2}[1-9A-V][A-Z0-9]{7}", receipt) for receipt in receipts)
    assert receipts == {row["receipt"] for row in simulator.ledger()}


def test_a_callback_of_a_stranger_cannot_be_resent(simulator):
    assert simulator.resend("ws_CO_1").status_code == 404


def remembering(remembered_max: int) -> tuple[PushMemory, Ledger]:
    def clock() -> datetime:
        return datetime(2026, 2, 1, tzinfo=UTC)

    ledger = Ledger(clock=clock, rows_max=remembered_max)
    return PushMemory(ledger, clock=clock, remembered_max=remembered_max), ledger


def test_what_is_remembered_is_bounded():
    memory, ledger = remembering(3)
    taken = [memory.take(request_from(number), BEHAVIOURS["success"]) for number in range(5)]
    for push in taken:
        memory.settle(push, "0")
    remembered = [memory.told(push.checkout_request_id) is not None for push in taken]
    assert remembered == [False, False, True, True, True]
    assert len(ledger.rows()) == 3


def test_a_payer_has_one_prompt_at_a_time():
    memory, _ = remembering(9)
    first = memory.take(request_from(1), BEHAVIOURS["success"])
    assert memory.take(request_from(1), BEHAVIOURS["success"]) is None
    memory.settle(first, "1032")
    second = memory.take(request_from(1), BEHAVIOURS["success"])
    assert second.checkout_request_id != first.checkout_request_id


def request_from(number: int):
    return PushRequest(
        phone=f"25470000000{number}",
        amount=1,
        account_reference="M001",
        callback_url="http://127.0.0.1:9/",
        parties_mismatch=False,
    )


SERVE = """
import sys
from infra.mpesa.simulator.server import serve
from infra.mpesa.simulator.settings import SimulatorSettings
settings = SimulatorSettings(
    consumer_key="k", consumer_secret="s", short_code="174379", pass_key="p"
)
serve(settings, "127.0.0.1", int(sys.argv[1]))
"""


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_the_process_stops_cleanly_when_asked(free_port, sign):
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(free_port)], stderr=subprocess.PIPE, text=True
    ) as process:
        assert alive(f"http://127.0.0.1:{free_port}/livez", process)
        process.send_signal(sign)
        assert process.wait(timeout=10) == 0
        assert process.stderr.read() == ""


def alive(url: str, process: subprocess.Popen) -> bool:
    """Asked until it answers: a starting process gives no other sign."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return requests.get(url, timeout=5).status_code == 200
        except requests.ConnectionError:
            time.sleep(0.02)
    return False


def test_settings_hide_their_secrets():
    settings = SimulatorSettings(
        consumer_key="k", consumer_secret="hidden-1", short_code="174379", pass_key="hidden-2"
    )
    assert "hidden" not in repr(settings)
