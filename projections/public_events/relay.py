"""The relay: it follows the log and tells Kafka every public event.

One relay is active; others wait, and the first of them to see its seat free takes it at once. A
seat is a lock that the database gives back when the session ends that held it, and a term: what a
relay of an older term saves is refused. The position is saved when Kafka has acknowledged all that
was told up to it, so a relay that is killed tells a little again, under the same ids, and never
leaves anything out.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import LiteralString

import psycopg
import structlog
from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolTimeout

from infra.kafka.errors import BrokersAway, TopicChanged, TopicsLost
from infra.kafka.publisher import Publisher
from infra.kafka.settings import KafkaSettings
from infra.kafka.topics import ensure_topics, forget_topics
from projections.consuming import tell_again
from projections.follower import BEYOND_THE_LOG
from projections.public_events.cloud_events import record_of, topic_name
from projections.public_events.feed import ChangeFeed, LostPosition
from projections.public_events.table import TYPES
from projections.public_events.topics import TOPICS

ITEMS_AT_ONCE = 2_000
TAKE_OVER_LOOK_SECONDS = 0.2
POLL_SECONDS_BUSY = 0.015
POLL_SECONDS_IDLE = 0.25
_POLL_GROWTH = 1.15
_RETRY_SECONDS = 1.0
_EVERY_TYPE = frozenset(TYPES)

# The server notices within some ten seconds that the machine of a seat's holder is gone.
_KEEP_ALIVE: LiteralString = (
    "SELECT set_config('tcp_keepalives_idle', '5', false),"
    " set_config('tcp_keepalives_interval', '2', false),"
    " set_config('tcp_keepalives_count', '3', false)"
)
_TAKE_SEAT = "SELECT pg_try_advisory_lock(4803226)"
# The first relay ever begins where the consumer stands that has furthest to go, else at the head.
_BEGIN_TERM = """
INSERT INTO consuming.relay (position, term)
SELECT coalesce((SELECT min(log_position) FROM consuming.consumers),
                (SELECT max(position) FROM event_store.events), 0), 1
ON CONFLICT (is_the_one) DO UPDATE SET term = relay.term + 1, taken_at = now()
RETURNING position, term
"""
_SAVE = """
UPDATE consuming.relay SET position = %s, moved_at = now() WHERE term = %s AND position = %s
"""

_log = structlog.get_logger()


class Deposed(Exception):
    """Another relay has taken the seat."""


@dataclass
class Seat:
    """The right to tell Kafka, from a position on."""

    connection: Connection[TupleRow]
    position: int
    term: int

    def save(self, position: int) -> None:
        """Everything up to `position` is told.

        Raises:
            Deposed: it is another's to say.
        """
        saved = self.connection.execute(_SAVE, (position, self.term, self.position), prepare=True)
        if saved.rowcount != 1:
            raise Deposed
        self.position = position


class Relay:
    """Tells Kafka of the log. Any number of them may run; one at a time tells."""

    def __init__(self, pool: ConnectionPool, feed: ChangeFeed, settings: KafkaSettings) -> None:
        self._pool = pool
        self._feed = feed
        self._settings = settings

    def run(self, stop: threading.Event) -> None:
        """Tell until told to stop. A database or a broker that is away is waited for."""
        pause = 0.0
        while not stop.wait(pause):
            pause = _RETRY_SECONDS
            try:
                with self._seat(stop) as seat:
                    if seat is not None:
                        self._tell(seat, stop)
            except Deposed:
                _log.warning("relay_deposed")
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("database_away", error=type(error).__name__)
            except LostPosition:
                _log.error("relay_stopped", reason=BEYOND_THE_LOG)
            except TopicChanged as error:
                _log.error("relay_stopped", reason=str(error))
            except TopicsLost as error:
                _log.error("topics_lost", topics=error.names)
                self._begin_again(error.names)
            except BrokersAway as error:
                _log.warning("brokers_away", error=str(error))

    def _begin_again(self, lost: list[str]) -> None:
        """What was told to topics that are gone may have reached nobody."""
        with self._pool.connection() as connection, connection.transaction():
            forget_topics(connection, lost)
            tell_again(connection)

    @contextmanager
    def _seat(self, stop: threading.Event) -> Iterator[Seat | None]:
        """Wait for the seat; None when told to stop first."""
        with self._pool.connection() as connection:
            try:
                connection.execute(_KEEP_ALIVE)
                while not _took(connection):
                    if stop.wait(TAKE_OVER_LOOK_SECONDS):
                        yield None
                        return
                row = connection.execute(_BEGIN_TERM).fetchone()
                assert row is not None
                seat = Seat(connection, position=row[0], term=row[1])
                _log.info("relay_active", position=seat.position, term=seat.term)
                yield seat
            finally:
                with suppress(psycopg.Error):
                    connection.close()  # and the seat is free

    def _tell(self, seat: Seat, stop: threading.Event) -> None:
        prefix = self._settings.topic_prefix
        names = [topic_name(topic, prefix) for topic in TOPICS.values()]
        publisher = Publisher(self._settings, ensure_topics(self._settings, self._pool, names))
        pause = 0.0
        try:
            while not stop.wait(pause):
                page = self._feed.changes(seat.position, limit=ITEMS_AT_ONCE, types=_EVERY_TYPE)
                publisher.publish([record_of(item, topic_prefix=prefix) for item in page.items])
                if page.next_after > seat.position:
                    seat.save(page.next_after)
                    pause = POLL_SECONDS_BUSY
                else:
                    pause = min(max(pause, POLL_SECONDS_BUSY) * _POLL_GROWTH, POLL_SECONDS_IDLE)
        finally:
            publisher.close()


def _took(connection: Connection[TupleRow]) -> bool:
    row = connection.execute(_TAKE_SEAT).fetchone()
    assert row is not None
    return bool(row[0])
