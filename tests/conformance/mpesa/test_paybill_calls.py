"""Paybill addresses, payments, pull: the real client against the simulator, over real HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.mpesa.payer import Payer, phone_hash
from infra.mpesa.c2b_notices import read_c2b_notice
from infra.mpesa.callbacks import read_stk_callback
from infra.mpesa.credentials import C2bVersion
from infra.mpesa.outcomes import AlreadyTaken, NotAnswered, Refused, Taken
from infra.mpesa.pulled import PulledPage
from tests.conformance.mpesa.conftest import SETTINGS

PHONE = "254708374149"


def register(client, listener, response_type: str = "Completed"):
    return client.register_urls(
        confirmation_url=listener.at("confirmation"),
        validation_url=listener.at("validation"),
        response_type=response_type,
    )


def pay(simulator, *, phone: str = PHONE, amount: int = 150, account_number: str = "M001") -> dict:
    return simulator.post("payments", phone=phone, amount=amount, account_number=account_number)


@pytest.mark.parametrize(
    ("version", "form", "payer"),
    [
        (C2bVersion.V1, None, {"phone_sha256": phone_hash(PHONE)}),
        (C2bVersion.V2, None, {"masked_phone": "2547 ***** 149"}),
        (C2bVersion.V1, "plain", {"phone": PHONE}),
    ],
)
def test_a_payment_is_asked_about_and_told(client_for, simulator, listener, version, form, payer):
    assert isinstance(register(client_for(simulator.url, c2b_version=version), listener), Taken)
    simulator.post("paybill", number_form=form)
    listener.answer = {"ResultCode": "0", "ResultDesc": "Accepted", "ThirdPartyTransID": "ours"}
    receipt = pay(simulator)["receipt"]
    at_first, asked = listener.next_told()
    then, told = listener.next_told()
    assert (at_first, then) == ("validation", "confirmation")
    question, notice = read_c2b_notice(asked), read_c2b_notice(told)
    [row] = simulator.ledger()
    assert question.receipt_number == notice.receipt_number == receipt == row["receipt"]
    assert notice.amount_cents == question.amount_cents == 15_000
    assert notice.paid_at.isoformat() == row["paid_at"]
    assert (notice.short_code, notice.account_number) == (SETTINGS.short_code, "M001")
    assert notice.payer == question.payer == Payer(**payer, name=row["name"])
    assert (row["direction"], row["kind"]) == ("in", "paybill")
    assert b'"ThirdPartyTransID": "ours"' in told


def test_our_validation_can_refuse_and_then_no_money_moves(client, simulator, listener):
    register(client, listener)
    listener.answer = {"ResultCode": "C2B00012", "ResultDesc": "Rejected"}
    assert pay(simulator)["refusal_code"] == "C2B00012"
    assert simulator.ledger() == []
    assert listener.next_told()[0] == "validation"
    assert listener.told.empty()


@pytest.mark.parametrize(("response_type", "payments"), [("Completed", 1), ("Cancelled", 0)])
def test_silence_of_our_validation_is_what_we_registered(
    client, simulator, listener, response_type, payments
):
    register(client, listener, response_type)
    listener.silent.set()
    pay(simulator)
    assert len(simulator.ledger()) == payments


def test_without_validation_only_the_confirmation_comes(client, simulator, listener):
    register(client, listener)
    simulator.post("paybill", validates=False)
    pay(simulator)
    assert listener.next_told()[0] == "confirmation"


def test_nobody_registered_is_told_and_the_money_moves(simulator, listener):
    assert pay(simulator)["refusal_code"] is None
    assert len(simulator.ledger()) == 1


def test_production_takes_the_addresses_once(client, simulator, listener):
    simulator.post("paybill", registers_once=True)
    assert isinstance(register(client, listener), Taken)
    assert register(client, listener) == AlreadyTaken()


@pytest.mark.parametrize(
    ("behaviour", "confirmations"), [("no_confirmation", 0), ("confirmed_twice", 2)]
)
def test_a_confirmation_may_be_lost_or_doubled(
    client, simulator, listener, behaviour, confirmations
):
    register(client, listener)
    simulator.post("paybill", validates=False)
    simulator.set(behaviour, of="paybill")
    receipt = pay(simulator)["receipt"]
    for _ in range(confirmations):
        assert read_c2b_notice(listener.next()).receipt_number == receipt
    assert len(simulator.ledger()) == 1
    simulator.post(f"confirmations/{receipt}/resend")
    assert read_c2b_notice(listener.next()).receipt_number == receipt
    assert listener.bodies.empty()


def test_a_paid_push_may_have_a_twin_at_the_paybill(client, simulator, listener):
    register(client, listener)
    simulator.post("paybill", twin_percent=100)
    client.push(
        phone=PHONE,
        amount_shillings=150,
        account_reference="M001",
        description="Deposit",
        callback_url=listener.at("push"),
    )
    told = dict(listener.next_told() for _ in range(2))
    push, notice = read_stk_callback(told["push"]), read_c2b_notice(told["confirmation"])
    assert push.payment.receipt_number == notice.receipt_number
    assert (notice.account_number, notice.amount_cents) == ("M001", 15_000)
    assert len(simulator.ledger()) == 1


def test_what_was_not_told_can_be_pulled_a_page_at_a_time(client, simulator, listener):
    receipts = [
        pay(simulator, amount=100 + number, account_number=f"M00{number}")["receipt"]
        for number in range(3)
    ]
    pages = [pull(client, offset=offset) for offset in (0, 2, 4)]
    assert [page.told for page in pages] == [2, 1, 0]
    pulled = [each for page in pages for each in page.transactions]
    assert [each.receipt_number for each in pulled] == receipts
    assert [each.amount_cents for each in pulled] == [10_000, 10_100, 10_200]
    assert [each.account_number for each in pulled] == ["M000", "M001", "M002"]
    assert {each.payer for each in pulled} == {Payer(phone=PHONE)}
    assert pulled[0].paid_at.isoformat() == simulator.ledger()[0]["paid_at"]


def test_a_payout_is_not_pulled_and_nor_is_what_lies_outside(client, simulator, listener):
    client.pay_out(
        originator_conversation_id="p-1",
        phone=PHONE,
        amount_shillings=100,
        remarks="Loan",
        occasion="L001",
        result_url=listener.at("result"),
        timeout_url=listener.at("timeout"),
    )
    listener.next()
    assert pull(client).transactions == ()
    pay(simulator)
    assert pull(client, end=datetime.now(UTC) - timedelta(hours=1)).transactions == ()
    assert len(pull(client).transactions) == 1


def pull(client, *, end: datetime | None = None, offset: int = 0) -> PulledPage:
    now = datetime.now(UTC)
    page = client.pull(
        start=now - timedelta(hours=48), end=end or now + timedelta(minutes=1), offset=offset
    )
    assert isinstance(page, PulledPage)
    return page


@pytest.mark.parametrize("behaviour", ["html_503", "html_200", "spike_arrest", "request_lost"])
def test_nothing_is_learnt_from_an_unclear_pull(client, simulator, behaviour):
    simulator.set(behaviour, of="pull")
    now = datetime.now(UTC)
    assert isinstance(client.pull(start=now, end=now, offset=0), NotAnswered)


def test_the_wish_to_pull_is_made_once(client, listener):
    assert isinstance(client.register_pull(phone=PHONE, callback_url=listener.url), Taken)
    assert client.register_pull(phone=PHONE, callback_url=listener.url) == AlreadyTaken()


def test_addresses_that_safaricom_forbids_are_not_registered(client, listener):
    refused = client.register_urls(
        confirmation_url="https://daystar.example/c2b-query",
        validation_url=listener.url,
        response_type="Completed",
    )
    assert isinstance(refused, Refused)
    assert "query" in refused.reason
