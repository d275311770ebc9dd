"""A consumer that keeps a diary, fed by either feed, and what is needed to run it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from psycopg_pool import ConnectionPool

from consumers.public_events.dead_letters import DeadLetters
from consumers.public_events.feed_loop import FeedLoop
from consumers.public_events.kafka_feed import KafkaFeed
from consumers.public_events.log_feed import LogFeed
from consumers.public_events.taking import Taking
from infra.kafka.settings import KafkaSettings
from projections.public_events.feed import ChangeFeed
from projections.public_events.relay import Relay
from projections.public_events.table import TYPES
from tests.support.diary import Diary, Pages

JOIN_SECONDS_MAX = 30.0
Running = Callable[[Any], AbstractContextManager[None]]


class Feeds:
    """Builds what is run, on the test's own database."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self.changes = ChangeFeed(pool, waiters_max=1)

    def items(self) -> list[dict[str, Any]]:
        """All that happened, as anybody is told of it."""
        items, after, more = [], 0, True
        while more:
            page = self.changes.changes(after, limit=1_000, types=frozenset(TYPES))
            items, after, more = items + page.items, page.next_after, page.more
        return items

    def taking(self, diary: Diary, *, dead_letters_max: int = 100) -> Taking:
        return Taking(self._pool, diary, dead_letters_max=dead_letters_max)

    def log(self, diary: Diary, **limits: int) -> FeedLoop:
        return LogFeed(self._pool, diary.name, self.taking(diary, **limits), self.changes)

    def kafka(self, diary: Diary, settings: KafkaSettings, **limits: int) -> FeedLoop:
        return KafkaFeed(self._pool, diary.name, self.taking(diary, **limits), settings)

    def relay(self, settings: KafkaSettings) -> Relay:
        return Relay(self._pool, self.changes, settings)

    def dead_letters(self, diary: Diary) -> DeadLetters:
        return DeadLetters(self._pool, lambda _: diary)

    def register(self, diary: Diary) -> None:
        self.taking(diary).register()


@pytest.fixture
def feeds(pool: ConnectionPool) -> Feeds:
    return Feeds(pool)


@pytest.fixture
def pages(owner_url: str) -> Pages:
    return Pages(owner_url)


@contextmanager
def running(*loops: Any) -> Iterator[None]:
    """Loops, a thread each, that stop at the end."""
    stop = threading.Event()
    threads = [threading.Thread(target=loop.run, args=(stop,)) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(JOIN_SECONDS_MAX)
        assert not any(thread.is_alive() for thread in threads)
