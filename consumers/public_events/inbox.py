"""The inbox: which items a consumer has taken, over whichever feed they came.

Of each topic and subject it keeps the last item taken, in a row that whoever takes items of that
subject locks first. So two processes that are given the same item, as happens when Kafka shares
partitions out anew or while one feed is exchanged for the other, take it once, and in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson
from psycopg import Connection
from psycopg.rows import TupleRow

from consumers.public_events.handling import Item
from consumers.public_events.items import Key, Rank, key_of, rank_of

_REGISTER = """
INSERT INTO consuming.consumers (name, begins_after, log_position)
SELECT %s, head, head
FROM (SELECT coalesce(max(position), 0) AS head FROM event_store.events) AS log
ON CONFLICT (name) DO NOTHING
"""
_BEGINS_AFTER = "SELECT begins_after FROM consuming.consumers WHERE name = %s"
_LOST = "SELECT last_restored, begins_after FROM event_store.epochs WHERE epoch > 1"
# Rows of a position 0 stand for nothing taken yet. In order, so that nobody waits in a circle.
_MAKE_ROWS = """
INSERT INTO consuming.inbox (consumer, topic, subject, position, number)
SELECT %s, topic, subject, 0, 0 FROM unnest(%s::text[], %s::text[]) AS given (topic, subject)
ORDER BY topic, subject
ON CONFLICT (consumer, topic, subject) DO NOTHING
"""
_LOCK_ROWS = """
SELECT topic, subject, position, number, letter_id
FROM consuming.inbox
JOIN unnest(%s::text[], %s::text[]) AS given (topic, subject) USING (topic, subject)
WHERE consumer = %s ORDER BY topic, subject FOR UPDATE OF inbox
"""
_TAKEN = """
UPDATE consuming.inbox SET position = given.position, number = given.number
FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::integer[])
     AS given (topic, subject, position, number)
WHERE inbox.consumer = %s AND inbox.topic = given.topic AND inbox.subject = given.subject
"""
_PARK = """
INSERT INTO consuming.parked (consumer, topic, subject, position, number, item)
SELECT %s, topic, subject, position, number, item
FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::integer[], %s::json[])
     AS given (topic, subject, position, number, item)
"""
_REJECT = """
INSERT INTO consuming.dead_letters (consumer, topic, subject, position, number, item, reason)
VALUES (%s, %s, %s, %s, %s, %s::json, %s) RETURNING letter_id
"""
_HOLD = """
UPDATE consuming.inbox SET letter_id = %s WHERE consumer = %s AND topic = %s AND subject = %s
"""


@dataclass(frozen=True)
class Sorted:
    """Items that were not taken before: to be handled, or parked behind a dead letter."""

    to_handle: list[Item]
    to_park: list[Item]


class Inbox:
    """One consumer's. Every method works in the caller's transaction."""

    def __init__(self, consumer: str) -> None:
        self._consumer = consumer
        self._begins_after: int | None = None
        self._lost: list[tuple[int, int]] = []

    def register(self, connection: Connection[TupleRow]) -> None:
        """A consumer that is new begins at the head of the log."""
        connection.execute(_REGISTER, (self._consumer,))

    def lock(self, connection: Connection[TupleRow], items: Sequence[Item]) -> Sorted:
        """Hold the subjects of these items until the transaction ends, and sort the items out."""
        self._look_up(connection)
        items = [item for item in items if self._is_ours(item["position"])]
        if not items:
            return Sorted([], [])
        topics, subjects = map(list, zip(*sorted({*map(key_of, items)}), strict=True))
        connection.execute(_MAKE_ROWS, (self._consumer, topics, subjects), prepare=True)
        rows = connection.execute(
            _LOCK_ROWS, (topics, subjects, self._consumer), prepare=True
        ).fetchall()
        last = {Key(row[0], row[1]): Rank(row[2], row[3]) for row in rows}
        held = {Key(row[0], row[1]) for row in rows if row[4] is not None}
        fresh = []
        for item in items:
            key, rank = key_of(item), rank_of(item)
            if rank > last[key]:
                last[key] = rank
                fresh.append(item)
        return Sorted(
            [item for item in fresh if key_of(item) not in held],
            [item for item in fresh if key_of(item) in held],
        )

    def take(self, connection: Connection[TupleRow], items: Iterable[Item]) -> None:
        """Write down that these were taken."""
        last = {key_of(item): rank_of(item) for item in items}
        if last:
            columns = zip(*((*key, *rank) for key, rank in last.items()), strict=True)
            connection.execute(_TAKEN, (*map(list, columns), self._consumer), prepare=True)

    def park(self, connection: Connection[TupleRow], items: Sequence[Item]) -> None:
        """Keep items until the dead letter before them is settled."""
        if items:
            rows = ((*key_of(item), *rank_of(item), _text(item)) for item in items)
            connection.execute(_PARK, (self._consumer, *map(list, zip(*rows, strict=True))))
            self.take(connection, items)

    def reject(self, connection: Connection[TupleRow], item: Item, reason: str) -> int:
        """Make a dead letter of an item, and hold up what follows it. Answers the letter's id."""
        letter_id = self.letter(connection, item, reason)
        self.take(connection, [item])
        self.hold(connection, key_of(item), letter_id)
        return letter_id

    def letter(self, connection: Connection[TupleRow], item: Item, reason: str) -> int:
        """Write a dead letter. Answers its id."""
        row = connection.execute(
            _REJECT, (self._consumer, *key_of(item), *rank_of(item), _text(item), reason)
        ).fetchone()
        assert row is not None
        return int(row[0])

    def hold(self, connection: Connection[TupleRow], key: Key, letter_id: int | None) -> None:
        """Hold up what follows in a subject; behind no letter, let it go on."""
        connection.execute(_HOLD, (letter_id, self._consumer, *key))

    def _is_ours(self, position: int) -> bool:
        """Neither from before the consumer began, nor from what a restore of the log has lost.

        Kafka remembers the latter; it is not in the books.
        """
        assert self._begins_after is not None
        return position > self._begins_after and not any(
            known < position <= lost_until for known, lost_until in self._lost
        )

    def _look_up(self, connection: Connection[TupleRow]) -> None:
        """Once a process: nobody runs while a log is restored."""
        if self._begins_after is None:
            row = connection.execute(_BEGINS_AFTER, (self._consumer,)).fetchone()
            assert row is not None, "the consumer is registered"
            self._lost = connection.execute(_LOST).fetchall()
            self._begins_after = row[0]


def _text(item: Item) -> str:
    return orjson.dumps(item).decode()
