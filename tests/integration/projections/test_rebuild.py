"""Rebuilding while the live read model serves: nobody notices, and nothing is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from domain.contributions.rules import PaymentMethod
from infra.event_store.personal_keys import PersonalKeys
from infra.event_store.reader import LogReader
from infra.event_store.unit_of_work import EventStore
from projections.contributions import CONTRIBUTION_LIST, CONTRIBUTIONS
from projections.filling import RebuildStopped
from projections.follower import pause, resume
from projections.members import MEMBER_LIST, MEMBERS
from projections.read_model import ReadModel
from projections.read_models import READ_MODELS
from projections.rebuild import AnotherRebuild, Comparison, Progress, Rebuild
from tests.support.co_operative import CoOperative
from tests.support.meanwhile import going_on

ROUNDS = 4

_EXPORT = """
SELECT (SELECT position FROM read_contributions.position), contribution_id
FROM read_contributions.contributions
"""
_RECEIVED_UNTIL = """
SELECT count(*) FROM event_store.events
WHERE topic = 'account.contribution-received' AND position <= %s
"""


def equal(comparison: Comparison) -> bool:
    return comparison.is_equal


def quietly(_: Progress) -> None:
    """Nobody watches."""


@pytest.fixture
def rebuild(owner_url: str, store: EventStore) -> Callable[..., Comparison]:
    def run(
        model: ReadModel,
        confirm: Callable[[Comparison], bool] = equal,
        report: Callable[[Progress], None] = quietly,
        cancelled: threading.Event | None = None,
    ) -> Comparison:
        reader = LogReader(store.pool, PersonalKeys(store.pool, store.keyring))
        work = Rebuild(
            owner_url, reader, model, report=report, cancelled=cancelled or threading.Event()
        )
        return work.run(confirm=confirm)

    return run


def schemas(owner_url: str) -> set[str]:
    with psycopg.connect(owner_url) as connection:
        rows = connection.execute("SELECT schema_name FROM information_schema.schemata").fetchall()
    return {row[0] for row in rows if row[0].partition("_")[0] in ("read", "shadow", "old")}


def live_tables(owner_url: str) -> list[tuple[str, int]]:
    """Every schema of a read model, whatever its name, and which one it is."""
    with psycopg.connect(owner_url) as connection:
        return connection.execute(
            "SELECT nspname, oid FROM pg_namespace WHERE nspname ~ '^(read|shadow|old)_' ORDER BY 1"
        ).fetchall()


@dataclass
class Clerks:
    """People and systems at work: paying, listing, exporting slowly."""

    co_operative: CoOperative
    pool: ConnectionPool
    owner_url: str
    lists: int = 0
    exports: int = 0

    def pay(self, stop: threading.Event) -> None:
        members = [self.co_operative.member() for _ in range(8)]
        while not stop.is_set():
            for member in members:
                self.co_operative.paid(self.co_operative.accepted_push(member))
                self.co_operative.contribution(member, payment_method=PaymentMethod.CASH)

    def ask(self, stop: threading.Event) -> None:
        while not stop.is_set():
            for listing in (MEMBER_LIST, CONTRIBUTION_LIST):
                listing.page(self.pool, page=1, per_page=100, filters={})
                self.lists += 1

    def export(self, stop: threading.Event) -> None:
        with psycopg.connect(self.owner_url, autocommit=True) as connection:
            while not stop.is_set():
                with connection.transaction(), connection.cursor("export") as cursor:
                    cursor.execute(_EXPORT)
                    rows = cursor.fetchmany(5)
                    time.sleep(0.05)  # a slow reader, while names change under it
                    rows += cursor.fetchall()
                self.exports += 1
                if rows:
                    counted = connection.execute(_RECEIVED_UNTIL, (rows[0][0],)).fetchone()
                    assert counted is not None
                    assert len({row[1] for row in rows}) == len(rows) == counted[0]


def test_pushes_lists_and_exports_go_on_while_every_model_is_rebuilt_again_and_again(
    co_operative: CoOperative,
    owner_url: str,
    pool: ConnectionPool,
    rebuild: Callable[..., Comparison],
) -> None:
    clerks = Clerks(co_operative, pool, owner_url)
    with going_on(clerks.pay, clerks.ask, clerks.export, co_operative.follower().run):
        for _ in range(ROUNDS):
            for model in READ_MODELS.values():
                assert rebuild(model).is_equal
    co_operative.follower().catch_up()
    for model in READ_MODELS.values():
        assert rebuild(model).is_equal
    assert clerks.lists > 20
    assert clerks.exports > 5
    assert not {name for name in schemas(owner_url) if name.startswith(("shadow", "old"))}


@pytest.mark.parametrize("when", ["at once", "filling", "indexing", "comparing", "confirming"])
def test_a_rebuild_cancelled_at_any_moment_changes_nothing(
    co_operative: CoOperative, owner_url: str, rebuild: Callable[..., Comparison], when: str
) -> None:
    co_operative.member()
    co_operative.follower().catch_up()
    before = live_tables(owner_url)
    cancelled = threading.Event()

    def now(moment: str) -> bool:
        if moment == when:
            cancelled.set()
        return True

    now("at once")
    with pytest.raises(RebuildStopped):
        rebuild(
            MEMBERS,
            confirm=lambda _: now("confirming"),
            report=lambda progress: now(progress.phase),
            cancelled=cancelled,
        )
    assert cancelled.is_set()
    assert live_tables(owner_url) == before


def test_a_difference_is_shown_before_anything_changes_and_a_swap_mends_it(
    co_operative: CoOperative, owner_url: str, pool: ConnectionPool, rebuild: Callable[..., object]
) -> None:
    member = co_operative.member()
    co_operative.contribution(member)
    co_operative.follower().catch_up()
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("UPDATE read_contributions.contributions SET amount = amount + 1")
    shown: list[Comparison] = []

    def look(comparison: Comparison) -> bool:
        shown.append(comparison)
        return False

    with pytest.raises(RebuildStopped):
        rebuild(CONTRIBUTIONS, confirm=look)
    (table,) = shown[0].tables
    assert (table.is_equal, table.live_sums, table.shadow_sums) == (
        False,
        ("2001.00",),
        ("2000.00",),
    )
    assert '"2001.00"' in CONTRIBUTION_LIST.page(pool, page=1, per_page=1, filters={}).json_text
    rebuild(CONTRIBUTIONS, confirm=lambda _: True)
    assert '"2000.00"' in CONTRIBUTION_LIST.page(pool, page=1, per_page=1, filters={}).json_text


def test_a_rebuild_starts_cleanly_over_what_a_killed_one_left(
    co_operative: CoOperative, owner_url: str, rebuild: Callable[..., Comparison]
) -> None:
    co_operative.member()
    co_operative.follower().catch_up()
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA shadow_members")
        connection.execute("CREATE TABLE shadow_members.members (half_filled int)")
        connection.execute("CREATE SCHEMA old_members_1000_1")
    assert rebuild(MEMBERS).is_equal
    assert {"shadow_members", "old_members_1000_1"}.isdisjoint(schemas(owner_url))


def test_who_still_reads_the_old_tables_finishes_and_holds_nobody_up(
    co_operative: CoOperative, owner_url: str, rebuild: Callable[..., Comparison]
) -> None:
    for _ in range(30):
        co_operative.member()
    co_operative.follower().catch_up()
    with psycopg.connect(owner_url) as slow, slow.cursor("export") as cursor:
        cursor.execute("SELECT member_id FROM read_members.members")
        seen = cursor.fetchmany(10)
        assert rebuild(MEMBERS).is_equal
        assert rebuild(MEMBERS).is_equal
        seen += cursor.fetchall()
    assert len(seen) == 30
    rebuild(MEMBERS)
    assert not {name for name in schemas(owner_url) if name.startswith("old")}


def test_one_model_is_rebuilt_by_one_at_a_time(
    co_operative: CoOperative, rebuild: Callable[..., Comparison]
) -> None:
    co_operative.member()
    co_operative.follower().catch_up()

    def another(_: Comparison) -> bool:
        with pytest.raises(AnotherRebuild):
            rebuild(MEMBERS)
        return True

    rebuild(MEMBERS, confirm=another)


def test_the_rebuilt_model_goes_on_following(
    co_operative: CoOperative, pool: ConnectionPool, rebuild: Callable[..., Comparison]
) -> None:
    follower = co_operative.follower()
    co_operative.member()
    follower.catch_up()
    rebuild(MEMBERS)
    co_operative.member()
    follower.catch_up()
    assert MEMBER_LIST.page(pool, page=1, per_page=1, filters={}).total == 2


def test_a_read_model_is_not_put_back_behind_what_it_has_served(
    co_operative: CoOperative, pool: ConnectionPool, rebuild: Callable[..., Comparison]
) -> None:
    co_operative.member()
    follower = co_operative.follower()
    follower.catch_up()

    def more_comes(_: Comparison) -> bool:
        co_operative.member()
        follower.catch_up()
        return True

    rebuild(MEMBERS, confirm=more_comes)
    assert MEMBER_LIST.page(pool, page=1, per_page=1, filters={}).total == 2


def test_a_held_read_model_stands_still_until_it_is_let_go(
    co_operative: CoOperative, pool: ConnectionPool
) -> None:
    follower = co_operative.follower()
    co_operative.member()
    pause(pool, "members")
    follower.catch_up()
    assert MEMBER_LIST.page(pool, page=1, per_page=1, filters={}).total == 0
    resume(pool, "members")
    follower.catch_up()
    assert MEMBER_LIST.page(pool, page=1, per_page=1, filters={}).total == 1


def test_a_held_read_model_that_is_rebuilt_is_still_held(
    co_operative: CoOperative, pool: ConnectionPool, rebuild: Callable[..., Comparison]
) -> None:
    pause(pool, "members")
    rebuild(MEMBERS)
    co_operative.member()
    co_operative.follower().catch_up()
    assert MEMBER_LIST.page(pool, page=1, per_page=1, filters={}).total == 0
