"""The desk of dead letters: what a consumer rejected, and what waits behind it.

A letter is replayed once its cause is mended, or dropped with a reason; then what was parked behind
it is handled in order. All that is one transaction: where a parked item does not go either, what
was handled before it stays handled, and it becomes a letter of its own, with the rest behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow, class_row
from psycopg_pool import ConnectionPool

from consumers.public_events.handling import Done, Handler, Item, Outcome, Reject
from consumers.public_events.inbox import Inbox
from consumers.public_events.items import Key
from infra.errors import InfrastructureError
from infra.postgres.pool import borrowed
from projections.batch import brief

_LETTER = """
SELECT letter_id, consumer, topic, subject, item, reason, attempts, rejected_at, state,
       settled_at, settled_by, settled_because,
       CASE WHEN state = 'open' THEN
           (SELECT count(*) FROM consuming.parked p
            WHERE (p.consumer, p.topic, p.subject) = (l.consumer, l.topic, l.subject))
       ELSE 0 END AS parked
FROM consuming.dead_letters l
"""
_LIST = (
    _LETTER
    + " WHERE (%(consumer)s::text IS NULL OR consumer = %(consumer)s) AND state = %(state)s"
    + " ORDER BY letter_id LIMIT %(limit)s"
)
_ONE = _LETTER + " WHERE letter_id = %s"
_LOCK_SUBJECT = """
SELECT FROM consuming.inbox WHERE consumer = %s AND topic = %s AND subject = %s FOR UPDATE
"""
_TRIED = """
UPDATE consuming.dead_letters SET attempts = attempts + 1, reason = %s WHERE letter_id = %s
"""
_SETTLE = """
UPDATE consuming.dead_letters
SET state = %s, settled_at = now(), settled_by = %s, settled_because = %s
WHERE letter_id = %s
"""
_PARKED = """
SELECT item, position, number FROM consuming.parked
WHERE consumer = %s AND topic = %s AND subject = %s ORDER BY position, number LIMIT 1
"""
_UNPARK = """
DELETE FROM consuming.parked
WHERE consumer = %s AND topic = %s AND subject = %s AND position = %s AND number = %s
"""


class NoOpenLetter(InfrastructureError):
    """There is no such letter, or it is settled."""


@dataclass(frozen=True)
class DeadLetter:
    """An item that a consumer rejected. `parked` items of its subject wait behind it."""

    letter_id: int
    consumer: str
    topic: str
    subject: str
    item: Item
    reason: str
    attempts: int
    rejected_at: datetime
    state: str
    settled_at: datetime | None
    settled_by: str | None
    settled_because: str | None
    parked: int

    @property
    def key(self) -> Key:
        return Key(self.topic, self.subject)


@dataclass(frozen=True)
class Settled:
    """What came of it: how many parked items were handled, and the letter that now holds the rest.

    `refused` is why the letter itself did not go; then nothing else was tried.
    """

    handled: int = 0
    next_letter: int | None = None
    refused: str | None = None


class DeadLetters:
    """All consumers'. `handler_of` gives the handler of a consumer by its name."""

    def __init__(self, pool: ConnectionPool, handler_of: Callable[[str], Handler]) -> None:
        self._pool = pool
        self._handler_of = handler_of

    def list(
        self, *, consumer: str | None = None, state: str = "open", limit: int = 100
    ) -> list[DeadLetter]:
        """The oldest of a state first."""
        wanted = {"consumer": consumer, "state": state, "limit": limit}
        with borrowed(self._pool) as connection:
            cursor = connection.cursor(row_factory=class_row(DeadLetter))
            return cursor.execute(_LIST, wanted).fetchall()

    def one(self, letter_id: int) -> DeadLetter:
        """One letter.

        Raises:
            NoOpenLetter: there is none of this number.
        """
        with borrowed(self._pool) as connection:
            return _one(connection, letter_id)

    def replay(self, letter_id: int, *, by: str) -> Settled:
        """Handle the letter, then what is parked behind it.

        Raises:
            NoOpenLetter: there is nothing to replay.
        """
        with self._pool.connection() as connection, connection.transaction():
            letter = _locked(connection, letter_id)
            handler = self._handler_of(letter.consumer)
            outcome = _tried(connection, handler, letter.item)
            if not isinstance(outcome, Done):
                connection.execute(_TRIED, (outcome.reason, letter_id))
                return Settled(refused=outcome.reason)
            connection.execute(_SETTLE, ("replayed", by, None, letter_id))
            return _drained(connection, handler, letter.key)

    def drop(self, letter_id: int, *, by: str, reason: str) -> Settled:
        """Let the letter's item be, for a reason, and handle what is parked behind it.

        Raises:
            NoOpenLetter: there is nothing to drop.
        """
        with self._pool.connection() as connection, connection.transaction():
            letter = _locked(connection, letter_id)
            connection.execute(_SETTLE, ("dropped", by, reason, letter_id))
            return _drained(connection, self._handler_of(letter.consumer), letter.key)


def _one(connection: Connection[TupleRow], letter_id: int) -> DeadLetter:
    cursor = connection.cursor(row_factory=class_row(DeadLetter))
    letter = cursor.execute(_ONE, (letter_id,)).fetchone()
    if letter is None:
        raise NoOpenLetter(f"There is no dead letter {letter_id}.")
    return letter


def _locked(connection: Connection[TupleRow], letter_id: int) -> DeadLetter:
    """The letter, open, with its subject held: nobody parks or settles meanwhile."""
    letter = _one(connection, letter_id)
    connection.execute(_LOCK_SUBJECT, (letter.consumer, *letter.key))
    letter = _one(connection, letter_id)
    if letter.state != "open":
        raise NoOpenLetter(f"Dead letter {letter_id} was {letter.state} at {letter.settled_at}.")
    return letter


def _drained(connection: Connection[TupleRow], handler: Handler, key: Key) -> Settled:
    """Handle what is parked, in order, up to the first that does not go."""
    inbox = Inbox(handler.name)
    handled = 0
    while (row := connection.execute(_PARKED, (handler.name, *key)).fetchone()) is not None:
        item, position, number = row
        outcome = _tried(connection, handler, item)
        connection.execute(_UNPARK, (handler.name, *key, position, number))
        if not isinstance(outcome, Done):
            letter_id = inbox.letter(connection, item, outcome.reason)
            inbox.hold(connection, key, letter_id)
            return Settled(handled, next_letter=letter_id)
        handled += 1
    inbox.hold(connection, key, None)
    return Settled(handled)


def _tried(connection: Connection[TupleRow], handler: Handler, item: Item) -> Outcome:
    """Handle one item; unless it is done, nothing of it stays."""
    try:
        with connection.transaction() as attempt:
            [outcome] = handler.handle(connection, [item])
            if not isinstance(outcome, Done):
                attempt.force_rollback = True
    except psycopg.OperationalError:
        raise
    except Exception as error:  # noqa: BLE001 - as in the loop: it is the item's own affair
        return Reject(f"{type(error).__name__}: {brief(error)}")
    return outcome
