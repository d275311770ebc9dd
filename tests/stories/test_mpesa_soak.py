"""Payments and payouts in a storm: at the end our books are Safaricom's, to the shilling.

`make soak-mpesa` runs SOAK_PAYMENTS operations (5,000); the suite runs a short form. Meanwhile
Safaricom's stand-in drops, doubles, delays, reorders and contradicts, and every process of ours is
killed again and again.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from infra import clock
from tests.stories.mpesa_books import MpesaBooks
from tests.stories.mpesa_day import (
    CREDENTIALS,
    IMPATIENCE,
    MIXES,
    SHORT_CODE,
    Day,
    ask_safaricom,
    house_beside_safaricom,
    safaricom,
)
from tests.stories.reckoning import check_read_models_equal_a_rebuild
from tests.stories.test_kills import kill
from tests.support.running_house import RunningHouse, end
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes as Linux shows them"),
]
OPERATIONS = int(os.environ.get("SOAK_PAYMENTS", "120"))
KILLED = ("intake", "send mpesa", "follow", "web", "schedule", "consume webhooks")
KILL_EVERY_SECONDS = 4.0
WELL_AFTER = timedelta(minutes=10)  # a pull leaves alone what may be on its way to us
SETTLE_SECONDS_MAX = 60 + OPERATIONS / 5


@pytest.fixture
def house(tmp_path: Path) -> Iterator[RunningHouse]:
    made = RunningHouse(tmp_path / "var", **IMPATIENCE, **CREDENTIALS)
    house_beside_safaricom(made)
    with safaricom(made):
        try:
            made.start()
            yield made
        finally:
            end(made)


class Killer:
    """Kills one process after another, the database now and then, and waits for its return."""

    def __init__(self, house: RunningHouse) -> None:
        self._house = house
        self._stop = threading.Event()
        self.killed: list[str] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """Once each has been killed: a short storm ends before its killer has gone round."""
        eventually(lambda: set(self.killed) >= set(KILLED), within=60)
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(KILL_EVERY_SECONDS):
            name = KILLED[number % len(KILLED)]
            process_id = self._house.children().get(name)
            number += 1
            if process_id is not None:
                kill(process_id)
                self.killed.append(name)
            if number % 12 == 0 and (server := self._house.postmaster()) is not None:
                kill(server)
                self.killed.append("postgres")


def prepare_safaricom(house: RunningHouse) -> None:
    told = house.command("mpesa", "register", SHORT_CODE)
    assert told.returncode == 0, told.stderr
    ask_safaricom(house, "top-up", amount=50_000_000)
    ask_safaricom(house, "paybill", number_form="hashed", twin_percent=40)
    for what, mix in MIXES.items():
        ask_safaricom(house, "behaviours", of=what, mix=mix)


def everything_told(house: RunningHouse) -> list[dict[str, Any]]:
    """Safaricom behaves from now on; what is late comes in; what nobody told is pulled."""
    requests.delete(f"{house.simulator_url}/simulator/behaviours", timeout=30)
    eventually(
        lambda: not MpesaBooks.open_work(house),
        within=SETTLE_SECONDS_MAX,
        every=0.5,
        what=lambda: f"still open: {MpesaBooks.open_work(house)}\n{house.log_tail()}",
    )
    with house.services() as services:
        services.reconciliation.pulling().pull(SHORT_CODE, by="test", now=clock.now() + WELL_AFTER)
    eventually(lambda: not MpesaBooks.open_work(house), within=SETTLE_SECONDS_MAX, every=0.5)
    eventually(lambda: house.get("/readyz").json()["status"] == "ready")
    return house.ledger()


def test_our_books_are_safaricoms_whatever_it_does_and_whoever_is_killed(house):
    prepare_safaricom(house)
    day = Day(house, operations=OPERATIONS)
    day.prepare()
    killer = Killer(house)
    try:
        day.begin()
        eventually(lambda: day.done >= OPERATIONS // 2, within=900)
        day.resolve_suspense()
        day.finish()
    finally:
        killer.stop()
        day.ended.set()
    day.ended.clear()

    everything_told(house)
    resolved = 0
    while found := day.resolve_suspense():
        resolved += found
        everything_told(house)
    reviewed = 0
    while found := day.settle_reviews(house.ledger()):
        reviewed += found
        everything_told(house)
    ledger = everything_told(house)

    with house.services() as services:
        books = MpesaBooks(services.store, ledger)
        books.check_money_in()
        books.check_money_out()
        print(  # noqa: T201
            f"\n{OPERATIONS} operations, {len(ledger)} movements, killed {len(killer.killed)},"
            f" {resolved} out of suspense, {reviewed} settled by persons,"
            f" refused: {sorted(set(day.refused))}\n{books}"
        )
        statement = house.data_directory.parent / "statement.csv"
        statement.write_bytes(
            requests.get(f"{house.simulator_url}/simulator/statement", timeout=30).content
        )
        imported = house.command("reconcile", "import", str(statement))
        print(imported.stdout, imported.stderr)  # noqa: T201
        assert imported.returncode == 0, imported.stderr
        cases = house.command("reconcile", "cases").stdout.splitlines()
        # What the bank brought in is no payment: it alone waits for two persons to say so.
        [top_up] = [row["receipt"] for row in ledger if row["kind"] == "top_up"]
        assert [case for case in cases if top_up not in case] == []
        head = services.store.log.max_notification_id()
        everything_told(house)
        assert books.events_that_move_money_after(head) == []
        check_read_models_equal_a_rebuild(house, services)
    assert house.stop() == 0
