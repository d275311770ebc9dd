"""Rebuilds held up at the step one wants to look at: by locks, not by time."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.support.running_house import RunningHouse
from tests.support.waiting import eventually

_BATCHES = "4803223, hashtext(%s)"  # the lock that each batch and each swap takes
_HELD_UP = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'daystar-rebuild' AND wait_event_type = 'Lock' AND wait_event = %s
"""
_HERE = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'daystar-rebuild'"
_LEFT = "SELECT nspname FROM pg_namespace WHERE nspname ~ '^(shadow|old)_' ORDER BY 1"
_MARK = "SELECT to_regclass(%s)::oid"


class Hand:
    """Holds one read model's batches, and so its rebuilds, and its table of the same name."""

    def __init__(self, house: RunningHouse, model: str) -> None:
        self.house = house
        self.model = model
        self.table = f"read_{model}.{model}"
        self.owner = house.owner()
        self.table_holder = house.owner()

    def close(self) -> None:
        self.owner.close()
        self.table_holder.close()

    def hold_batches(self) -> None:
        self.owner.execute(f"SELECT pg_advisory_lock({_BATCHES})", (self.model,))

    def let_batches_go(self) -> None:
        self.owner.execute(f"SELECT pg_advisory_unlock({_BATCHES})", (self.model,))

    def hold_table(self, mode: str) -> None:
        self.table_holder.execute(f"BEGIN; LOCK TABLE {self.table} IN {mode} MODE")

    def let_table_go(self) -> None:
        self.table_holder.rollback()

    def await_held_up(self, what: str) -> None:
        eventually(lambda: self.owner.execute(_HELD_UP, (what,)).fetchone() != (0,))

    def is_gone(self) -> bool:
        """Whether the server, too, has stopped working for the rebuild."""
        return self.owner.execute(_HERE).fetchone() == (0,)

    def left(self) -> list[str]:
        return [row[0] for row in self.owner.execute(_LEFT).fetchall()]

    def live(self) -> int:
        """Which table it is that serves under the live name."""
        return self.owner.execute(_MARK, (self.table,)).fetchone()[0]


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
        process = hand.house.beginning("rebuild", hand.model, "--yes")
        ending.callback(process.communicate, timeout=30)
        ending.callback(process.kill)
        ending.callback(hand.let_table_go)
        ending.callback(hand.owner.execute, "SELECT pg_advisory_unlock_all()")
        hand.await_held_up("advisory")
        for go_on in STEPS[step]:
            go_on(hand)
        yield process
