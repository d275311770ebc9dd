"""Rebuilding a read model while the live one serves.

A shadow schema is filled from the log, brought to the very position of the live one, compared with
it, and put in its place by two renames under the lock that the follower takes for each batch. Until
the renames, nothing live has changed: stopping at any moment, or dying, leaves a shadow that the
next rebuild throws away.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import psycopg
from psycopg import Connection, Cursor, sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from infra.errors import InfrastructureError
from infra.event_store.reader import LogReader
from projections.batch import apply_batch, lock_batches
from projections.filling import Filling, require
from projections.follower import BEYOND_THE_LOG
from projections.installation import drop_schema, make_indexes, make_tables, schema_name
from projections.read_model import ReadModel

SWAP_LOCK_MILLISECONDS = 10_000  # a follower's batch takes far less
DROP_LOCK_MILLISECONDS = 500
# The server would finish a long statement of a rebuild that was killed, and hold up the next.
_OPTIONS = "-c application_name=daystar-rebuild -c client_connection_check_interval=500"

_NUMERIC_COLUMNS = """
SELECT column_name FROM information_schema.columns
WHERE table_schema = %s AND table_name = %s AND data_type = 'numeric' ORDER BY ordinal_position
"""


class AnotherRebuild(InfrastructureError):
    """This read model is being rebuilt already."""


@dataclass(frozen=True)
class Progress:
    """How far a rebuild has come. Positions grow by 1000 a commit; events are counted."""

    name: str
    phase: str
    events: int
    position: int
    head: int
    seconds: float

    @property
    def share(self) -> float:
        return min(self.position / self.head, 1.0) if self.head else 1.0


@dataclass(frozen=True)
class TableComparison:
    """One table, live and rebuilt, at the same position."""

    table: str
    live_rows: int
    shadow_rows: int
    live_sums: tuple[str, ...]
    shadow_sums: tuple[str, ...]
    is_equal: bool


@dataclass(frozen=True)
class Comparison:
    """What a rebuild would change."""

    position: int
    tables: tuple[TableComparison, ...]

    @property
    def is_equal(self) -> bool:
        return all(table.is_equal for table in self.tables)


class Rebuild:
    """One rebuild of one read model, over a connection of the owner's."""

    def __init__(
        self,
        owner_url: str,
        reader: LogReader,
        model: ReadModel,
        *,
        report: Callable[[Progress], None],
        cancelled: threading.Event,
    ) -> None:
        self._owner_url = owner_url
        self._reader = reader
        self._model = model
        self._live = schema_name(model)
        self._shadow = f"shadow_{model.name}"
        self._old = f"old_{model.name}"
        self._report = report
        self._cancelled = cancelled
        self._started = time.monotonic()
        self._filling = Filling(
            reader, model, self._shadow, cancelled=cancelled, report=partial(self._tell, "filling")
        )

    def run(self, *, confirm: Callable[[Comparison], bool]) -> Comparison:
        """Fill, compare, and swap if `confirm` says so.

        Raises:
            RebuildStopped: cancelled, or the comparison was not confirmed.
            AnotherRebuild: somebody else is at it.
            ProjectionFailure: an event cannot be folded; the live model is not touched.
        """
        with self._connection() as connection:
            live = _position(connection, self._live)
            require(live <= self._reader.head(), BEYOND_THE_LOG)
            drop_schema(connection, self._shadow)
            try:
                with connection.transaction():
                    make_tables(connection, self._model, self._shadow)
                self._reader.settle()
                position = self._filling.fill(connection, 0, _position(connection, self._live))
                self._tell("indexing", position)
                self._require_wanted()
                make_indexes(connection, self._model, self._shadow)
                self._require_wanted()
                connection.execute(sql.SQL("ANALYZE {}").format(self._tables(self._shadow)))
                comparison = self._compare(connection, position)
                require(confirm(comparison), "Not confirmed")
                self._swap(connection, comparison.position)
            except BaseException:
                drop_schema(connection, self._shadow)
                raise
            self._drop_old(connection)
        return comparison

    @contextmanager
    def _connection(self) -> Iterator[Connection[TupleRow]]:
        with self._connected(autocommit=True) as connection:
            row = connection.execute(
                "SELECT pg_try_advisory_lock(4803224, hashtext(%s))", (self._model.name,)
            ).fetchone()
            if not (row and row[0]):
                raise AnotherRebuild(f"{self._model.name} is being rebuilt already.")
            try:
                yield connection
            finally:
                # A session outlives the closing of its connection by a moment; its lock must not.
                if not connection.broken:
                    connection.execute("SELECT pg_advisory_unlock_all()")

    def _connected(self, *, autocommit: bool) -> Connection[TupleRow]:
        given = conninfo_to_dict(self._owner_url).get("options") or ""
        options = f"{given} {_OPTIONS}".strip()
        return psycopg.connect(self._owner_url, options=options, autocommit=autocommit)

    def _compare(self, connection: Connection[TupleRow], after: int) -> Comparison:
        """Read both at the live model's position of one moment; the live one goes on meanwhile."""
        with self._connected(autocommit=False) as moment:
            moment.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            position = _position(moment, self._live)
            self._filling.fill(connection, after, position)
            self._tell("comparing", position)
            tables = []
            for table in self._model.keys:
                self._require_wanted()
                tables.append(_compared(moment, connection, table, self._live, self._shadow))
        return Comparison(position, tuple(tables))

    def _swap(self, connection: Connection[TupleRow], position: int) -> None:
        """Catch up to the live position under the follower's lock, and trade names.

        What was live keeps a name of its own: whoever still reads it never holds a swap up.
        """
        position = self._filling.fill(connection, position, self._reader.head())
        with connection.transaction():
            cursor = connection.cursor()
            cursor.execute(f"SET LOCAL lock_timeout = {SWAP_LOCK_MILLISECONDS}")
            lock_batches(cursor, self._model)
            position = self._fill_tail(cursor, position)
            self._require_wanted()
            cursor.execute("SET LOCAL synchronous_commit = on")  # a swap that was told has happened
            self._rename(cursor, self._live, f"{self._old}_{position}_{time.time_ns()}")
            self._rename(cursor, self._shadow, self._live)
            cursor.execute(
                "UPDATE followers.followers SET state = 'following', error = NULL,"
                " error_position = NULL, stopped_at = NULL WHERE name = %s AND state = 'stopped'",
                (self._model.name,),
            )
        self._tell("swapped", position)

    def _require_wanted(self) -> None:
        require(not self._cancelled.is_set(), "Cancelled")

    def _rename(self, cursor: Cursor[TupleRow], old: str, new: str) -> None:
        cursor.execute(
            sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new))
        )

    def _fill_tail(self, cursor: Cursor[TupleRow], after: int) -> int:
        """The shadow must not serve older news than the live model has served already."""
        row = cursor.execute(
            sql.SQL("SELECT position FROM {}.position").format(sql.Identifier(self._live))
        ).fetchone()
        assert row is not None
        while after < row[0]:
            batch = self._reader.read(after, topics=self._model.topics, until=row[0])
            apply_batch(cursor, self._model, self._shadow, batch.events, after=after, end=batch.end)
            after = batch.end
        return after

    def _drop_old(self, connection: Connection[TupleRow]) -> None:
        """Drop what was live, unless somebody still reads it; then a later rebuild drops it."""
        rows = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname ~ %s", (f"^{self._old}_[0-9]+_[0-9]+$",)
        ).fetchall()
        for (schema,) in rows:
            try:
                with connection.transaction():
                    connection.execute(f"SET LOCAL lock_timeout = {DROP_LOCK_MILLISECONDS}")
                    drop_schema(connection, schema)
            except psycopg.errors.LockNotAvailable:
                self._tell(f"{schema} is still read", 0)

    def _tables(self, schema: str) -> sql.Composed:
        return sql.SQL(", ").join(sql.Identifier(schema, table) for table in self._model.keys)

    def _tell(self, phase: str, position: int) -> None:
        seconds = time.monotonic() - self._started
        self._report(
            Progress(
                self._model.name,
                phase,
                self._filling.events,
                position,
                self._reader.head(),
                seconds,
            )
        )


def _position(connection: Connection[TupleRow], schema: str) -> int:
    row = connection.execute(
        sql.SQL("SELECT position FROM {}.position").format(sql.Identifier(schema))
    ).fetchone()
    assert row is not None, "a read model has one position row"
    return int(row[0])


def _compared(
    moment: Connection[TupleRow],
    connection: Connection[TupleRow],
    table: str,
    live: str,
    shadow: str,
) -> TableComparison:
    live_summary = _summary(moment, live, table)
    shadow_summary = _summary(connection, shadow, table)
    return TableComparison(
        table,
        live_summary[0],
        shadow_summary[0],
        live_summary[1],
        shadow_summary[1],
        is_equal=live_summary == shadow_summary,
    )


def _summary(
    connection: Connection[TupleRow], schema: str, table: str
) -> tuple[int, tuple[str, ...], str]:
    """Rows, the sum of each amount, and a hash over every row whatever their order."""
    columns = [row[0] for row in connection.execute(_NUMERIC_COLUMNS, (schema, table)).fetchall()]
    sums = [
        sql.SQL("coalesce(sum({}), 0)::text").format(sql.Identifier(column)) for column in columns
    ]
    row = connection.execute(
        sql.SQL(
            "SELECT count(*), coalesce(sum(hash_record_extended(t, 0)), 0)::text {sums}"
            " FROM {table} AS t"
        ).format(
            sums=sql.SQL("").join(sql.SQL(", ") + part for part in sums),
            table=sql.Identifier(schema, table),
        )
    ).fetchone()
    assert row is not None
    return row[0], tuple(row[2:]), row[1]
