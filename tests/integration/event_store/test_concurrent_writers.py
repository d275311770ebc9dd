"""Eight writers that commit late, roll back, collide and die; readers that must not care."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent
from psycopg_pool import ConnectionPool

from infra.event_store.errors import Contention
from infra.event_store.log import POSITIONS_PER_COMMIT, Commit, EventLog
from infra.event_store.personal_keys import PersonalKeys
from infra.event_store.reader import LogReader
from infra.event_store.unit_of_work import EventStore
from infra.postgres.pool import application_url, open_pool

WRITERS = 8
TOPICS = frozenset({"api-key.revoked"})  # readers that settle, and leave the choice to SQL
LIMITS_AND_TOPICS = ((600, None), (1_500, None), (5_000, None), (600, TOPICS), (5_000, TOPICS))
READERS = len(LIMITS_AND_TOPICS)
COMMITS_MIN = 20_000

APPEND = """
SELECT event_store.append(
    %s::uuid[], %s::bigint[], %s::text[], %s::bytea[], %s::bytea[],
    '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', NULL, NULL, NULL, NULL)
"""


def events(count: int, stream_id: UUID | None = None) -> list[StoredEvent]:
    stream_id = stream_id or uuid4()
    return [
        StoredEvent(stream_id, version, "api-key.revoked", b'{"reason":"test"}')
        for version in range(1, count + 1)
    ]


def others() -> list[StoredEvent]:
    return [StoredEvent(uuid4(), 1, "principal.added", b"{}")]


@dataclass
class Race:
    """What happened, told by those who did it."""

    url: str
    pool: ConnectionPool
    committed: list[int] = field(default_factory=list)
    commits: int = 0
    rolled_back: int = 0
    conflicts: int = 0
    killed: int = 0
    failures: list[BaseException] = field(default_factory=list)
    writing: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, first_position: int, count: int) -> None:
        with self.lock:
            self.commits += 1
            self.committed.extend(range(first_position, first_position + count))


def write(race: Race, seed: int) -> None:
    chance = random.Random(seed)
    log = EventLog(race.pool)
    taken = uuid4()
    try:
        with psycopg.connect(
            application_url(race.url, statement_timeout_milliseconds=5_000), autocommit=True
        ) as connection:
            race.note(log.append(Commit(events(1, taken), [b"{}"]))[0], 1)
            while race.commits < COMMITS_MIN:
                what = chance.random()
                count = chance.choice((1, 1, 1, 2, 5, 40))
                if what < 0.03:
                    _slowly(race, connection, chance, count)
                elif what < 0.05:
                    with pytest.raises(Contention):
                        log.append(Commit([*events(2), *events(1, taken)], [b"{}"] * 3))
                    race.conflicts += 1
                else:
                    for _ in range(5):
                        positions = log.append(Commit(events(count), [b"{}"] * count))
                        race.note(positions[0], count)
    except BaseException as error:  # noqa: BLE001 (told to the test's own thread)
        race.failures.append(error)


def _slowly(race: Race, connection: psycopg.Connection, chance: random.Random, count: int) -> None:
    """Draw a commit number, dawdle while others go on, then commit or think better of it."""
    made = events(count)
    parameters = (
        [event.originator_id for event in made],
        [event.originator_version for event in made],
        [event.topic for event in made],
        [event.state for event in made],
        [b"{}"] * count,
    )
    keep = chance.random() < 0.5
    with connection.transaction(force_rollback=not keep):
        row = connection.execute(APPEND, parameters).fetchone()
        assert row is not None
        time.sleep(chance.random() * 0.02)
    if keep:
        race.note(row[0], count)
    else:
        race.rolled_back += 1


def kill_one(race: Race) -> None:
    """A backend dies with a drawn number in its hands, as if its machine were unplugged."""
    with (
        psycopg.connect(race.url) as victim,
        psycopg.connect(race.url, autocommit=True) as executioner,
    ):
        made = events(3)
        victim.execute(
            APPEND,
            (
                [event.originator_id for event in made],
                [1, 2, 3],
                [event.topic for event in made],
                [event.state for event in made],
                [b"{}"] * 3,
            ),
        )
        time.sleep(0.1)
        executioner.execute("SELECT pg_terminate_backend(%s)", (victim.info.backend_pid,))
        with pytest.raises(psycopg.OperationalError):
            victim.execute("SELECT 1")
        race.killed += 1


def read(
    race: Race, reader: LogReader, seen: list[int], limit: int, topics: frozenset[str] | None
) -> None:
    position = 0
    try:
        while True:
            done = not race.writing.is_set()
            if topics is not None:
                reader.settle()
            batch = reader.read(position, limit=limit, topics=topics)
            seen.extend(event.position for event in batch.events)
            if done and batch.end == position and position == reader.head():
                return
            position = batch.end
    except BaseException as error:  # noqa: BLE001 (told to the test's own thread)
        race.failures.append(error)


def test_readers_see_each_commit_whole_in_order_and_once(owner_url: str, store: EventStore) -> None:
    with open_pool(owner_url, size_max=WRITERS + READERS + 2) as pool:
        race = Race(owner_url, pool)
        race.writing.set()
        seen: list[list[int]] = [[] for _ in range(READERS)]
        readers = [
            threading.Thread(
                target=read,
                args=(
                    race,
                    LogReader(pool, PersonalKeys(pool, store.keyring)),
                    seen[n],
                    limit,
                    topics,
                ),
            )
            for n, (limit, topics) in enumerate(LIMITS_AND_TOPICS)
        ]
        writers = [threading.Thread(target=write, args=(race, seed)) for seed in range(WRITERS)]
        for thread in (*readers, *writers):
            thread.start()
        kill_one(race)
        for thread in writers:
            thread.join()
        race.writing.clear()
        for thread in readers:
            thread.join()
        assert not race.failures, race.failures
        with psycopg.connect(owner_url) as connection:
            stored = [
                row[0]
                for row in connection.execute(
                    "SELECT position FROM event_store.events ORDER BY position"
                )
            ]
    assert race.commits >= COMMITS_MIN
    assert race.rolled_back > 20
    assert race.conflicts > 20
    assert race.killed == 1
    assert sorted(race.committed) == stored, "what writers were told is what is stored"
    for positions in seen:
        assert positions == stored, "a reader saw everything, in order, once"


def test_no_batch_ends_inside_a_commit(store: EventStore) -> None:
    for count in (300, 300, 300, 1, 500):
        store.log.append(Commit(events(count), [b"{}"] * count))
    reader = LogReader(store.pool, PersonalKeys(store.pool, store.keyring))
    position, sizes = 0, []
    while (batch := reader.read(position, limit=501)).end > position:
        sizes.append(Counter(event.position // POSITIONS_PER_COMMIT for event in batch.events))
        position = batch.end
    assert [dict(size) for size in sizes] == [{1: 300}, {2: 300}, {3: 300, 4: 1}, {5: 500}]


def test_wanted_topics_are_read_whole_and_the_rest_is_passed(store: EventStore) -> None:
    for made in (events(400), others(), events(400), [*events(1), *others()], others(), events(1)):
        store.log.append(Commit(made, [b"{}"] * len(made)))
    reader = LogReader(store.pool, PersonalKeys(store.pool, store.keyring))
    reader.settle()
    position, batches = 0, []
    while (batch := reader.read(position, limit=501, topics=TOPICS)).end > position:
        batches.append((len(batch.events), {event.topic for event in batch.events}, batch.end))
        position = batch.end
    assert batches == [
        (400, TOPICS, 1_399),
        (401, TOPICS, 5_000),
        (1, TOPICS, 6_000),
    ]


def test_a_reader_waits_for_a_commit_that_is_under_way(owner_url: str, store: EventStore) -> None:
    reader = LogReader(store.pool, PersonalKeys(store.pool, store.keyring))
    with psycopg.connect(owner_url) as slow:
        made = events(1)
        slow.execute(
            APPEND, ([made[0].originator_id], [1], [made[0].topic], [made[0].state], [b"{}"])
        )
        store.log.append(Commit(events(2), [b"{}"] * 2))
        assert reader.read(0).events == []
        assert reader.read(0).events == [], "however often it asks"
        slow.commit()
    assert [event.position for event in reader.read(0).events] == [1000, 2000, 2001]


def test_a_reader_passes_a_number_that_was_rolled_back(owner_url: str, store: EventStore) -> None:
    reader = LogReader(store.pool, PersonalKeys(store.pool, store.keyring))
    with psycopg.connect(owner_url) as slow:
        made = events(1)
        slow.execute(
            APPEND, ([made[0].originator_id], [1], [made[0].topic], [made[0].state], [b"{}"])
        )
        store.log.append(Commit(events(1), [b"{}"]))
        assert reader.read(0).events == []
        slow.rollback()
    assert [event.position for event in reader.read(0).events] == [2000]
