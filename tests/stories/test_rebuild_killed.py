"""A rebuild that is killed outright, at each of its steps: the live read model serves on.

Where the rebuild stands when it is killed is settled by locks that the test holds, not by time.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import pytest

from tests.support.held_rebuild import STEPS, Hand, held_rebuild
from tests.support.running_house import CONTRIBUTIONS, RunningHouse
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes as Linux shows them"),
]
MODEL = "contributions"


@pytest.fixture
def hand(house: RunningHouse) -> Iterator[Hand]:
    made = Hand(house, MODEL)
    yield made
    made.close()


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
    again = house.command("rebuild", MODEL, "--yes")
    assert again.returncode == 0, again.stderr
    assert "equal" in again.stdout
    assert "DIFFERENT" not in again.stdout
    assert hand.left() == []
    assert house.get(CONTRIBUTIONS, per_page=100).json() == after
