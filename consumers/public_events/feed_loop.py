"""The edge of both feeds' loops: what a consumer does when it cannot go on."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

import psycopg
import structlog
from psycopg_pool import ConnectionPool, PoolTimeout

from consumers.public_events.standing import OtherProcess, fed_by, waits_for
from consumers.public_events.taking import Taking, TooManyDeadLetters
from infra.kafka.errors import BrokersAway, TopicChanged, TopicsLost
from infra.postgres.pool import borrowed
from projections.follower import BEYOND_THE_LOG
from projections.public_events.feed import LostPosition

RETRY_SECONDS = 1.0
WAIT_SECONDS_FIRST = 0.1  # before an item is tried again that is to come later
WAIT_SECONDS_MAX = 5.0

_log = structlog.get_logger()


class FeedLoop(ABC):
    """Feeds one consumer until told to stop. Any number of them may run, of either feed."""

    feed: str

    def __init__(self, pool: ConnectionPool, consumer: str, taking: Taking) -> None:
        self._pool = pool
        self._consumer = consumer
        self._taking = taking

    @abstractmethod
    def follow(self, stop: threading.Event) -> None:
        """Take items as they come."""

    def run(self, stop: threading.Event) -> None:
        """Follow until told to stop. A database or a broker that is away is waited for."""
        pause = 0.0
        while not stop.wait(pause):
            pause = RETRY_SECONDS
            try:
                self._taking.register()
                self._taking.check_letters()
                with borrowed(self._pool) as connection:
                    fed_by(connection, self._consumer, self.feed)
                self.follow(stop)
            except OtherProcess:
                pause = 0.0
            except TooManyDeadLetters:
                _log.error("consumer_stopped", consumer=self._consumer, reason="dead letters")
            except LostPosition:
                _log.error("consumer_stopped", consumer=self._consumer, reason=BEYOND_THE_LOG)
            except (TopicChanged, TopicsLost) as error:
                _log.error("consumer_stopped", consumer=self._consumer, reason=str(error))
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("database_away", error=type(error).__name__)
            except BrokersAway as error:
                _log.warning("brokers_away", error=str(error))

    def say_what_waits(self, reason: str | None) -> None:
        """For `daystar status`."""
        with borrowed(self._pool) as connection:
            waits_for(connection, self._consumer, reason)
