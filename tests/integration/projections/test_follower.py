"""Followers that meet bad events, each other, and a database that goes away."""

from __future__ import annotations

import dataclasses
import time
from datetime import UTC, datetime
from uuid import uuid4

import orjson
import psycopg
import pytest
from eventsourcing.persistence import StoredEvent

from infra.event_store.personal_keys import PersonalKeys
from infra.event_store.reader import BATCH_EVENTS, LogReader
from infra.postgres.pool import open_pool
from projections.contributions import CONTRIBUTIONS
from projections.follower import Follower, resume
from projections.read_models import READ_MODELS
from projections.status import follower_status
from tests.support.commits import commit_of
from tests.support.meanwhile import going_on
from tests.support.read_models import dumped, emptied

RECEIPT = {
    "receipt_number": "SKL1A2B3C4",
    "amount_cents": 100_00,
    "paid_at": "2026-11-23T09:00:00+00:00",
    "channel": "paybill",
    "member_id": None,
    "payer_phone": None,
}
RECEIVED = {
    "contribution_id": "",
    "member_id": "",
    "member_number": "DST1",
    "contribution_type": "monthly",
    "amount_cents": 100_00,
    "payment_method": "cash",
    "payment_reference": "R1",
    "contributed_on": "2026-11-23",
    "source_id": None,
    "balance_cents": 100_00,
    "contributed_cents": 100_00,
}


def event(topic, payload):
    return StoredEvent(uuid4(), 1, topic, orjson.dumps(payload))


def received(member_id, **fields):
    ids = {"contribution_id": str(uuid4()), "member_id": str(member_id)}
    return event("account.contribution-received", RECEIVED | ids | fields)


def append(co_operative, *events):
    return co_operative.store.log.append(commit_of(*events))


def follower_of(co_operative, *models):
    keys = PersonalKeys(co_operative.store.pool, co_operative.store.keyring)
    return Follower(co_operative.store.pool, LogReader(co_operative.store.pool, keys), models)


def status(co_operative):
    found = follower_status(co_operative.store.pool, READ_MODELS.values(), now=datetime.now(tz=UTC))
    return {follower.name: follower for follower in found}


def rows(co_operative, table):
    with co_operative.store.pool.connection() as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def wait_until(condition, seconds_max=15.0):
    deadline = time.monotonic() + seconds_max
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


# Bad events.


def test_a_bad_event_stops_its_own_projection_and_says_where_and_why(co_operative):
    member = co_operative.member()
    co_operative.contribution(member)
    (before,) = append(co_operative, event("receipt.received", RECEIPT))
    (bad,) = append(co_operative, received(member, contributed_on="no day at all"))
    co_operative.contribution(member)
    co_operative.follower().catch_up()
    standing = status(co_operative)
    head = co_operative.store.log.max_notification_id()
    for stopped in (standing.pop("contributions"), standing.pop("summary")):
        assert (stopped.state, stopped.error_position) == ("stopped", bad)
        assert before - 1000 <= stopped.position < bad
        assert "InvalidDatetimeFormat" in stopped.error
    assert {(other.state, other.position) for other in standing.values()} == {("following", head)}
    assert rows(co_operative, "read_contributions.contributions") == 1, "those before it are there"
    assert rows(co_operative, "read_mpesa_transactions.receipts") == 1


def test_a_fold_that_fails_is_named_with_its_event(co_operative):
    member = co_operative.member()
    broken = event("account.contribution-received", {"member_id": str(member)})
    (bad,) = append(co_operative, broken)
    co_operative.follower().catch_up()
    standing = status(co_operative)["contributions"]
    assert standing.error_position == bad
    assert standing.error == "account.contribution-received: KeyError: 'contribution_id'"


def test_an_event_of_a_row_that_is_not_there_stops_the_projection(co_operative):
    undone = {"contribution_id": str(uuid4()), "member_id": str(uuid4())}
    (bad,) = append(co_operative, event("account.contribution-reversed", RECEIVED | undone))
    co_operative.follower().catch_up()
    standing = status(co_operative)
    assert standing["contributions"].error_position == bad
    assert standing["contributions"].error.startswith("RowMissing: read_contributions")
    assert standing["members"].error.startswith("RowMissing: read_members")
    assert standing["mpesa_due"].state == "following"


def test_what_is_said_of_a_bad_event_holds_nothing_personal(co_operative):
    member = co_operative.member(first_name="Wanjikuzzz")
    append(co_operative, received(member, payment_reference="zzz", contributed_on="zzz"))
    co_operative.follower().catch_up()
    assert "zzz" not in status(co_operative)["contributions"].error


def test_a_stopped_projection_goes_on_once_it_is_mended_and_resumed(co_operative, owner_url):
    def breaks(event, rows):
        raise ValueError("a mistake in the code")

    topic = "account.contribution-reversed"
    faulty = dataclasses.replace(CONTRIBUTIONS, folds=CONTRIBUTIONS.folds | {topic: breaks})
    member = co_operative.member()
    co_operative.reverse(member, co_operative.contribution(member))
    co_operative.contribution(member)
    follower_of(co_operative, faulty).catch_up()
    assert status(co_operative)["contributions"].state == "stopped"
    mended = co_operative.follower()
    mended.catch_up()
    assert rows(co_operative, "read_contributions.contributions") == 1, "not before it is resumed"
    resume(co_operative.store.pool, "contributions")
    mended.catch_up()
    standing = status(co_operative)["contributions"]
    assert (standing.state, standing.error, standing.events_behind) == ("following", None, 0)
    live = dumped(owner_url)
    emptied(owner_url)
    co_operative.follower().catch_up()
    assert dumped(owner_url) == live


def test_what_is_not_mended_stops_again_at_the_same_event(co_operative):
    (bad,) = append(co_operative, received(co_operative.member(), contributed_on="no day"))
    follower = co_operative.follower()
    for _ in range(2):
        follower.catch_up()
        assert status(co_operative)["contributions"].error_position == bad
        resume(co_operative.store.pool, "contributions")


def test_a_topic_that_this_version_does_not_know_is_passed_over(co_operative):
    member = co_operative.member()
    append(co_operative, event("loan.from-a-later-version", {"what": "ever"}))
    co_operative.contribution(member)
    co_operative.follower().catch_up()
    assert {s.events_behind for s in status(co_operative).values()} == {0}
    assert rows(co_operative, "read_contributions.contributions") == 1


# Many followers, and followers that die.


def test_two_followers_never_apply_a_batch_twice(co_operative, owner_url):
    """Applied twice, a contribution would be inserted twice, and the projection would stop."""
    members = [co_operative.member() for _ in range(3)]
    with going_on(*(co_operative.follower().run for _ in range(3))):
        for number in range(150):
            made = co_operative.contribution(members[number % 3])
            if number % 10 == 0:
                co_operative.reverse(members[number % 3], made)
        wait_until(lambda: all(s.events_behind == 0 for s in status(co_operative).values()))
    assert {s.state for s in status(co_operative).values()} == {"following"}
    live = dumped(owner_url)
    emptied(owner_url)
    co_operative.follower().catch_up()
    assert dumped(owner_url) == live


def test_two_followers_that_meet_a_bad_event_go_on_with_the_others(co_operative):
    member = co_operative.member()
    with going_on(*(co_operative.follower().run for _ in range(3))):
        for number in range(60):
            co_operative.contribution(member)
            if number == 30:
                append(co_operative, received(member, contributed_on="no day"))
        wait_until(
            lambda: all(
                s.events_behind == 0 or s.state == "stopped" for s in status(co_operative).values()
            )
        )
    stopped = {name for name, each in status(co_operative).items() if each.state == "stopped"}
    assert stopped == {"contributions", "summary"}


def test_a_follower_overtaken_while_it_takes_a_batch_apart_goes_on(co_operative):
    """Both saw the same batch fail; the other one wrote first."""
    member = co_operative.member()
    append(co_operative, received(member))
    append(co_operative, received(member, contributed_on="no day"))
    slow, fast = co_operative.follower(), co_operative.follower()
    batch = slow._reader.read(0, topics=CONTRIBUTIONS.topics)
    fast.catch_up()
    assert slow._advance_by_commits(CONTRIBUTIONS, batch, 0)
    slow.catch_up()
    assert rows(co_operative, "read_contributions.contributions") == 1


def test_a_log_larger_than_a_batch_is_read_in_batches_and_resumed_by_another(co_operative):
    commits = BATCH_EVENTS // 500 + 3
    for number in range(commits):
        numbered = RECEIPT | {"receipt_number": f"R{number}"}
        append(co_operative, *(event("receipt.received", numbered) for _ in range(499)))
    dies = co_operative.follower()
    assert dies.catch_up_once()
    taken = rows(co_operative, "read_mpesa_transactions.receipts")
    assert 0 < taken <= BATCH_EVENTS
    assert taken % 499 == 0, "no batch ends inside a commit"
    del dies
    co_operative.follower().catch_up()
    assert rows(co_operative, "read_mpesa_transactions.receipts") == 499 * commits


def test_rows_and_position_are_lost_together(co_operative, owner_url):
    """The session dies between writing the position and writing the rows."""
    member = co_operative.member()
    co_operative.contribution(member)
    with psycopg.connect(owner_url, autocommit=True) as owner:

        def end_session(cursor):
            owner.execute("SELECT pg_terminate_backend(%s)", (cursor.connection.info.backend_pid,))
            cursor.execute("SELECT 1")

        def dies(event, rows):
            rows["contributions"].write = end_session

        topic = "account.contribution-received"
        dying = dataclasses.replace(CONTRIBUTIONS, folds={topic: dies})
        with pytest.raises(psycopg.OperationalError):
            follower_of(co_operative, dying).catch_up()
    assert status(co_operative)["contributions"].position == 0
    co_operative.follower().catch_up()
    assert rows(co_operative, "read_contributions.contributions") == 1


@pytest.mark.slow
def test_a_database_that_ends_its_sessions_is_waited_for(co_operative, owner_url):
    member = co_operative.member()

    def all_read():
        return all(s.events_behind == 0 for s in status(co_operative).values())

    with open_pool(owner_url, size_max=2, name="to-be-ended") as pool:
        keys = PersonalKeys(pool, co_operative.store.keyring)
        follower = Follower(pool, LogReader(pool, keys), READ_MODELS.values())
        with going_on(follower.run), psycopg.connect(owner_url, autocommit=True) as owner:
            for _ in range(2):
                append(co_operative, received(member))
                wait_until(all_read)
                ended = owner.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND application_name = 'to-be-ended'"
                ).fetchall()
                assert ended
            append(co_operative, received(member))
            wait_until(all_read)
    assert rows(co_operative, "read_contributions.contributions") == 3
