"""Two hundred payments while every process in turn is killed, and PostgreSQL too.

Safaricom's stand-in runs beside the house, as Safaricom does, and is not killed: its ledger is the
truth about the money.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests

from infra.mpesa.simulator.push_behaviours import BEHAVIOURS
from tests.stories.reckoning import (
    check_books_equal,
    check_every_shilling,
    check_members_balances,
    check_pushes,
    check_read_models_equal_a_rebuild,
    settled_ledger,
    tell_everything,
)
from tests.support.running_house import PROJECT, RunningHouse, end, push_body
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes as Linux shows them"),
]
PUSHES = 200
CLIENTS = 8
PATIENCE = {
    "DAYSTAR_MPESA_ANSWER_SECONDS": "4",
    "DAYSTAR_MPESA_FIRST_QUERY_SECONDS": "2.5",
    "DAYSTAR_MPESA_FAILURE_QUERY_SECONDS": "1",
    "DAYSTAR_MPESA_QUERY_BACKOFF_SECONDS": "0.5,1,2",
    "DAYSTAR_MPESA_GIVE_UP_SECONDS": "300",
}
SIMULATED = {  # the simulator as a Safaricom of its own, not as a child of the house
    "DAYSTAR_ENV": "demo",
    "DAYSTAR_MPESA_CONSUMER_KEY": "simulator-consumer-key",
    "DAYSTAR_MPESA_CONSUMER_SECRET": "simulator-consumer-secret",
    "DAYSTAR_MPESA_SHORT_CODE": "174379",
    "DAYSTAR_MPESA_PASS_KEY": "simulator-pass-key",
}
# Every twentieth member's phone behaves so; the others simply pay.
BEHAVIOUR_OF = {
    1: "cancelled",
    3: "no_balance",
    5: "unreachable",
    7: "no_callback",
    9: "callback_twice",
    11: "callback_before_acknowledgement",
    13: "late_success",
    15: "acknowledgement_lost",
    16: "still_processing",
    17: "html_200",
    18: "token_killed",
    19: "request_lost",
}
NEVER_SAID = {
    "callback_failed",
    "callback_unreadable",
    "loop_died",
    "consumer_stopped",
    "item_rejected",
    "projection_stopped",
    "push_failed",
    "push_watch_failed",
    "unexpected_error",
}


@contextmanager
def safaricom(house: RunningHouse) -> Iterator[None]:
    with house.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "simulator"],
            cwd=PROJECT,
            env=house.environment
            | {"DAYSTAR_DATA_DIR": str(house.data_directory.parent / "safaricom")},
            stderr=log,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[RunningHouse]:
    made = RunningHouse(tmp_path / "var", **PATIENCE, **SIMULATED)
    made.environment["DAYSTAR_MPESA_BASE_URL"] = made.simulator_url
    with safaricom(made):
        try:
            made.start()
            yield made
        finally:
            end(made)


class Members:
    """Two hundred people who are asked to pay, by clients that do not give up."""

    def __init__(self, house: RunningHouse) -> None:
        self._house = house
        self._threads = ThreadPoolExecutor(CLIENTS)
        self._key = house.key
        self.ended = threading.Event()
        self.accepted: dict[UUID, dict[str, Any]] = {}  # by member
        self.retries = 0
        self._ids = list(self._threads.map(self._register, range(PUSHES)))
        self._asked: list[Future[None]] = []

    def _register(self, number: int) -> UUID:
        behaviour = BEHAVIOUR_OF.get(number % 20)
        tail = 9_900 + BEHAVIOURS[behaviour].number if behaviour else 1_000
        return self._house.register(number, phone=f"07{number:04d}{tail}")

    def begin_to_pay(self) -> None:
        self._asked = [
            self._threads.submit(self._ask, number, member_id)
            for number, member_id in enumerate(self._ids)
        ]

    def finish(self) -> None:
        for each in self._asked:
            each.result(timeout=120)
        self._threads.shutdown()

    def stop(self) -> None:
        self.ended.set()
        self._threads.shutdown(cancel_futures=True)

    def _ask(self, number: int, member_id: UUID) -> None:
        """Ask once, however often it has to be said: always with the same Idempotency-Key."""
        key, amount = uuid4().hex, f"{1_000 + number}.00"
        while not self.ended.wait(0.8):  # a pace at which the pushes last as long as the kills
            answer = None
            with suppress(requests.RequestException):
                answer = requests.post(
                    f"{self._house.url}/daystar/v1/mpesa/stk-push",
                    json=push_body(member_id, amount),
                    headers={"X-API-Key": self._key, "Idempotency-Key": key},
                    timeout=10,
                )
            if answer is not None and answer.status_code == 202:
                self.accepted[member_id] = answer.json()
                return
            self.retries += 1
            if answer is not None and answer.status_code < 500:
                assert answer.json()["code"] == "idempotency_key_in_flight", answer.text


class Repeater:
    """Safaricom tells every fourth payment again and again, while all the rest goes on."""

    def __init__(self, house: RunningHouse) -> None:
        self._house = house
        self._stop = threading.Event()
        self.told = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.2):
            for row in self._house.ledger()[::4][-10:]:
                self._house.resend(row["checkout_request_id"])
                self.told += 1


def kill(process_id: int | None) -> None:
    assert process_id is not None
    os.kill(process_id, signal.SIGKILL)


def kill_each_in_turn(house: RunningHouse, members: Members) -> None:
    """Kill, wait until it runs again and payments come in again, and go on to the next."""

    def killed(what: str, find: Callable[[], int | None]) -> None:
        known = eventually(find, what=f"{what} does not run")
        kill(known)
        eventually(
            lambda: find() not in (None, known), within=30, what=f"{what} was not started again"
        )
        so_far = len(members.accepted)
        eventually(
            lambda: len(members.accepted) >= min(so_far + 5, PUSHES),
            within=45,
            what=f"no payments after {what} was killed: {house.log_tail()}",
        )

    def child(name: str) -> Callable[[], int | None]:
        return lambda: house.children().get(name)

    for number in range(2):
        killed(f"web worker {number}", lambda number=number: _sorted_worker(house, number))
    for name in ("send mpesa", "intake", "web", "follow", "send mpesa", "schedule"):
        killed(name, child(name))
    for name in ("consume webhooks", "send webhooks"):
        killed(name, child(name))
    killed("postgres", house.postmaster)
    for name in ("intake", "web"):
        killed(name, child(name))


def _sorted_worker(house: RunningHouse, number: int) -> int | None:
    workers = sorted(house.web_workers())
    return workers[number] if len(workers) == 2 else None


def kill_supervisor_and_start_again(house: RunningHouse) -> None:
    house.kill_supervisor()
    begun = time.monotonic()
    eventually(lambda: not house.processes(), within=40, what="orphans remain")
    print(f"\nall ended {time.monotonic() - begun:.1f} s after their supervisor")  # noqa: T201
    house.start()


def test_no_shilling_is_lost_or_posted_twice_while_everything_is_killed(house):
    members = Members(house)
    before = house.children()
    members.begin_to_pay()
    repeater = Repeater(house)
    try:
        eventually(lambda: len(members.accepted) >= 10)
        kill_each_in_turn(house, members)
        assert not set(before.values()) & set(house.children().values()), "all were started again"
        kill_supervisor_and_start_again(house)
        members.finish()
    finally:
        members.stop()
        repeater.stop()

    with house.services() as services:
        ledger = settled_ledger(house, services)
        assert len(members.accepted) == PUSHES
        check_pushes(house, services, members.accepted)
        untold = check_every_shilling(house, services, ledger)
        print(  # noqa: T201
            f"\n{members.retries} retries, {repeater.told} callbacks told again,"
            f" {len(ledger)} payments, untold: {untold}"
        )
        tell_everything(house, ledger)
        check_books_equal(services, ledger)
        head = services.store.log.max_notification_id()
        tell_everything(house, ledger)
        assert services.store.log.max_notification_id() == head, "told again, and nothing more"
        check_members_balances(house, members_min=PUSHES)
        check_read_models_equal_a_rebuild(house, services)
    said = set(re.findall(r'"event":"(\w+)"', house.log.read_text()))
    assert not said & NEVER_SAID
    assert house.get("/readyz").json()["status"] == "ready"
    assert set(house.children()) == set(before)
    assert house.stop() == 0
    assert house.processes() == []
    assert house.postmaster() is None
