"""Taking items: the handler's rows, the inbox and the feed's position in one transaction.

Items are taken many at once. Where some are to come later, all is undone and those are taken that
do not stand behind them. Where one does not go at all, they are taken one by one, and it becomes a
dead letter, behind which later items of its subject are parked.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import psycopg
import structlog
from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from consumers.public_events.handling import Done, Handler, Item, Outcome, Reject, RetryLater
from consumers.public_events.inbox import Inbox
from consumers.public_events.standing import OtherProcess
from infra.postgres.pool import borrowed
from projections.batch import brief

Save = Callable[[Connection[TupleRow]], None]
_OPEN_LETTERS = """
SELECT count(*) FROM consuming.dead_letters WHERE consumer = %s AND state = 'open'
"""

_log = structlog.get_logger()


class TooManyDeadLetters(Exception):
    """So many items were rejected that somebody must look before more are."""


@dataclass(frozen=True)
class Told:
    """An item and the line it stands in: what waits holds up all that is behind it in its line."""

    item: Item
    line: Hashable


@dataclass(frozen=True)
class Waiting:
    """The first item of its line that was not taken, and why."""

    item: Item
    reason: str


class _Undone(Exception):
    """Takes back what was written, because not every outcome is `Done`."""

    def __init__(self, items: Sequence[Item], outcomes: Sequence[Outcome]) -> None:
        super().__init__()
        self.outcomes = outcomes
        self.later = {
            item["id"]: outcome.reason
            for item, outcome in zip(items, outcomes, strict=True)
            if isinstance(outcome, RetryLater)
        }


class Taking:
    """Takes items for one handler."""

    def __init__(self, pool: ConnectionPool, handler: Handler, *, dead_letters_max: int) -> None:
        self._pool = pool
        self._handler = handler
        self._dead_letters_max = dead_letters_max
        self._inbox = Inbox(handler.name)

    def register(self) -> None:
        """See to it that the consumer is known, before it is fed."""
        with borrowed(self._pool) as connection:
            self._inbox.register(connection)

    def check_letters(self) -> None:
        """Go on only while few dead letters are open.

        Raises:
            TooManyDeadLetters: somebody must look at them first.
        """
        with borrowed(self._pool) as connection:
            row = connection.execute(_OPEN_LETTERS, (self._handler.name,), prepare=True).fetchone()
        if row is not None and row[0] >= self._dead_letters_max:
            raise TooManyDeadLetters

    def take(self, told: Sequence[Told], save: Save | None = None) -> dict[Hashable, Waiting]:
        """Take items. Answers what waits, by line: nothing, as a rule.

        `save` writes the feed's position; it is called where nothing waits.

        Raises:
            TooManyDeadLetters: not all were taken. Those that were are known when they come again.
        """
        self.check_letters()
        waiting: dict[Hashable, Waiting] = {}
        left = list(told)
        while left or not told:
            try:
                self._take_together([each.item for each in left], None if waiting else save)
            except (psycopg.OperationalError, OtherProcess):
                raise
            except _Undone as undone:
                if not undone.later:
                    break
                left, first = _parted(left, undone.later)
                waiting |= first  # they stand before those that were found first
            except Exception as error:  # noqa: BLE001 - one by one it is seen which item it was
                _log.warning("items_taken_singly", consumer=self._handler.name, error=_said(error))
                break
            else:
                return waiting
        waiting |= self._take_singly(left)
        if not waiting and save is not None:
            with self._pool.connection() as connection, connection.transaction():
                save(connection)
        return waiting

    def _take_together(self, items: Sequence[Item], save: Save | None = None) -> None:
        with self._pool.connection() as connection, connection.transaction():
            found = self._inbox.lock(connection, items)
            self._inbox.park(connection, found.to_park)
            if found.to_handle:
                outcomes = self._handler.handle(connection, found.to_handle)
                assert len(outcomes) == len(found.to_handle), "one outcome for each item"
                if not all(isinstance(outcome, Done) for outcome in outcomes):
                    raise _Undone(found.to_handle, outcomes)
                self._inbox.take(connection, found.to_handle)
            if save is not None:
                save(connection)

    def _take_singly(self, told: Sequence[Told]) -> dict[Hashable, Waiting]:
        waiting: dict[Hashable, Waiting] = {}
        for each in told:
            if each.line in waiting:
                continue
            match self._take_one(each.item):
                case RetryLater(reason):
                    waiting[each.line] = Waiting(each.item, reason)
                case Reject(reason):
                    self._reject(each.item, reason)
                case Done():
                    pass
        return waiting

    def _take_one(self, item: Item) -> Outcome:
        try:
            self._take_together([item])
        except psycopg.OperationalError:
            raise
        except _Undone as undone:
            return undone.outcomes[0]
        except Exception as error:  # noqa: BLE001 - the edge of a loop: one item holds up no other
            return Reject(_said(error))
        return Done()

    def _reject(self, item: Item, reason: str) -> None:
        with self._pool.connection() as connection, connection.transaction():
            if not self._inbox.lock(connection, [item]).to_handle:
                return  # another process took it meanwhile
            letter_id = self._inbox.reject(connection, item, reason)
        _log.error(
            "item_rejected",
            consumer=self._handler.name,
            item=item["id"],
            letter=letter_id,
            reason=reason,
        )
        self.check_letters()


def _parted(
    told: Sequence[Told], later: Mapping[str, str]
) -> tuple[list[Told], dict[Hashable, Waiting]]:
    """Those that stand behind none that is to come later; and the first such of each line."""
    free: list[Told] = []
    first: dict[Hashable, Waiting] = {}
    for each in told:
        if each.line in first:
            continue
        reason = later.get(each.item["id"])
        if reason is None:
            free.append(each)
        else:
            first[each.line] = Waiting(each.item, reason)
    return free, first


def _said(error: Exception) -> str:
    """What went wrong, without contents: they might be anybody's."""
    return f"{type(error).__name__}: {brief(error)}"
