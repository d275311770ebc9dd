"""Fills an empty demo database with an invented history.

Processes make and seal the histories of some members at a time; this one appends them, always in
the same order, so that the same plan gives the same log.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import chain

from app.demo_data.lenders import Lenders, lenders
from app.demo_data.life import Plan, live
from app.demo_data.memory import MemoryStore, SavedUnit
from app.demo_data.people import PEOPLE_MAX
from app.demo_data.sealing import commits
from app.wiring import Services
from domain.errors import BrokenRule
from infra.event_store.dispatch import dispatch
from infra.event_store.log import Commit
from infra.event_store.unit_of_work import Cause
from infra.settings import Settings

MEMBERS_MAX = PEOPLE_MAX
MONTHS_MAX = 240
SLICE_MEMBERS = 20
SLICES_WAITING_MAX = 8  # made and not yet appended: what bounds the memory
_ANY_MEMBER = """
SELECT EXISTS (SELECT FROM event_store.events WHERE topic = 'member.registered')
"""
_DRAW_NUMBERS = """
SELECT min(number) FROM (SELECT nextval('members.member_number') AS number
                         FROM generate_series(1, %s)) drawn
"""


class NotEmpty(BrokenRule):
    """This database has members already; invented ones are added to an empty one only."""

    code = "database_not_empty"


class NotADemo(BrokenRule):
    """This is production (DAYSTAR_ENV): nothing is invented here."""

    code = "not_a_demo"


def check_fillable(services: Services) -> None:
    """Raises NotADemo, NotEmpty."""
    if not services.settings.is_demo:
        raise NotADemo
    with services.pool.connection() as connection:
        row = connection.execute(_ANY_MEMBER).fetchone()
    if row and row[0]:
        raise NotEmpty


def draw_numbers(services: Services, members: int) -> int:
    """Take so many member numbers, so that no later member gets one. Answers the first."""
    with services.pool.connection() as connection:
        row = connection.execute(_DRAW_NUMBERS, (members,)).fetchone()
    assert row is not None, "a sequence answers"
    first: int = row[0]
    return first


def histories(plan: Plan, indexes: range) -> Iterator[SavedUnit]:
    """What each command saved in the lives of some members. Pure: no database, no clock."""
    everybody = lenders(plan.seed)
    known = _lending_streams(everybody)
    for index in indexes:
        store = MemoryStore(known.streams)
        live(plan, index, everybody, store)
        yield from store.units


def fill(
    services: Services, plan: Plan, *, processes: int, report: Callable[[int, int], None]
) -> int:
    """Append the whole history; `report` is told of members and events. Answers the events.

    Raises:
        NotADemo, NotEmpty: nothing was changed.
    """
    check_fillable(services)
    cause = Cause("system:demo-data", f"demo-data/{plan.seed}")
    for command in lenders(plan.seed).commands:
        dispatch(services.store, command, cause)
    slices = [
        range(begin, min(begin + SLICE_MEMBERS, plan.members))
        for begin in range(0, plan.members, SLICE_MEMBERS)
    ]
    events = 0
    with ProcessPoolExecutor(
        processes,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin_worker,
        initargs=(services.settings, plan, cause),
    ) as pool:
        waiting: list[tuple[range, Future[list[Commit]]]] = []
        for indexes in chain(slices, [None] * SLICES_WAITING_MAX):
            if indexes is not None:
                waiting.append((indexes, pool.submit(_sealed, indexes)))
            if waiting and (len(waiting) >= SLICES_WAITING_MAX or indexes is None):
                made, future = waiting.pop(0)
                for commit in future.result():
                    services.store.log.append(commit)
                    events += len(commit.events)
                report(made.stop, events)
    return events


@dataclass
class _Worker:
    services: Services
    plan: Plan
    cause: Cause


_worker: list[_Worker] = []  # of this process; filled by its initializer


def _begin_worker(settings: Settings, plan: Plan, cause: Cause) -> None:
    _worker.append(_Worker(Services(settings, pool_size=1), plan, cause))


def _sealed(indexes: range) -> list[Commit]:
    """The commits of some members' histories, ready to be appended."""
    [worker] = _worker
    store = worker.services.store
    return list(
        commits(
            histories(worker.plan, indexes),
            worker.cause,
            mapper=store.mapper,
            keyring=store.keyring,
            made={},
        )
    )


def _lending_streams(everybody: Lenders) -> MemoryStore:
    store = MemoryStore()
    for command in everybody.commands:
        store.dispatch(command)
    return store
