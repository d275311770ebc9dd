"""Read models are rebuilt, and rebuilds killed, in a house at work: who asks sees nothing of it.

Some seconds in the suite; `make soak` makes them minutes.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests

from projections.read_models import READ_MODELS
from tests.stories.reckoning import (
    check_books_equal,
    check_members_balances,
    check_read_models_equal_a_rebuild,
    settled_ledger,
)
from tests.support.held_rebuild import STEPS, Hand, held_rebuild
from tests.support.meanwhile import going_on
from tests.support.running_house import (
    CONTRIBUTIONS,
    MEMBERS,
    RunningHouse,
    push_body,
    running_house,
)
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes as Linux shows them"),
]
SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "5"))
PAYERS = 4
LOANS = "/daystar-accounting/v1/loans"
REPAYMENTS = "/daystar-accounting/v1/repayments"
PULLED = (CONTRIBUTIONS, MEMBERS, LOANS, REPAYMENTS)
FORMATS = ("ndjson", "csv")
PUSH_PATH = "/daystar/v1/mpesa/stk-push"
_WARMING_REQUESTS = 40  # each connection of both workers' pools has prepared the lists by then
_FACTS = {
    CONTRIBUTIONS: """
        SELECT convert_from(state, 'UTF8')::jsonb ->> 'contribution_id', position
        FROM event_store.events WHERE topic = 'account.contribution-received'
    """,
    MEMBERS: "SELECT stream_id::text, position FROM event_store.events"
    " WHERE topic = 'member.registered'",
    LOANS: "SELECT stream_id::text, position FROM event_store.events WHERE topic = 'loan.applied'",
    REPAYMENTS: """
        SELECT convert_from(state, 'UTF8')::jsonb ->> 'repayment_id', position
        FROM event_store.events WHERE topic = 'loan.repayment-received'
    """,
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHouse]:
    with running_house(tmp_path_factory.mktemp("rebuilt") / "var") as running:
        yield running


@pytest.fixture
def hand(house: RunningHouse) -> Iterator[Hand]:
    made = Hand(house, "contributions")
    yield made
    made.close()


@dataclass
class Crowd:
    """Members who pay, and systems that pull whole lists, for as long as they may."""

    house: RunningHouse
    key: str
    counted: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, what: str) -> None:
        with self.lock:
            self.counted[what] += 1

    @property
    def has_done_enough(self) -> bool:
        """Whether what is to be shown has been put to the test at all."""
        wanted = ("rebuilds of all", "pulls of contributions", "exports", "repayments")
        return min(self.counted[each] for each in wanted) >= 2

    def session(self) -> requests.Session:
        session = requests.Session()
        session.headers["X-API-Key"] = self.key
        return session

    def ask(self, session: requests.Session, path: str, **parameters: Any) -> requests.Response:
        answer = session.get(self.house.url + path, params=parameters, timeout=20)
        assert answer.status_code == 200, answer.text
        self.note("requests")
        return answer

    def pay(self, member_id: UUID, stop: threading.Event) -> None:
        """Ask one member to pay, and again once they have."""
        with self.session() as session:
            while not stop.is_set():
                asked = session.post(
                    self.house.url + PUSH_PATH,
                    json=push_body(member_id),
                    headers={"Idempotency-Key": uuid4().hex},
                    timeout=20,
                )
                assert asked.status_code == 202, asked.text
                self.note("requests")
                self.note("pushes")
                path = asked.headers["Location"]

                def paid(path: str = path) -> bool:
                    return self.ask(session, path).json()["status"] == "succeeded"

                eventually(paid, within=60, every=0.05)

    def repay(self, loan_id: str, stop: threading.Event) -> None:
        """Pay on a loan at the counter, and undo it, so that the loan never ends."""
        path = f"/daystar/v1/loans/{loan_id}/repayments"
        while not stop.wait(0.1):
            paid = {"amount": "100.00", "payment_method": "cash", "payment_reference": uuid4().hex}
            answer = self.house.post(path, paid)
            assert answer.status_code == 201, answer.text
            undo = f"{path}/{answer.json()['repayment_id']}/reversal"
            undone = self.house.post(undo, {"reason": "typed twice"})
            assert undone.status_code == 200, undone.text
            self.note("repayments")

    def export(self, stop: threading.Event) -> None:
        """Fetch every list as a file, in every format: all of one moment, to the row."""
        with self.session() as session:
            for file_format, path in itertools.cycle(itertools.product(FORMATS, PULLED)):
                if stop.is_set():
                    break
                answer = self.ask(session, path, format=file_format)
                told = [row["id"] for row in rows_of(answer.text, file_format)]
                position = int(answer.headers["Daystar-Position"])
                stood = {row_id for row_id, at in self._facts(path).items() if at <= position}
                assert sorted(told) == sorted(stood), f"{path} as {file_format} at {position}"
                self.note("exports")

    def pull(self, path: str, stop: threading.Event) -> None:
        """Pull a whole list by cursor: all that stood before, each row once."""
        noun = path.rpartition("/")[2]
        with self.session() as session:
            while not stop.is_set():
                answer = self.ask(session, path, per_page=100)
                position = int(answer.headers["Daystar-Position"])
                told: list[str] = []
                while True:
                    page = answer.json()
                    told += [row["id"] for row in page[noun]]
                    cursor = page["pagination"]["next_cursor"]
                    if cursor is None:
                        break
                    answer = self.ask(session, path, per_page=100, cursor=cursor)
                self._check(path, told, position)
                self.note(f"pulls of {noun}")

    def _check(self, path: str, told: list[str], position: int) -> None:
        facts = self._facts(path)
        stood = {row_id for row_id, recorded in facts.items() if recorded <= position}
        assert len(told) == len(set(told)), "no row is told twice"
        assert stood <= set(told), "no row is missing"
        assert all(facts[row_id] > position for row_id in set(told) - stood), "none is invented"

    def _facts(self, path: str) -> dict[str, int]:
        """What the log says is in a list, each with the position of its event."""
        with self.house.owner() as owner:
            return dict(owner.execute(_FACTS[path]).fetchall())

    def rebuild(self, stop: threading.Event) -> None:
        """Rebuild every read model, over and over."""
        while not stop.is_set():
            done = self.house.command("rebuild", "--all", "--yes")
            assert done.returncode == 0, done.stderr
            tables = sum(len(model.keys) for model in READ_MODELS.values())
            assert done.stdout.count(" equal ") == tables, done.stdout
            self.note("rebuilds of all")


def rows_of(text: str, file_format: str) -> list[dict[str, Any]]:
    """The rows of an exported file."""
    if file_format == "csv":
        return list(csv.DictReader(io.StringIO(text, newline="")))
    return [json.loads(line) for line in text.splitlines()]


def test_nobody_notices_that_every_read_model_is_rebuilt_again_and_again(
    house: RunningHouse, hand: Hand
):
    crowd = Crowd(house, house.key)
    with crowd.session() as session:
        for _ in range(_WARMING_REQUESTS):
            for path in PULLED:
                cursor = crowd.ask(session, path, per_page=2).json()["pagination"]["next_cursor"]
                crowd.ask(session, path, per_page=2, cursor=cursor)
            session.close()  # the next connection may be the other worker's
    members = [house.register(number) for number in range(PAYERS)]
    paying = [lambda stop, payer=payer: crowd.pay(payer, stop) for payer in members]
    pulling = [lambda stop, path=path: crowd.pull(path, stop) for path in PULLED]
    loan = house.get(LOANS, status="active").json()["loans"][0]["id"]
    paying.append(lambda stop: crowd.repay(loan, stop))
    failed = threading.Event()
    with going_on(*paying, *pulling, crowd.export, crowd.rebuild, failed=failed):
        failed.wait(SOAK_SECONDS)
        eventually(lambda: failed.is_set() or crowd.has_done_enough, within=120)
    print(f"\nin {SOAK_SECONDS:.0f} s: {dict(crowd.counted)}")  # noqa: T201
    with house.services() as services:
        ledger = settled_ledger(house, services)
        assert len(ledger) >= crowd.counted["pushes"]
        check_books_equal(services, ledger)
        check_members_balances(house, members_min=PAYERS)
        check_read_models_equal_a_rebuild(house, services)
    if hand.left():  # an export still read it; the next rebuild, with nobody about, drops it
        assert house.command("rebuild", "--all", "--yes").returncode == 0
    assert hand.left() == []


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_rebuild_leaves_the_live_model_serving_and_the_next_one_cleans_up(
    house: RunningHouse, hand: Hand, step: str
):
    before = house.get(CONTRIBUTIONS, per_page=100).json()
    live = hand.live()
    with held_rebuild(hand, step) as process:
        assert (hand.live() == live) == (step != "just after the swap")
        process.kill()
        assert process.wait(timeout=10) == -signal.SIGKILL
        gone = "the server works on for somebody who is dead"
        eventually(hand.is_gone, within=10, what=gone)
    assert house.get(CONTRIBUTIONS, per_page=100).json() == before
    assert hand.left(), "something was left lying about"

    payer = house.register(900_000 + list(STEPS).index(step))
    house.push(payer, "1500.00")
    eventually(lambda: house.contributions(payer))
    after = house.get(CONTRIBUTIONS, per_page=100).json()
    again = house.command("rebuild", hand.model, "--yes")
    assert again.returncode == 0, again.stderr
    assert "equal" in again.stdout
    assert "DIFFERENT" not in again.stdout
    assert hand.left() == []
    assert house.get(CONTRIBUTIONS, per_page=100).json() == after
