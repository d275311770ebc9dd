"""Filling the tables of a read model from the log, in a schema of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from psycopg import Connection
from psycopg.rows import TupleRow

from infra.errors import InfrastructureError
from infra.event_store.reader import Batch, LogReader
from projections.batch import PendingRows
from projections.read_model import ReadModel

BATCH_EVENTS = 10_000
PENDING_VALUES_MAX = 250_000  # some 25 MB, and as much again while it is written


class RebuildStopped(InfrastructureError):
    """The rebuild was cancelled; the live read model was not touched."""


class Filling:
    """Folds the log into one schema. `report` is told the position, again and again."""

    def __init__(
        self,
        reader: LogReader,
        model: ReadModel,
        schema: str,
        *,
        cancelled: threading.Event,
        report: Callable[[int], None],
    ) -> None:
        self._reader = reader
        self._model = model
        self._schema = schema
        self._cancelled = cancelled
        self._report = report
        self.events = 0

    def fill(self, connection: Connection[TupleRow], after: int, until: int) -> int:
        """Fold what follows a position, to the end of the commit at `until`.

        Reading, folding and writing go on at once, a thread each. Rows changed again and again,
        such as balances, wait in memory until there are many.

        Raises:
            RebuildStopped: it was cancelled.
            ProjectionFailure: an event cannot be folded.
        """
        read = after
        pending = PendingRows(self._model, self._schema)
        with ThreadPoolExecutor(1) as reading, ThreadPoolExecutor(1) as writing:
            coming = reading.submit(self._read, read, until)
            going = writing.submit(lambda: None)
            while read < until:
                require(not self._cancelled.is_set(), "Cancelled")
                batch = coming.result()
                if batch.end == read:
                    time.sleep(0.01)  # a commit below `until` is still under way
                coming = reading.submit(self._read, batch.end, until)
                pending.fold(batch.events)
                self.events += len(batch.events)
                read = batch.end
                if pending.values_pending >= PENDING_VALUES_MAX or read >= until:
                    going.result()
                    going = writing.submit(self._write, connection, pending, after, read)
                    pending, after = PendingRows(self._model, self._schema), read
                self._report(read)
            going.result()
        return read

    def _write(
        self, connection: Connection[TupleRow], pending: PendingRows, after: int, end: int
    ) -> None:
        with connection.transaction():
            pending.write(connection.cursor(), after=after, end=end)

    def _read(self, after: int, until: int) -> Batch:
        return self._reader.read(after, limit=BATCH_EVENTS, topics=self._model.topics, until=until)


def require(go_on: bool, otherwise: str) -> None:  # noqa: FBT001 (reads as a sentence)
    """Raises RebuildStopped where it cannot go on."""
    if not go_on:
        raise RebuildStopped(f"{otherwise}: the live read model stays as it is.")
