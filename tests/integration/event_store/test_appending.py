"""What an append refuses, what it tells apart, and what it writes together."""

from __future__ import annotations

import threading
from uuid import uuid4

import psycopg
import pytest

from domain.contributions.account import MemberAccount
from domain.contributions.commands import RecordContribution
from domain.contributions.errors import ReferenceAlreadyUsed
from domain.identities import account_id
from domain.members.errors import MemberNumberTaken, NationalIdTaken
from domain.members.member import MEMBER_NUMBER, NATIONAL_ID
from domain.mpesa.keys import LIVE_PHONE
from domain.mpesa.stk_push import Push
from domain.store import Key
from infra.event_store import dispatch as dispatching
from infra.event_store.errors import (
    Contention,
    KeyTaken,
    StreamExists,
)
from infra.event_store.log import KeyRow
from infra.event_store.unit_of_work import UnitOfWork
from tests.support.co_operative import CAUSE
from tests.support.commits import commit_of, contribution, count, events


def at_once(*works):
    """Run each in a thread of its own; answers what each answered or raised."""
    outcomes = [None] * len(works)
    ready = threading.Barrier(len(works))

    def run(index, work):
        ready.wait()
        try:
            outcomes[index] = work()
        except Exception as error:  # noqa: BLE001 (told to the test's own thread)
            outcomes[index] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


# A stream that exists, a stream that moved, a key that is taken.


def test_a_stream_begun_twice_is_told_from_a_stream_that_moved(store):
    stream = uuid4()
    store.log.append(commit_of(*events(2, stream)))
    with pytest.raises(StreamExists) as known:
        store.log.append(commit_of(*events(1, stream)))
    assert known.value.stream_id == stream
    with pytest.raises(Contention) as moved:
        store.log.append(commit_of(*events(1, stream, first_version=2)))
    assert type(moved.value) is Contention


def test_a_commit_that_begins_one_stream_and_loses_another_is_contention(store):
    stream = uuid4()
    store.log.append(commit_of(*events(2, stream)))
    with pytest.raises(Contention) as moved:
        store.log.append(commit_of(*events(1), *events(1, stream, first_version=2)))
    assert type(moved.value) is Contention
    assert count(store, "event_store.events") == 2


def test_a_taken_key_is_told_from_both(store):
    first, second = uuid4(), uuid4()
    store.log.append(
        commit_of(*events(1, first), claims=[KeyRow("s", b"d", first, is_unique=True)])
    )
    for stream, version in ((second, 1), (first, 2)):
        made = events(1, stream, first_version=version)
        with pytest.raises(KeyTaken):
            store.log.append(commit_of(*made, claims=[KeyRow("s", b"d", stream, is_unique=True)]))
    assert count(store, "event_store.events") == 1


def test_contention_is_met_by_deciding_again(co_operative, monkeypatch):
    """Another writer moves the account between loading and saving, four times."""
    member = co_operative.member()
    original = UnitOfWork.commit
    overtaken = iter(range(4))

    def overtaken_commit(unit, answer=None):
        if next(overtaken, None) is not None:
            other = UnitOfWork(co_operative.store, CAUSE)
            dispatching.COMMAND_HANDLERS[RecordContribution](contribution(member), other)
            original(other)
        return original(unit, answer)

    monkeypatch.setattr(UnitOfWork, "commit", overtaken_commit)
    co_operative.dispatch(contribution(member))
    monkeypatch.undo()
    account = co_operative.load(MemberAccount, account_id(member))
    assert account.contributed_cents == 5 * 1_000_00


def test_a_race_lost_five_times_is_given_up_and_changes_nothing(co_operative, monkeypatch):
    member = co_operative.member()
    original = UnitOfWork.commit
    tried = []

    def overtaken_commit(unit, answer=None):
        tried.append(unit)
        other = UnitOfWork(co_operative.store, CAUSE)
        dispatching.COMMAND_HANDLERS[RecordContribution](contribution(member), other)
        original(other)
        return original(unit, answer)

    monkeypatch.setattr(UnitOfWork, "commit", overtaken_commit)
    lost = contribution(member)
    with pytest.raises(Contention):
        co_operative.dispatch(lost)
    monkeypatch.undo()
    assert len(tried) == 5
    account = co_operative.load(MemberAccount, account_id(member))
    assert str(lost.contribution_id) not in account.contributions
    assert account.contributed_cents == 5 * 1_000_00


def test_many_at_one_account_lose_no_shilling(co_operative):
    member = co_operative.member()
    works = [lambda: co_operative.dispatch(contribution(member)) for _ in range(4)]
    outcomes = at_once(*works)
    account = co_operative.load(MemberAccount, account_id(member))
    refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert all(isinstance(outcome, Contention) for outcome in refused)
    assert account.contributed_cents == (4 - len(refused)) * 1_000_00


def test_of_two_who_race_for_a_number_one_is_told_its_own_error(co_operative):
    for attempt in range(5):
        number = f"DSTRACE{attempt}"
        outcomes = at_once(*[lambda n=number: co_operative.member(member_number=n)] * 2)
        assert sorted(isinstance(o, MemberNumberTaken) for o in outcomes) == [False, True]


def test_of_two_who_race_with_one_reference_one_is_told_its_own_error(co_operative):
    member = co_operative.member()
    for attempt in range(5):
        work = [
            lambda r=f"TRF {attempt}": co_operative.dispatch(
                contribution(member, payment_reference=r)
            )
        ]
        outcomes = at_once(*work * 2)
        assert sorted(isinstance(o, ReferenceAlreadyUsed) for o in outcomes) == [False, True]


def test_the_first_broken_key_names_the_error(co_operative):
    co_operative.member(member_number="DSTONE1", national_id="11112222")
    with pytest.raises(NationalIdTaken):
        co_operative.member(member_number="DSTONE2", national_id="11112222")
    with pytest.raises(MemberNumberTaken):
        co_operative.member(member_number="DSTONE1", national_id="11113333")


def test_a_key_is_released_only_by_its_owner(co_operative):
    member = co_operative.member()
    push_id = co_operative.push(member)
    push = co_operative.load(Push, push_id)
    stranger = UnitOfWork(co_operative.store, CAUSE)
    other = stranger.get(Push, co_operative.push(co_operative.member()))
    other.mark_sent(at="2026-11-23T09:00:00+00:00")
    stranger.save(other, releases=(Key(LIVE_PHONE, push.phone),))
    stranger.commit()
    assert UnitOfWork(co_operative.store, CAUSE).lookup(LIVE_PHONE, push.phone) == [push_id]


def test_a_member_is_found_by_exact_keys(co_operative):
    member = co_operative.member(member_number="DSTFIND1", national_id="99887766")
    unit = UnitOfWork(co_operative.store, CAUSE)
    assert unit.lookup(MEMBER_NUMBER, "DSTFIND1") == [member]
    assert unit.lookup(NATIONAL_ID, "99887766") == [member]
    assert unit.lookup(NATIONAL_ID, "DSTFIND1") == []


# What the append function itself refuses.

APPEND = """
SELECT event_store.append(
    %s::uuid[], %s::bigint[], %s::text[], %s::bytea[], %s::bytea[],
    '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', NULL, NULL, NULL, NULL)
"""


def raw(number):
    made = events(number)
    return (
        [event.originator_id for event in made],
        [event.originator_version for event in made],
        [event.topic for event in made],
        [event.state for event in made],
        [b"{}"] * number,
    )


@pytest.mark.parametrize("number", [0, 501])
def test_a_commit_holds_one_to_five_hundred_events(store, pool, number):
    with pytest.raises(AssertionError):
        store.log.append(commit_of(*events(number)))
    with pool.connection() as connection, pytest.raises(psycopg.errors.RaiseException):
        connection.execute(APPEND, raw(number))
    assert count(store, "event_store.events") == 0


def test_five_hundred_events_are_one_commit(store):
    positions = store.log.append(commit_of(*events(500)))
    assert positions == list(range(1000, 1500))


def test_an_append_that_would_not_survive_a_crash_is_refused(store, pool):
    with pool.connection() as connection:
        connection.execute("SET synchronous_commit = off")
        with pytest.raises(psycopg.errors.RaiseException, match="durable"):
            connection.execute(APPEND, raw(1))
        connection.execute("SET synchronous_commit = on")
    assert count(store, "event_store.events") == 0
