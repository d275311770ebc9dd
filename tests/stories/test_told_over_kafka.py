"""A subscriber is told of everything over a Kafka of the house's own, whatever is killed meanwhile.

Then the house is started without Kafka, and goes on where it was.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import defaultdict
from contextlib import suppress

import pytest

from tests.support.ports import free_port
from tests.support.receiver import answer, first_then, hang_up, receiving
from tests.support.running_house import RunningHouse, end
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes as Linux shows them"),
]
WEBHOOKS = "/daystar-accounting/v1/webhooks"
RECOVERED_SECONDS_MAX = 90.0
MEMBERS = 4


@pytest.fixture
def house(tmp_path, kafka_jars):
    house = RunningHouse(
        tmp_path / "house",
        DAYSTAR_KAFKA_PORT=str(free_port()),
        DAYSTAR_WEBHOOKS_NETWORKS="127.0.0.1/32",
    )
    try:
        yield house
    finally:
        end(house)


class Business:
    """Members who pay in, and what a subscriber is to hear of it, in order."""

    def __init__(self, house):
        self._house = house
        self.members = [house.register(number) for number in range(MEMBERS)]
        self.paid = defaultdict(list)

    def goes_on(self, rounds):
        for _ in range(rounds):
            for member_id in self.members:
                body = {
                    "member_id": str(member_id),
                    "amount": "1000.00",
                    "contribution_type": "monthly",
                    "payment_method": "cash",
                    "payment_reference": f"R{len(self.paid[str(member_id)])}",
                }
                told = self._house.post("/daystar/v1/contributions", body)
                assert told.status_code == 201, told.text
                self.paid[str(member_id)].append(told.json()["id"])

    @property
    def events(self):
        return sum(map(len, self.paid.values()))


def first_told(receiver):
    """What each delivery said when it was first taken, by its id, in the order they came."""
    taken = {}
    for told in list(receiver.told):
        taken.setdefault(told.webhook_id, told.words)
    return taken


def check(receiver, business):
    """Each event once, under one id, in order per subject, and counted without a hole."""
    words = list(first_told(receiver).values())
    heard = defaultdict(list)
    for said in words:
        heard[said["subject"]].append(said["data"]["id"])
    assert heard == business.paid
    assert sorted(said["sequence"] for said in words) == list(range(1, len(words) + 1))


def kill(process_id):
    with suppress(ProcessLookupError):
        os.kill(process_id, signal.SIGKILL)


def test_whatever_is_killed_or_exchanged_a_subscriber_is_told_of_everything(house):
    with receiving() as receiver:
        house.start("--kafka")
        told = house.post(
            WEBHOOKS,
            {
                "url": receiver.url(),
                "events": ["contribution.received"],
                "secret": "a secret of the ledger, 2026",
            },
        )
        assert told.status_code == 201, told.text
        business = Business(house)
        business.goes_on(2)
        eventually(
            lambda: len(first_told(receiver)) >= business.events, within=RECOVERED_SECONDS_MAX
        )
        receiver.answering = first_then(hang_up, answer(503), answer(200))
        for name in ("relay", "consume webhooks", "send webhooks"):
            business.goes_on(1)
            kill(house.children()[name])
            business.goes_on(1)
        kill(house.broker())
        business.goes_on(2)
        eventually(
            lambda: len(first_told(receiver)) >= business.events,
            within=RECOVERED_SECONDS_MAX,
            what=lambda: f"{len(first_told(receiver))} of {business.events}: {house.log_tail()}",
        )
        check(receiver, business)
        assert "webhooks             kafka" in house.command("status").stdout

        house.stop()
        came = len(receiver.told)
        house.start()
        business.goes_on(2)
        eventually(
            lambda: len(first_told(receiver)) >= business.events, within=RECOVERED_SECONDS_MAX
        )
        check(receiver, business)
        assert len(receiver.told) == came + 2 * MEMBERS, "nothing is told again unasked"
        assert "webhooks             log" in house.command("status").stdout
