"""A rebuild that is killed outright, at each of its steps: the live read model serves on.

Where the rebuild stands when it is killed is settled by locks that the test holds, not by time.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.support.running_house import CONTRIBUTIONS, RunningHouse
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes as Linux shows them"),
]
MODEL = "contributions"
TABLE = f"read_{MODEL}.contributions"
_BATCHES = "4803223, hashtext(%s)"  # the lock that each batch and each swap takes
_HELD_UP = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'daystar-rebuild' AND wait_event_type = 'Lock' AND wait_event = %s
"""
_HERE = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'daystar-rebuild'"
_LEFT = "SELECT nspname FROM pg_namespace WHERE nspname ~ '^(shadow|old)_' ORDER BY 1"
_MARK = "SELECT to_regclass(%s)::oid"


class Hand:
    """Holds a rebuild up at the step one wants to look at."""

    def __init__(self, house: RunningHouse) -> None:
        self.house = house
        self.owner = house.owner()
        self.table_holder = house.owner()

    def close(self) -> None:
        self.owner.close()
        self.table_holder.close()

    def hold_batches(self) -> None:
        self.owner.execute(f"SELECT pg_advisory_lock({_BATCHES})", (MODEL,))

    def let_batches_go(self) -> None:
        self.owner.execute(f"SELECT pg_advisory_unlock({_BATCHES})", (MODEL,))

    def hold_table(self, mode: str) -> None:
        self.table_holder.execute(f"BEGIN; LOCK TABLE {TABLE} IN {mode} MODE")

    def let_table_go(self) -> None:
        self.table_holder.rollback()

    def await_held_up(self, what: str) -> None:
        eventually(lambda: self.owner.execute(_HELD_UP, (what,)).fetchone() != (0,))

    def left(self) -> list[str]:
        return [row[0] for row in self.owner.execute(_LEFT).fetchall()]

    def live(self) -> int:
        """Which table it is that serves under the live name."""
        return self.owner.execute(_MARK, (TABLE,)).fetchone()[0]


@pytest.fixture
def hand(house: RunningHouse) -> Iterator[Hand]:
    made = Hand(house)
    yield made
    made.close()


def to_comparing(hand: Hand) -> None:
    hand.hold_table("ACCESS EXCLUSIVE")
    hand.let_batches_go()
    hand.await_held_up("relation")


def to_the_swap(hand: Hand) -> None:
    hand.hold_batches()
    hand.let_table_go()
    hand.await_held_up("advisory")


def to_the_drop(hand: Hand) -> None:
    hand.hold_table("ACCESS SHARE")  # as somebody does who still reads
    hand.let_batches_go()
    hand.await_held_up("relation")


STEPS = {
    "filling": (),
    "comparing": (to_comparing,),
    "just before the swap": (to_comparing, to_the_swap),
    "just after the swap": (to_comparing, to_the_swap, to_the_drop),
}


@contextmanager
def held_rebuild(hand: Hand, step: str) -> Iterator[subprocess.Popen[str]]:
    """A rebuild that stands at this step, and could go on when the block ends."""
    with ExitStack() as ending:
        hand.hold_batches()
        process = hand.house.beginning("rebuild", MODEL, "--yes")
        ending.callback(process.communicate, timeout=30)
        ending.callback(process.kill)
        ending.callback(hand.let_table_go)
        ending.callback(hand.owner.execute, "SELECT pg_advisory_unlock_all()")
        hand.await_held_up("advisory")
        for go_on in STEPS[step]:
            go_on(hand)
        yield process


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
        eventually(lambda: hand.owner.execute(_HERE).fetchone() == (0,), within=10, what=gone)
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
