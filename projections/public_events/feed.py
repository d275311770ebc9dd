"""The change feed: public events after a position, in order, without gap or end.

A page holds whole commits, so no item is parted from those of its position: it ends before the
commit that would make it longer than asked, and is longer only where one commit alone is.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from psycopg_pool import ConnectionPool

from infra.event_store.epochs import IS_LOST
from infra.event_store.reader import LogReader, RecordedEvent, commits
from infra.postgres.pool import borrowed
from projections.public_events.table import PUBLIC_EVENTS, items_of, topics_of

LOOK_SECONDS = 0.2  # between two looks of one who waits

_PLACE = f"""
SELECT (SELECT max(position) FROM event_store.events),
       (SELECT min(e.last_restored) FROM event_store.epochs AS e
        WHERE e.last_restored < %(read_at)s AND %(read_at)s <= e.begins_after),
       {IS_LOST}
"""


class LostPosition(Exception):
    """The log has no such position; what was read beyond `known` is not in the books."""

    def __init__(self, known: int) -> None:
        super().__init__(known)
        self.known = known


@dataclass(frozen=True)
class Changes:
    """`next_after` is where the next page begins, even where nothing matched."""

    items: list[dict[str, Any]]
    next_after: int
    more: bool


class ChangeFeed:
    """One a process, for all its threads."""

    def __init__(self, pool: ConnectionPool, *, waiters_max: int) -> None:
        self._pool = pool
        self._reader = LogReader(pool, keys=None)
        self._waiters = threading.BoundedSemaphore(waiters_max)
        self._closing = threading.Event()

    def close(self) -> None:
        """Let nobody wait any longer."""
        self._closing.set()

    def changes(
        self, after: int, *, limit: int, types: frozenset[str], wait_seconds: float = 0.0
    ) -> Changes:
        """A page. Where there is nothing, it waits a while for something; not all may wait at once.

        Raises:
            LostPosition: the log has no such position.
        """
        page = self._page(after, limit=limit, types=types)
        if page.items or page.more or not wait_seconds:
            return page
        if not self._waiters.acquire(blocking=False):
            return page
        try:
            deadline = time.monotonic() + wait_seconds
            while not page.items and (left := deadline - time.monotonic()) > 0:
                if self._closing.wait(min(LOOK_SECONDS, left)):
                    break
                page = self._page(page.next_after, limit=limit, types=types)
        finally:
            self._waiters.release()
        return page

    def _page(self, after: int, *, limit: int, types: frozenset[str]) -> Changes:
        head = self.head(after)
        if head == after:
            return Changes([], after, more=False)
        batch = self._reader.read(after, limit=limit, topics=topics_of(types))
        openings = self._openings(batch.events)
        items: list[dict[str, Any]] = []
        end = after
        for commit in commits(batch.events):
            told = [
                item
                for event in commit
                for item in items_of(event, openings.get(event.stream_id, {}))
                if item["type"] in types
            ]
            if items and len(items) + len(told) > limit:
                return Changes(items, end, more=True)
            items += told
            end = commit[-1].position
        return Changes(items, batch.end, more=after < batch.end < head)

    def head(self, after: int) -> int:
        """Where the log ends.

        Raises:
            LostPosition: the log has no position like the one to begin after.
        """
        with borrowed(self._pool) as connection:
            row = connection.execute(_PLACE, {"read_at": after}, prepare=True).fetchone()
        assert row is not None
        head, known, is_lost = row[0] or 0, row[1], row[2]
        if is_lost:
            raise LostPosition(known)
        if after > head:
            raise LostPosition(head)
        return int(head)

    def _openings(self, events: list[RecordedEvent]) -> dict[str, dict[str, Any]]:
        wanted = {event.stream_id for event in events if PUBLIC_EVENTS[event.topic].opened}
        return self._reader.first_events(wanted) if wanted else {}
