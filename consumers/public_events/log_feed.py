"""The log itself as a feed: where there is no Kafka, a consumer follows the log."""

from __future__ import annotations

import threading
from functools import partial

from psycopg_pool import ConnectionPool

from consumers.public_events.feed_loop import WAIT_SECONDS_FIRST, WAIT_SECONDS_MAX, FeedLoop
from consumers.public_events.standing import log_position, move
from consumers.public_events.taking import Taking, Told, Waiting
from infra.postgres.pool import borrowed
from projections.follower import POLL_SECONDS_BUSY, POLL_SECONDS_IDLE
from projections.public_events.feed import ChangeFeed, Changes
from projections.public_events.table import TYPES

ITEMS_AT_ONCE = 500
_POLL_GROWTH = 1.15
_LINE = "the log"
_EVERY_TYPE = frozenset(TYPES)


class LogFeed(FeedLoop):
    """Feeds a consumer from its position in the log on. One process at a time moves it."""

    feed = "log"

    def __init__(
        self, pool: ConnectionPool, consumer: str, taking: Taking, changes: ChangeFeed
    ) -> None:
        super().__init__(pool, consumer, taking)
        self._changes = changes

    def follow(self, stop: threading.Event) -> None:
        pause, patience = 0.0, WAIT_SECONDS_FIRST
        while not stop.wait(pause):
            with borrowed(self._pool) as connection:
                after = log_position(connection, self._consumer)
            page = self._changes.changes(after, limit=ITEMS_AT_ONCE, types=_EVERY_TYPE)
            if page.next_after == after:
                pause = min(max(pause, POLL_SECONDS_BUSY) * _POLL_GROWTH, POLL_SECONDS_IDLE)
            elif (waiting := self._take(page, after)) is None:
                pause, patience = POLL_SECONDS_BUSY, WAIT_SECONDS_FIRST
            else:
                self._rest_before(waiting, after)
                pause, patience = patience, min(patience * 2, WAIT_SECONDS_MAX)

    def _take(self, page: Changes, after: int) -> Waiting | None:
        save = partial(move, consumer=self._consumer, after=after, end=page.next_after)
        return self._taking.take([Told(item, _LINE) for item in page.items], save).get(_LINE)

    def _rest_before(self, waiting: Waiting, after: int) -> None:
        """Everything before the event that waits was taken. Of its own items, the inbox knows."""
        end = waiting.item["position"] - 1
        if end > after:
            with borrowed(self._pool) as connection:
                move(connection, self._consumer, after=after, end=end)
        self.say_what_waits(waiting.reason)
