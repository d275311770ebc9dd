"""What the simulator demands of payouts, questions and paybill calls, and what it lets pass."""

from __future__ import annotations

import base64

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.x509 import load_pem_x509_certificate

from infra.mpesa.c2b_notices import read_c2b_notice
from infra.mpesa.paths import (
    BALANCE_PATH,
    OLD_PAYOUT_PATH,
    PAYOUT_PATH,
    PULL_PATH,
    REVERSAL_PATH,
    STATUS_PATH,
)
from infra.mpesa.results import read_result
from infra.mpesa.simulator.certificate import INITIATOR_NAME, INITIATOR_PASSWORD
from infra.mpesa.simulator.paybill_behaviours import PAYBILL_BEHAVIOURS
from infra.mpesa.simulator.request_behaviours import REQUEST_BEHAVIOURS
from tests.conformance.mpesa.conftest import SETTINGS, simulated_key
from tests.conformance.mpesa.test_simulator import Caller
from tests.support.waiting import eventually

PHONE = "254708374149"


def credential() -> str:
    """As any client would make it, without ours."""
    key = load_pem_x509_certificate(simulated_key().encode()).public_key()
    return base64.b64encode(key.encrypt(INITIATOR_PASSWORD.encode(), padding.PKCS1v15())).decode()


@pytest.fixture
def caller(simulator) -> Caller:
    return Caller(simulator.url)


@pytest.fixture
def signed(listener) -> dict[str, object]:
    return {
        "Initiator": INITIATOR_NAME,
        "SecurityCredential": credential(),
        "Remarks": "ok",
        "ResultURL": listener.at("result"),
        "QueueTimeOutURL": listener.at("timeout"),
    }


@pytest.fixture
def payout(signed) -> dict[str, object]:
    del signed["Initiator"]
    return signed | {
        "OriginatorConversationID": "ours-1",
        "InitiatorName": INITIATOR_NAME,
        "CommandID": "BusinessPayment",
        "Amount": 500,
        "PartyA": int(SETTINGS.short_code),
        "PartyB": int(PHONE),
        "Occassion": "L001",
    }


@pytest.fixture
def question(signed) -> dict[str, object]:
    return signed | {"PartyA": SETTINGS.short_code, "IdentifierType": "4"}


def error_of(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errorMessage"]


@pytest.mark.parametrize("spelling", ["Occassion", "Occasion"])
def test_text_for_numbers_and_either_spelling_pass(caller, payout, listener, spelling):
    as_text = {name: str(value) for name, value in payout.items()}
    as_text[spelling] = as_text.pop("Occassion")
    answer = caller.post(PAYOUT_PATH, as_text | {"Passkey": "more"})
    assert answer.json()["OriginatorConversationID"] == "ours-1"
    assert read_result(listener.next()).succeeded


def test_the_old_payout_has_no_id_of_ours_and_gets_one(caller, payout, listener):
    del payout["OriginatorConversationID"]
    told = [caller.post(OLD_PAYOUT_PATH, payout).json() for _ in range(2)]
    ids = {each["OriginatorConversationID"] for each in told}
    assert len(ids) == 2
    assert {read_result(listener.next()).originator_conversation_id for _ in told} == ids


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OriginatorConversationID", ""),
        ("OriginatorConversationID", "x" * 65),
        ("SecurityCredential", None),
        ("CommandID", "PayOut"),
        ("Amount", 0),
        ("Amount", 1.5),
        ("Amount", 250_001),
        ("PartyA", "17"),
        ("PartyB", "0708374149"),
        ("Remarks", "x"),
        ("ResultURL", "https://daystar.example/mpesa"),
        ("QueueTimeOutURL", "daystar"),
    ],
)
def test_a_wrong_field_of_a_payout_is_named(caller, payout, simulator, name, value):
    answer = caller.post(PAYOUT_PATH, {**payout, name: value})
    assert error_of(answer) == (400, f"Bad Request - Invalid {name}")
    assert simulator.ledger() == []


def test_another_short_code_is_turned_away(caller, payout):
    answer = caller.post(PAYOUT_PATH, {**payout, "PartyA": 600992})
    assert error_of(answer) == (400, "Bad Request - Kindly use your own ShortCode")


def test_a_status_wants_an_id_under_any_of_its_names(caller, question, listener, payout):
    caller.post(PAYOUT_PATH, payout)
    listener.next()
    question |= {"CommandID": "TransactionStatusQuery"}
    assert error_of(caller.post(STATUS_PATH, question)) == (
        400,
        "Bad Request - Invalid TransactionID",
    )
    for name in ("OriginalConversationID", "OriginatorConversationID"):
        assert caller.post(STATUS_PATH, {**question, name: "ours-1"}).status_code == 200
        assert read_result(listener.next()).first("TransactionStatus") == "Completed"


def test_the_right_spelling_of_a_reversal_is_refused(caller, signed):
    reversal = signed | {
        "CommandID": "TransactionReversal",
        "TransactionID": "UB10000001",
        "Amount": 10,
        "ReceiverParty": SETTINGS.short_code,
        "ReceiverIdentifierType": "11",
    }
    assert error_of(caller.post(REVERSAL_PATH, reversal)) == (
        400,
        "Bad Request - Invalid RecieverIdentifierType",
    )
    del reversal["ReceiverIdentifierType"]
    assert caller.post(REVERSAL_PATH, reversal | {"RecieverIdentifierType": 11}).status_code == 200


def test_a_balance_is_told_in_one_of_its_shapes(caller, question, listener):
    for _ in range(3):
        assert caller.post(BALANCE_PATH, question | {"CommandID": "AccountBalance"}).ok
        told = read_result(listener.next())
        assert str(told.first("AccountBalance")).startswith("Working Account|KES|500000.00|")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_payment_can_be_simulated_under_either_version(caller, listener, simulator, version):
    urls = {
        "ShortCode": SETTINGS.short_code,
        "ResponseType": "Completed",
        "ConfirmationURL": listener.at("confirmation"),
        "ValidationURL": listener.at("validation"),
    }
    told = caller.post(f"/mpesa/c2b/{version}/registerurl", urls).json()
    assert told.keys() == {"OriginatorCoversationID", "ResponseCode", "ResponseDescription"}
    payment = {
        "ShortCode": SETTINGS.short_code, "CommandID": "CustomerPayBillOnline", "Amount": "10",
        "Msisdn": PHONE, "BillRefNumber": "M001",
    }  # fmt: skip
    assert caller.post(f"/mpesa/c2b/{version}/simulate", payment).json()["ResponseCode"] == "0"
    assert [listener.next_told()[0] for _ in range(2)] == ["validation", "confirmation"]
    till = {**payment, "CommandID": "CustomerBuyGoodsOnline", "BillRefNumber": None}
    assert caller.post(f"/mpesa/c2b/{version}/simulate", till).ok
    _, body = [listener.next_told() for _ in range(2)][1]
    notice = read_c2b_notice(body)
    assert (notice.transaction_type, notice.account_number) == ("Buy Goods", None)
    assert [row["kind"] for row in simulator.ledger()] == ["paybill", "paybill"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("ResponseType", "completed"), ("ConfirmationURL", "https://daystar.example/sql")],
)
def test_a_wrong_field_of_a_registration_is_named(caller, listener, name, value):
    urls = {
        "ShortCode": SETTINGS.short_code,
        "ResponseType": "Cancelled",
        "ConfirmationURL": listener.url,
        "ValidationURL": listener.url,
        name: value,
    }
    answer = caller.post("/mpesa/c2b/v2/registerurl", urls)
    assert error_of(answer) == (400, f"Bad Request - Invalid {name}")
    assert caller.post("/mpesa/c2b/v3/registerurl", urls).status_code == 404


def test_a_pull_wants_a_span_as_it_is_written(caller):
    span = {"ShortCode": SETTINGS.short_code, "StartDate": "2026-02-01", "OffSetValue": "0"}
    answer = caller.post(PULL_PATH, {**span, "EndDate": "2026-02-01 10:00:00"})
    assert error_of(answer) == (400, "Bad Request - Invalid StartDate")


def test_a_mix_draws_behaviours_by_weight(simulator, caller, payout, listener):
    simulator.post("behaviours", of="payout", mix={"no_float": 1, "unregistered": 1, "success": 0})
    codes = set()
    for number in range(40):
        caller.post(PAYOUT_PATH, {**payout, "OriginatorConversationID": f"mixed-{number}"})
        codes.add(read_result(listener.next()).result_code)
    assert codes == {"1", "2040"}
    simulator.set("success", of="payout", default=True)
    caller.post(PAYOUT_PATH, {**payout, "OriginatorConversationID": "mixed-no-more"})
    assert read_result(listener.next()).succeeded


def test_the_pace_can_be_changed_as_it_goes(simulator, caller, payout, listener):
    simulator.set("timeout_then_success", of="payout")
    simulator.post("pace", late_seconds=0.0)
    caller.post(PAYOUT_PATH, payout)
    assert [listener.next_told()[0] for _ in range(2)] == ["timeout", "result"]
    for nonsense in ({"late_seconds": -1}, {"late_seconds": True}, {"speed": 1}):
        answer = requests.post(f"{simulator.url}/simulator/pace", json=nonsense, timeout=5)
        assert answer.status_code == 400


@pytest.mark.parametrize(
    ("path", "wanted", "status"),
    [
        ("payments", {"phone": "0708374149", "amount": 1}, 400),
        ("payments", {"phone": PHONE, "amount": 0}, 400),
        ("payments", {"phone": PHONE, "amount": 1, "account_number": "x" * 21}, 400),
        ("paybill", {"number_form": "secret"}, 400),
        ("paybill", {"nothing": 1}, 400),
        ("top-up", {"amount": 0}, 400),
        ("top-up", {"amount": -2_000_000}, 409),
        ("confirmations/UB10000001/resend", {}, 404),
    ],
)
def test_a_command_not_understood_is_refused(simulator, path, wanted, status):
    answer = requests.post(f"{simulator.url}/simulator/{path}", json=wanted, timeout=5)
    assert answer.status_code == status
    assert answer.json()["error"]


def test_every_product_has_its_table(simulator):
    tables = simulator.get("behaviours").json()["tables"]
    for of in ("payout", "status", "balance", "reversal", "pull"):
        assert {row["name"] for row in tables[of]} == set(REQUEST_BEHAVIOURS)
    assert {row["name"] for row in tables["paybill"]} == set(PAYBILL_BEHAVIOURS)
    for table in tables.values():
        assert len({row["number"] for row in table}) == len(table)


def test_a_result_can_be_told_again(simulator, caller, payout, listener):
    simulator.set("no_result", of="payout")
    caller.post(PAYOUT_PATH, payout)
    eventually(lambda: simulator.post("results/ours-1/resend")["delivered"])
    assert read_result(listener.next()).succeeded
    assert simulator.post("results/nobodys/resend") == {"delivered": False, "status": None}
