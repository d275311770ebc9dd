"""One batch of events into one read model: fold in memory, write at once, move the position.

Rows and position are one transaction, fenced by the position one expected. The same code serves the
follower (live, small batches) and a rebuild (a shadow schema, large ones, several folded together).
"""

from __future__ import annotations

import psycopg
from psycopg import Cursor, sql
from psycopg.rows import TupleRow

from infra.event_store.reader import RecordedEvent
from projections.read_model import ReadModel
from projections.rows import RowMissing


class ProjectionFailure(Exception):
    """A projection could not take an event."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.position = position
        self.reason = reason


class OtherFollower(Exception):
    """Another process moved this read model on."""


class PendingRows:
    """What folded events change in one read model, until it is written."""

    def __init__(self, model: ReadModel, schema: str) -> None:
        self._model = model
        self._schema = schema
        self._rows = model.rows(schema)

    @property
    def values_pending(self) -> int:
        """How many values wait to be written."""
        return sum(table.values_pending for table in self._rows.values())

    def fold(self, events: list[RecordedEvent]) -> None:
        """Let events change rows in memory.

        Raises:
            ProjectionFailure: a fold could not take an event.
        """
        folds = self._model.folds
        rows = self._rows
        for event in events:
            try:
                fold = folds.get(event.topic)
                if fold is not None:
                    fold(event, rows)
            except Exception as error:  # one projection stops and says so
                reason = f"{event.topic}: {type(error).__name__}: {brief(error)}"
                raise ProjectionFailure(event.position, reason) from error

    def write(self, cursor: Cursor[TupleRow], *, after: int, end: int) -> None:
        """Write the rows and move the position, in the caller's transaction.

        The advisory lock keeps a batch and the swap of a rebuild apart: no batch writes to two
        schemas.

        Raises:
            OtherFollower: the position was not the expected one.
        """
        lock_batches(cursor, self._model)
        cursor.execute(
            sql.SQL(
                "UPDATE {}.position SET position = %s, updated_at = now() WHERE position = %s"
            ).format(sql.Identifier(self._schema)),
            (end, after),
        )
        if cursor.rowcount != 1:
            raise OtherFollower
        for table in self._rows.values():
            table.write(cursor)


def apply_batch(
    cursor: Cursor[TupleRow],
    model: ReadModel,
    schema: str,
    events: list[RecordedEvent],
    *,
    after: int,
    end: int,
) -> None:
    """Fold events and write what they change, in the caller's transaction.

    Raises:
        ProjectionFailure: a fold could not take an event.
        OtherFollower: the position was not the expected one.
    """
    pending = PendingRows(model, schema)
    pending.fold(events)
    pending.write(cursor, after=after, end=end)


def lock_batches(cursor: Cursor[TupleRow], model: ReadModel) -> None:
    """Wait for the batch under way, and hold the next one off until this transaction ends.

    The transaction need not be durable: rows and position stand or fall together, and what a crash
    loses is folded again.
    """
    cursor.execute(
        "SELECT set_config('synchronous_commit', 'off', true),"
        " pg_advisory_xact_lock(4803223, hashtext(%s))",
        (model.name,),
    )


def brief(error: Exception) -> str:
    """What went wrong, without the row's contents: they may be personal."""
    if isinstance(error, psycopg.Error):
        said = error.diag.message_primary or "the database refused the rows"
        return said.partition(': "')[0]  # after it, the value itself is quoted
    return str(error) if isinstance(error, RowMissing | KeyError) else "the fold failed"
