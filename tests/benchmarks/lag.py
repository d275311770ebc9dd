"""From an append's return to the row's being seen in the read model, at a steady rate."""

from __future__ import annotations

import multiprocessing
import sys
import threading
import time
from multiprocessing.synchronize import Event
from pathlib import Path
from uuid import UUID, uuid4

from app.wiring import Services
from domain.contributions.account import MemberAccount
from domain.contributions.rules import ContributionType, PaymentMethod
from domain.dates import business_day
from domain.identities import account_id
from infra import clock
from infra.event_store.unit_of_work import UnitOfWork
from infra.settings import read_settings
from tests.benchmarks.figures import Figure
from tests.benchmarks.house import CAUSE, make_members, processes

EVENTS_A_SECOND = 500
SECONDS = 30
WRITERS = 4
MEMBERS = 1_000
TARGET_MILLISECONDS = 100
_POLL_SECONDS = 0.002

_NEW_ROWS = """
SELECT position FROM read_contributions.contributions
WHERE contribution_date = %s AND position > %s ORDER BY position
"""


def measure(services: Services, *, port: int, data_directory: Path) -> list[Figure]:
    """Rows are looked for every two milliseconds; what that adds is in the figure."""
    members = make_members(services, MEMBERS)
    services.follower().catch_up()
    context = multiprocessing.get_context("spawn")
    done = context.Event()
    with (
        processes(port, [["web"], ["follow"]], data_directory=data_directory),
        context.Pool(1) as pool,
    ):
        appending = pool.apply_async(_append_steadily, (members,))
        watched = threading.Thread(target=lambda: (appending.wait(), done.set()))
        watched.start()
        seen = _watch(services, done)
        appended = appending.get()
        watched.join()
    assert len(appended) == EVENTS_A_SECOND * SECONDS
    lags = sorted((seen[position] - moment) * 1000 for position, moment in appended.items())
    begun, ended = min(appended.values()), max(appended.values())
    rate = len(appended) / (ended - begun)
    print(f"  {rate:,.0f} appends a second, worst lag {lags[-1]:.0f} ms", file=sys.stderr)
    assert rate > 0.97 * EVENTS_A_SECOND, "the writers kept their pace"
    return [
        Figure(
            f"from append to read model at {EVENTS_A_SECOND} events/s, {name} ms",
            lags[int(len(lags) * share)],
            TARGET_MILLISECONDS,
            lags[int(len(lags) * share)] / TARGET_MILLISECONDS,
            f"below {TARGET_MILLISECONDS} ms",
            lags[int(len(lags) * share)] < TARGET_MILLISECONDS,
        )
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]


def _watch(services: Services, done: Event) -> dict[int, float]:
    """When each row was first seen."""
    seen: dict[int, float] = {}
    today = business_day(clock.now())
    last = 0
    with services.pool.connection() as connection:
        while True:
            finished = done.is_set()
            rows = connection.execute(_NEW_ROWS, (today, last), prepare=True).fetchall()
            moment = time.monotonic()
            for (position,) in rows:
                seen[position] = moment
                last = position
            if finished and len(seen) >= EVENTS_A_SECOND * SECONDS:
                return seen
            time.sleep(_POLL_SECONDS)


def _append_steadily(members: list[UUID]) -> dict[int, float]:
    """Contributions, one a commit. Answers each one's position and when its append returned."""
    services = Services(read_settings())
    assert services.store is not None, "opened before the writers start"
    appended: dict[int, float] = {}
    begun = time.monotonic() + 1.0
    threads = [
        threading.Thread(target=_write, args=(services, members, number, begun, appended))
        for number in range(WRITERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    services.close()
    return appended


def _write(
    services: Services, members: list[UUID], number: int, begun: float, appended: dict[int, float]
) -> None:
    today = business_day(clock.now())
    mine = members[number::WRITERS]
    for index in range(number, EVENTS_A_SECOND * SECONDS, WRITERS):
        pause = begun + index / EVENTS_A_SECOND - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        unit = UnitOfWork(services.store, CAUSE)
        account = unit.get(MemberAccount, account_id(mine[index // WRITERS % len(mine)]))
        account.receive(
            contribution_id=uuid4(),
            contribution_type=ContributionType.MONTHLY,
            amount_cents=2_000_00,
            payment_method=PaymentMethod.CHECK_OFF,
            payment_reference=f"PAYROLL-{index}",
            contributed_on=today,
        )
        unit.save(account)
        position = unit.commit()
        assert position is not None
        appended[position] = time.monotonic()
