"""A moment means one position, for good, whoever was still writing when it was asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from infra.event_store import as_of as module
from infra.event_store.as_of import (
    AsOf,
    LogBusy,
    NotYet,
    PastEvents,
    PositionLost,
    as_of_moment,
    as_of_position,
)
from infra.postgres.pool import application_url
from tests.support.commits import commit_of, events

START = datetime(2024, 1, 1, tzinfo=UTC)
SOON_SECONDS = 0.3

APPEND = """
SELECT event_store.append(
    ARRAY[gen_random_uuid()], '{1}', '{api-key.revoked}', ARRAY['{}'::bytea], ARRAY['{}'::bytea],
    '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', NULL, NULL, NULL, NULL)
"""


@pytest.fixture
def append(store, owner_url):
    """Appends a commit of so many events, as if it had been recorded so long after START."""

    def append(after: timedelta | None = None, count: int = 1) -> int:
        end = store.log.append(commit_of(*events(count)))[-1]
        if after is not None:
            with psycopg.connect(owner_url, autocommit=True) as owner:
                owner.execute("ALTER TABLE event_store.events DISABLE TRIGGER USER")
                owner.execute(
                    "UPDATE event_store.events SET recorded_at = %s WHERE position > %s",
                    (START + after, end - count),
                )
                owner.execute("ALTER TABLE event_store.events ENABLE TRIGGER USER")
        return end

    return append


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def test_before_everything_there_is_nothing(store, append):
    assert as_of_moment(store.pool, START).position == 0
    append(hours(1))
    assert as_of_moment(store.pool, START).position == 0
    assert as_of_position(store.pool, 0).position == 0
    assert as_of_position(store.pool, 999).position == 0


def test_a_moment_means_the_end_of_the_last_commit_recorded_by_then(store, append):
    ends = [append(hours(gap), count=2) for gap in (0, 1, 30, 24 * 40, 24 * 365)]
    gaps = [hours(gap) for gap in (0, 1, 30, 24 * 40, 24 * 365)]
    second = timedelta(seconds=1)
    for number, (gap, end) in enumerate(zip(gaps, ends, strict=True)):
        assert as_of_moment(store.pool, START + gap) == AsOf(end, START + gap)
        assert as_of_moment(store.pool, START + gap + second).position == end
        before = ends[number - 1] if number else 0
        assert as_of_moment(store.pool, START + gap - second).position == before


def test_what_was_recorded_later_is_never_taken_in_though_its_position_is_lower(store, append):
    first = append(hours(0))
    append(hours(2))
    append(hours(1))  # drew its number later and read the clock earlier
    last = append(hours(3))
    assert as_of_moment(store.pool, START + hours(1.5)).position == first
    assert as_of_moment(store.pool, START + hours(2.5)).position < last
    assert as_of_moment(store.pool, START + hours(3)).position == last


def test_what_was_told_of_a_moment_is_told_again(store, append):
    moment = START + hours(5)
    append(hours(1))
    told = as_of_moment(store.pool, moment)
    for _ in range(3):
        append()
        assert as_of_moment(store.pool, moment) == told


def test_within_a_commit_a_position_means_its_end(store, append):
    append(count=3)
    end = append(count=5)
    for position in range(end - 4, end + 1):
        assert as_of_position(store.pool, position).position == end
    assert as_of_position(store.pool, end - 5).position == end - 1000 - 2


def test_the_future_is_not_told(store, append):
    end = append()
    with pytest.raises(NotYet):
        as_of_position(store.pool, end + 1)
    with pytest.raises(NotYet):
        as_of_moment(store.pool, datetime.now(UTC) + timedelta(minutes=1))


@pytest.mark.parametrize("ask", ["moment", "position"])
@pytest.mark.parametrize("commits", [True, False])
def test_an_append_under_way_is_waited_for(store, owner_url, append, ask, commits):
    """It has its number and its moment, and nobody can see it yet."""
    url = application_url(owner_url, statement_timeout_milliseconds=5_000)
    with psycopg.connect(url) as slow, ThreadPoolExecutor(1) as asking:
        drawn = slow.execute(APPEND).fetchone()[0]
        last = append()
        with store.pool.connection() as connection:
            now = connection.execute("SELECT clock_timestamp()").fetchone()[0]
        asked = (
            asking.submit(as_of_moment, store.pool, now)
            if ask == "moment"
            else asking.submit(as_of_position, store.pool, last)
        )
        with pytest.raises(TimeoutError):
            asked.result(timeout=SOON_SECONDS)
        (slow.commit if commits else slow.rollback)()
        assert asked.result(timeout=10).position == last
    with store.pool.connection() as connection:
        seen = connection.execute(
            "SELECT count(*) FROM event_store.events WHERE position = %s", (drawn,)
        ).fetchone()[0]
    assert seen == int(commits)


def test_an_append_that_does_not_end_is_not_waited_for_for_ever(
    store, owner_url, append, monkeypatch
):
    monkeypatch.setattr(module, "_WAIT_SECONDS_MAX", 0.0)
    end = append()
    url = application_url(owner_url, statement_timeout_milliseconds=5_000)
    with psycopg.connect(url) as slow:
        slow.execute(APPEND)
        with pytest.raises(LogBusy):
            as_of_position(store.pool, end)


def test_a_position_that_a_restore_has_lost_is_said_to_be_lost(store, owner_url, append):
    end = append()
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("SELECT event_store.raise_epoch(%s)", (end + 5_000,))
    with pytest.raises(PositionLost):
        as_of_position(store.pool, end + 1_000)
    beyond = append()
    assert as_of_position(store.pool, beyond).position == beyond
    assert as_of_position(store.pool, end).position == end


def test_a_stream_is_read_up_to_a_position_and_of_some_topics_the_last(store):
    stream = uuid4()
    ends = [
        store.log.append(commit_of(*events(2, stream, first_version=version)))[-1]
        for version in (1, 3, 5)
    ]
    past = PastEvents(store.pool, store.keyring)
    topics = frozenset({"api-key.revoked"})
    until = as_of_position(store.pool, ends[1])
    found = past.of_streams([stream], until=until, topics=topics)
    assert [event.position for event in found] == [ends[0] - 1, ends[0], ends[1] - 1, ends[1]]
    last = past.of_streams([stream], until=until, topics=topics, last_of=topics)
    assert last == found[-1:]
