"""Payouts, status, balance and reversal: the real client against the simulator, over real HTTP."""

from __future__ import annotations

import json
from itertools import count
from uuid import UUID

import pytest
import requests

from domain.mpesa.payer import Payer
from domain.mpesa.payout_result_codes import PayoutVerdict, payout_result, reversal_result
from infra.mpesa.credentials import Initiator
from infra.mpesa.outcomes import AlreadyTaken, Ambiguous, NotSent, Refused, Taken
from infra.mpesa.result_views import (
    read_balances,
    read_paid_out,
    read_reversed,
    read_transaction_status,
)
from infra.mpesa.results import MpesaResult, read_result, scrub_credential
from infra.mpesa.simulator.certificate import INITIATOR_NAME, INITIATOR_PASSWORD
from infra.mpesa.simulator.request_behaviours import REQUEST_BEHAVIOURS
from tests.conformance.mpesa.conftest import simulated_key

PHONE = "254708374149"
_numbers = count(1)


def new_id() -> str:
    return str(UUID(int=next(_numbers)))


def pay_out(client, listener, *, id_: str | None = None, amount: int = 500, phone: str = PHONE):
    return client.pay_out(
        originator_conversation_id=id_ or new_id(),
        phone=phone,
        amount_shillings=amount,
        remarks="Loan L-001",
        occasion="L001",
        result_url=listener.at("result"),
        timeout_url=listener.at("timeout"),
    )


def ask_status(client, listener, **of: str) -> MpesaResult:
    taken = client.ask_status(
        **of, result_url=listener.at("status"), timeout_url=listener.at("timeout")
    )
    assert isinstance(taken, Taken)
    return next_result(listener, at="status")


def next_result(listener, *, at: str = "result") -> MpesaResult:
    path, body = listener.next_told()
    assert path == at
    return read_result(body)


def test_a_payout_is_taken_paid_and_told(client, simulator, listener):
    before, id_ = simulator.accounts(), new_id()
    taken = pay_out(client, listener, id_=id_)
    result = next_result(listener)
    [row] = simulator.ledger()
    assert isinstance(taken, Taken)
    assert result.originator_conversation_id == taken.originator_conversation_id == id_
    assert result.conversation_id == taken.conversation_id
    assert result.transaction_id == row["receipt"]
    paid = read_paid_out(result)
    assert (paid.receipt_number, paid.amount_cents) == (row["receipt"], 50_000)
    assert paid.completed_at.isoformat() == row["paid_at"]
    assert paid.receiver == Payer(phone=PHONE, name=row["name"])
    assert (row["direction"], row["kind"], row["charge"]) == ("out", "payout", 5)
    after = simulator.accounts()
    assert after == {**before, "utility": before["utility"] - 500, "charges": -5}
    assert paid.utility_balance_cents == after["utility"] * 100
    assert paid.charges_balance_cents == -500


@pytest.mark.parametrize(
    ("amount", "charge"), [(10, 0), (100, 0), (101, 5), (1_501, 9), (5_001, 11), (250_000, 13)]
)
def test_a_payout_costs_what_the_tariff_says(client, simulator, listener, amount, charge):
    pay_out(client, listener, amount=amount)
    assert next_result(listener).succeeded
    assert [row["charge"] for row in simulator.ledger()] == [charge]


@pytest.mark.parametrize("behaviour", ["success", "no_float", "acknowledgement_lost"])
def test_the_same_id_again_pays_nothing(client, simulator, listener, behaviour):
    simulator.set(behaviour, of="payout")
    id_ = new_id()
    pay_out(client, listener, id_=id_)
    assert pay_out(client, listener, id_=id_) == AlreadyTaken()
    next_result(listener)
    assert pay_out(client, listener, id_=id_) == AlreadyTaken()
    assert len(simulator.ledger()) == (behaviour != "no_float")


@pytest.mark.parametrize(
    ("behaviour", "code", "verdict"),
    [
        ("no_float", "1", PayoutVerdict.FAILED),
        ("wrong_credential", "2001", PayoutVerdict.FAILED_STOP),
        ("unregistered", "2040", PayoutVerdict.FAILED),
        ("internal_failure", "17", PayoutVerdict.AMBIGUOUS),
        ("code_15", "15", PayoutVerdict.AMBIGUOUS),
        ("code_8006", "8006", PayoutVerdict.FAILED_STOP),
        ("code_SFC_IC0003", "SFC_IC0003", PayoutVerdict.FAILED),
    ],
)
def test_a_failed_payout_is_told_and_moves_nothing(
    client, simulator, listener, behaviour, code, verdict
):
    simulator.set(behaviour, of="payout")
    pay_out(client, listener)
    result = next_result(listener)
    assert (result.result_code, result.succeeded) == (code, False)
    assert payout_result(result.result_code).verdict is verdict
    assert simulator.ledger() == []


@pytest.mark.parametrize(
    "behaviour",
    ["acknowledgement_lost", "busy_though_taken", "html_503", "html_200", "internal_error",
     "empty_error", "soap_fault", "request_lost"],
)  # fmt: skip
def test_what_may_have_paid_is_ambiguous(client, simulator, listener, behaviour):
    simulator.set(behaviour, of="payout")
    assert isinstance(pay_out(client, listener), Ambiguous)
    if behaviour in {"acknowledgement_lost", "busy_though_taken"}:
        assert next_result(listener).succeeded
    assert len(simulator.ledger()) == (REQUEST_BEHAVIOURS[behaviour].refusal is None) * (
        behaviour != "request_lost"
    )


def test_what_the_gateway_turned_away_may_be_sent_again_under_the_same_id(
    client, simulator, listener
):
    simulator.set("spike_arrest", of="payout")
    id_ = new_id()
    assert isinstance(pay_out(client, listener, id_=id_), NotSent)
    assert isinstance(pay_out(client, listener, id_=id_), Taken)
    assert next_result(listener).succeeded
    assert len(simulator.ledger()) == 1


def test_a_dead_token_is_renewed_and_nothing_is_paid_twice(client, simulator, listener):
    simulator.set("token_killed", of="payout")
    assert isinstance(pay_out(client, listener), Taken)
    assert next_result(listener).succeeded
    assert len(simulator.ledger()) == 1


def test_a_queue_timeout_brings_our_credential_back_and_proves_nothing(client, simulator, listener):
    simulator.set("timeout_then_success", of="payout")
    id_ = new_id()
    pay_out(client, listener, id_=id_)
    path, body = listener.next_told()
    sent = json.loads(body)["SecurityCredential"]
    told = read_result(body)
    assert (path, told.is_timeout, told.succeeded) == ("timeout", True, False)
    assert told.originator_conversation_id == id_
    assert len(sent) == 344
    assert sent.encode() not in scrub_credential(body)
    assert read_result(scrub_credential(body)) == told
    assert next_result(listener).succeeded


def test_an_enveloped_timeout_is_not_taken_for_a_failure(client, simulator, listener):
    simulator.set("enveloped_timeout_then_success", of="payout")
    pay_out(client, listener)
    path, body = listener.next_told()
    told = read_result(body, told_as_timeout=path == "timeout")
    assert (path, told.is_timeout, told.result_code) == ("timeout", True, "1")
    assert next_result(listener).succeeded


def test_a_result_may_come_twice_and_before_the_acknowledgement(client, simulator, listener):
    simulator.set("result_before_acknowledgement", of="payout")
    taken = pay_out(client, listener)
    told = read_result(listener.told.get_nowait()[1])
    assert told.originator_conversation_id == taken.originator_conversation_id
    simulator.set("result_twice", of="payout")
    pay_out(client, listener)
    assert read_paid_out(next_result(listener)) == read_paid_out(next_result(listener))
    assert len(simulator.ledger()) == 2


@pytest.mark.parametrize(
    ("behaviour", "codes"),
    [("failure_told_before_success", ["1", "0"]), ("failure_told_after_success", ["0", "1"])],
)
def test_safaricom_may_contradict_itself(client, simulator, listener, behaviour, codes):
    simulator.set(behaviour, of="payout")
    pay_out(client, listener)
    assert [next_result(listener).result_code for _ in range(2)] == codes
    assert len(simulator.ledger()) == 1


def test_what_nobody_was_told_is_found_by_status(client, simulator, listener):
    simulator.set("no_result", of="payout")
    id_ = new_id()
    pay_out(client, listener, id_=id_)
    told = settled_status(client, listener, originator_conversation_id=id_)
    [row] = simulator.ledger()
    assert told.transaction_status == "Completed"
    assert told.receipt_number == row["receipt"]
    assert (told.amount_cents, told.charge_cents) == (50_000, 500)
    assert told.originator_conversation_id == id_
    by_receipt = ask_status(client, listener, receipt_number=row["receipt"])
    assert read_transaction_status(by_receipt) == told


def test_a_status_may_stay_unclear_for_a_while(client, simulator, listener):
    simulator.set("unclear_status", of="payout")
    id_ = new_id()
    pay_out(client, listener, id_=id_)
    statuses = [
        read_transaction_status(
            ask_status(client, listener, originator_conversation_id=id_)
        ).transaction_status
        for _ in range(4)
    ]
    assert statuses == ["Pending", "Pending", "Pending", "Completed"]


def test_the_status_of_a_failure_and_of_nothing_at_all(client, simulator, listener):
    simulator.set("failed_untold", of="payout")
    id_ = new_id()
    pay_out(client, listener, id_=id_)
    told = settled_status(client, listener, originator_conversation_id=id_)
    assert told.transaction_status == "Failed"
    unknown = ask_status(client, listener, originator_conversation_id=new_id())
    assert (unknown.succeeded, unknown.result_code) == (False, "2033")


def settled_status(client, listener, **of: str):
    """Asked until the payout is decided, which happens on a thread of the simulator."""
    for _ in range(50):
        told = read_transaction_status(ask_status(client, listener, **of))
        if told.transaction_status != "Pending":
            return told
    raise AssertionError("still pending")


def test_the_balance_is_what_the_accounts_hold(client, simulator, listener):
    pay_out(client, listener, amount=1_000)
    next_result(listener)
    client.ask_balance(result_url=listener.at("result"), timeout_url=listener.at("timeout"))
    balances = read_balances(next_result(listener))
    held = simulator.accounts()
    assert balances.payable_cents == held["utility"] * 100
    assert balances.accounts["Charges Paid Account"].current_cents == -500
    assert balances.accounts["Working Account"].available_cents == held["working"] * 100


def test_a_payout_beyond_the_float_fails_until_it_is_topped_up(client, simulator, listener):
    simulator.post("top-up", amount=100 - simulator.accounts()["utility"])
    pay_out(client, listener)
    assert next_result(listener).result_code == "1"
    simulator.post("top-up", amount=400)
    pay_out(client, listener)
    assert next_result(listener).succeeded
    assert simulator.accounts()["utility"] == 0


def reverse(client, listener, receipt: str, amount: int = 150):
    return client.reverse(
        receipt_number=receipt,
        amount_shillings=amount,
        remarks="Paid twice",
        result_url=listener.at("result"),
        timeout_url=listener.at("timeout"),
    )


def test_a_customers_payment_is_sent_back_once(client, simulator, listener):
    receipt = simulator.post("payments", phone=PHONE, amount=150, account_number="M001")["receipt"]
    taken = reverse(client, listener, receipt)
    told = read_reversed(next_result(listener))
    assert (told.original_receipt_number, told.amount_cents) == (receipt, 15_000)
    assert told.payer.phone == PHONE
    reversal = simulator.ledger()[-1]
    assert (reversal["reverses"], reversal["receipt"]) == (receipt, told.receipt_number)
    by_id = ask_status(
        client, listener, originator_conversation_id=taken.originator_conversation_id
    )
    assert read_transaction_status(by_id).transaction_status == "Completed"
    reverse(client, listener, receipt)
    again = next_result(listener)
    assert again.result_code == "R000001"
    assert reversal_result(again.result_code).verdict is PayoutVerdict.PAID
    assert len(simulator.ledger()) == 2


def test_a_payout_or_a_strange_receipt_cannot_be_reversed(client, simulator, listener):
    pay_out(client, listener, amount=150)
    next_result(listener)
    for receipt in (simulator.ledger()[0]["receipt"], "UB10000009"):
        reverse(client, listener, receipt)
        assert next_result(listener).result_code == "R000002"
    assert len(simulator.ledger()) == 1


@pytest.mark.parametrize(("name", "password"), [("stranger", None), (None, "wrong")])
def test_the_simulator_really_opens_the_credential(client_for, simulator, listener, name, password):
    stranger = Initiator(
        name=name or INITIATOR_NAME,
        password=password or INITIATOR_PASSWORD,
        certificate_pem=simulated_key(),
    )
    client = client_for(simulator.url, initiator=stranger)
    codes = []
    for _ in range(4):
        pay_out(client, listener)
        codes.append(next_result(listener).result_code)
    assert codes == ["2001", "2001", "2001", "8006"]
    pay_out(client_for(simulator.url), listener)
    assert next_result(listener).result_code == "8006"
    requests.delete(f"{simulator.url}/simulator/behaviours", timeout=5)
    pay_out(client_for(simulator.url), listener)
    assert next_result(listener).succeeded


@pytest.mark.parametrize(
    "initiator",
    [
        None,
        Initiator(name="testapi", password="right", certificate_pem="no certificate"),
        Initiator(name="testapi", password="long" * 100, certificate_pem="@"),
    ],
)
def test_without_a_usable_initiator_nothing_is_sent(client_for, simulator, listener, initiator):
    if initiator is not None and initiator.certificate_pem == "@":
        initiator = Initiator(
            name="testapi", password=initiator.password, certificate_pem=simulated_key()
        )
    client = client_for(simulator.url, initiator=initiator)
    for refused in (
        pay_out(client, listener),
        client.ask_balance(result_url=listener.url, timeout_url=listener.url),
    ):
        assert isinstance(refused, Refused)
        assert refused.is_configuration
    assert listener.told.empty()


def test_a_forbidden_address_is_not_sent(client, simulator):
    refused = client.ask_balance(
        result_url="https://daystar.example/mpesa", timeout_url="https://daystar.example/hooks"
    )
    assert isinstance(refused, Refused)
    assert refused.is_configuration


def test_another_short_code_is_refused_as_configuration(client_for, simulator, listener):
    client = client_for(simulator.url, short_code="600992", party_b="600992")
    refused = pay_out(client, listener)
    assert isinstance(refused, Refused)
    assert refused.is_configuration


def test_no_credential_and_no_receiver_shows_in_a_repr(client, simulator, listener):
    pay_out(client, listener)
    shown = repr(read_paid_out(next_result(listener)))
    assert PHONE not in shown
    assert simulator.ledger()[0]["name"] not in shown
