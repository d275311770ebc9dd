"""Payouts handed to a simulated Safaricom over HTTP, however it behaves: sent once, and settled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.wiring import Services
from consumers.mpesa.due_requests import DueRequest
from domain.identities import receipt_id, reversal_id, short_code_id
from domain.mpesa.desk import ConfirmProposal, ProposeReversal
from domain.mpesa.payout import Payout
from domain.mpesa.payout_lane import PayoutLane, ResumeLane
from domain.mpesa.receipt import Receipt
from infra import clock
from infra.event_store.unit_of_work import UnitOfWork
from infra.mpesa.credentials import PAY_BILL, Credentials, Initiator
from infra.mpesa.payout_settings import PayoutPatience, PayoutSettings
from infra.mpesa.simulator.certificate import INITIATOR_NAME, INITIATOR_PASSWORD
from tests.conformance.mpesa.conftest import (
    SETTINGS,
    Simulator,
    served,
    simulated_key,
    simulating,
)
from tests.integration.http.house import House, open_house
from tests.support import payout_states as told
from tests.support.co_operative import CAUSE
from tests.support.databases import Databases
from tests.support.waiting import eventually

ROUNDS_MAX = 12
LANE = short_code_id(SETTINGS.short_code)
WHAT_BECOMES_OF_IT = {
    "success": "succeeded",
    "result_twice": "succeeded",
    "result_before_acknowledgement": "succeeded",
    "no_result": "succeeded",
    "timeout_then_success": "succeeded",
    "enveloped_timeout_then_success": "succeeded",
    "timeout_only": "succeeded",
    "acknowledgement_lost": "succeeded",
    "busy_though_taken": "succeeded",
    "token_killed": "succeeded",
    "spike_arrest": "succeeded",
    "internal_failure_though_done": "succeeded",
    "no_float": "failed",
    "wrong_credential": "failed",
    "unregistered": "failed",
    "receiver_is_full": "failed",
    "failed_untold": "failed",
    "internal_failure": "failed",
    "request_lost": "review",
    "html_503": "review",
    "html_200": "review",
    "internal_error": "review",
    "empty_error": "review",
    "soap_fault": "review",
    "unclear_status": "review",
    "failure_told_before_success": "succeeded",
    "failure_told_after_success": "review",
}
LEFT_THOUGH_UNDER_REVIEW = {
    "unclear_status",
    "failure_told_after_success",
}


@dataclass
class Town:
    """Our house, and a Safaricom it talks to. The processes are run by hand, a step at a time."""

    house: House
    simulator: Simulator

    @property
    def services(self) -> Services:
        return self.house.services

    def state(self, payout: UUID) -> str:
        return str(self.house.co_operative.load(Payout, payout).state)

    def work(self, payout: UUID, *, until: str) -> None:
        """Let every process of ours do its part until it stands so."""
        for _ in range(ROUNDS_MAX):
            self.take_in()
            state = self.state(payout)
            if state == until:
                return
            callbacks = self._callbacks()
            if state in ("requested", "held"):
                self.services.payout_sender().send(payout)
            elif state in ("accepted", "in_doubt", "sending"):
                self._ask(payout, "doubt" if state == "sending" else "verify")
            with suppress(AssertionError):  # it may say nothing
                eventually(lambda seen=callbacks: self._callbacks() > seen, within=0.5)
        self.take_in()
        assert self.state(payout) == until

    def take_in(self) -> None:
        while self.services.intake().work_once():
            pass
        self.house.follow()

    def left(self, payout: UUID) -> list[dict[str, Any]]:
        """What Safaricom's own books say of it."""
        ours = str(payout)
        return [row for row in self.simulator.ledger() if row["originator_conversation_id"] == ours]

    def _ask(self, payout: UUID, action: str) -> None:
        due = DueRequest(payout, clock.now(), 1)
        self.services.payout_watch().do(due, action, CAUSE)

    def _callbacks(self) -> int:
        return self.house.count("intake.callbacks")


@pytest.fixture(scope="module")
def town(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """One for the whole file: its payouts are of different members."""
    key, directory = simulated_key(), tmp_path_factory.mktemp("town")
    with (
        databases.fresh() as url,
        simulating(replace(SETTINGS, private_key_pem=key)) as simulator,
        open_house(url, directory, mpesa=_credentials(simulator, key)) as house,
        served(house.app) as address,
    ):
        patience = PayoutPatience(review_seconds=3_600.0)
        house.services.settings = replace(
            house.services.settings, public_url=address, payouts=PayoutSettings(patience=patience)
        )
        yield Town(house, simulator)


def _credentials(simulator: Simulator, key_and_certificate: str) -> Credentials:
    return Credentials(
        name="town",
        base_url=simulator.url,
        consumer_key=SETTINGS.consumer_key,
        consumer_secret=SETTINGS.consumer_secret,
        short_code=SETTINGS.short_code,
        pass_key=SETTINGS.pass_key,
        transaction_type=PAY_BILL,
        party_b=SETTINGS.short_code,
        initiator=Initiator(
            name=INITIATOR_NAME,
            password=INITIATOR_PASSWORD,
            certificate_pem=key_and_certificate,
        ),
    )


@pytest.fixture
def payout(town: Town) -> UUID:
    """1,000 of a member's deposits, on their way."""
    _resumed(town)
    return told.refunded(town.house.co_operative, short_code=SETTINGS.short_code, now=clock.now())


def _resumed(town: Town) -> None:
    lane = UnitOfWork(town.services.store, CAUSE).find(PayoutLane, LANE)
    if lane is not None and lane.is_stopped:
        town.house.co_operative.dispatch(ResumeLane(SETTINGS.short_code, "test", clock.now()))


@pytest.mark.parametrize(("behaviour", "becomes"), WHAT_BECOMES_OF_IT.items())
def test_however_safaricom_behaves_it_is_sent_once_and_settled(town, payout, behaviour, becomes):
    town.simulator.set(behaviour, of="payout")
    town.work(payout, until=becomes)
    has_left = becomes == "succeeded" or behaviour in LEFT_THOUGH_UNDER_REVIEW
    assert len(town.left(payout)) == has_left


def test_a_refused_credential_stops_the_lane_before_the_next_payout_is_sent(town, payout):
    town.simulator.set("wrong_credential", of="payout")
    town.work(payout, until="failed")
    waiting = told.refunded(
        town.house.co_operative, short_code=SETTINGS.short_code, now=clock.now()
    )
    for _ in range(3):
        town.services.payout_sender().send(waiting)
    held = town.house.co_operative.load(Payout, waiting)
    assert (held.state, held.held_because) == ("held", "lane_stopped")
    assert town.left(waiting) == []
    _resumed(town)
    town.work(waiting, until="succeeded")


def test_a_payout_beyond_the_float_waits_until_it_is_topped_up(town, payout):
    accounts = town.simulator.accounts()
    spare = accounts["utility"] - 1_000
    town.simulator.post("top-up", amount=-spare)
    town.house.owner.execute("DELETE FROM mpesa.balance_questions")
    town.house.owner.execute("UPDATE read_payouts.lanes SET told_at = now() - interval '1 hour'")
    town.work(payout, until="held")
    for _ in range(2):
        town.services.payout_sender().send(payout)
        town.take_in()
    assert town.house.co_operative.load(Payout, payout).held_because == "float_too_low"
    town.simulator.post("top-up", amount=spare)
    town.house.owner.execute("DELETE FROM mpesa.balance_questions")
    town.house.owner.execute("UPDATE read_payouts.lanes SET told_at = now() - interval '1 hour'")
    town.work(payout, until="succeeded")


@pytest.mark.parametrize(
    ("behaviour", "becomes"),
    [("success", "succeeded"), ("no_result", "succeeded"), ("no_float", "failed")],
)
def test_a_receipt_is_given_back_by_reversing_it(town, behaviour, becomes):
    _resumed(town)
    co_operative = town.house.co_operative
    paid = town.simulator.post(
        "payments", phone="254712345678", amount=750, account_number="NOBODY"
    )
    number = paid["receipt"]
    co_operative.told(
        number, "NOBODY", amount_cents=750_00, short_code=SETTINGS.short_code, now=clock.now()
    )
    at_the_desk = {"receipt_id": receipt_id(number), "proposal_id": uuid4(), "now": clock.now()}
    maker, checker = co_operative.principal(), co_operative.principal()
    co_operative.dispatch(ProposeReversal(**at_the_desk, principal_id=maker, note="asked for it"))
    co_operative.dispatch(ConfirmProposal(**at_the_desk, principal_id=checker, pays_from=None))
    town.simulator.set(behaviour, of="reversal")
    town.work(reversal_id(number), until=becomes)
    receipt = co_operative.load(Receipt, receipt_id(number))
    given_back = 750_00 if becomes == "succeeded" else 0
    assert (receipt.reversed_cents, receipt.suspended_cents) == (given_back, 750_00 - given_back)
    reversed_ = [row for row in town.simulator.ledger() if row["reverses"] == number]
    assert len(reversed_) == (becomes == "succeeded")
