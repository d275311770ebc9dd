"""Rows gathered in memory while a batch is folded, then written at once.

Events carry the result of each change, so a fold only assigns: it adds a row, sets some of its
columns, or removes it, and never needs to read what is there. Each kind of change is one statement,
however many rows: PostgreSQL reads them from one JSON parameter, or, where many are added, by COPY.
"""

from __future__ import annotations

from collections import defaultdict
from operator import itemgetter
from typing import Any

import orjson
from psycopg import Cursor, sql
from psycopg.rows import TupleRow

COPY_ROWS_MIN = 200  # below it, the three messages of a COPY cost more than they save


class RowMissing(Exception):
    """An event speaks of a row that is not in the read model."""


class Rows:
    """The pending changes of one table with a single-column key."""

    def __init__(self, *, schema: str, table: str, key: str) -> None:
        self._table = sql.Identifier(schema, table)
        self._name = f"{schema}.{table}"
        self._key = key
        self._added: dict[str, dict[str, Any]] = {}
        self._changed: dict[str, dict[str, Any]] = {}
        self._removed: set[str] = set()
        self._swept: list[tuple[str, str, dict[str, Any]]] = []

    @property
    def values_pending(self) -> int:
        """How many values wait to be written: about how much memory they take."""
        added = len(self._added) * len(next(iter(self._added.values()), ()))
        return added + sum(map(len, self._changed.values())) + len(self._removed)

    def add(self, key: str, **columns: Any) -> None:
        """A row that was not there before, or was just removed, with all its columns.

        Values are text, numbers, booleans or None: a few rows go as JSON, many by COPY.
        """
        columns[self._key] = key
        self._added[key] = columns

    def set(self, key: str, **columns: Any) -> None:
        """New values for some columns of a row that is there."""
        row = self._added.get(key)
        if row is None:
            row = self._changed.setdefault(key, {self._key: key})
        row.update(columns)

    def remove(self, key: str) -> None:
        """Take the row away; whether it is there does not matter."""
        self._added.pop(key, None)
        self._changed.pop(key, None)
        self._removed.add(key)

    def sweep(self, column: str, value: str, **columns: Any) -> None:
        """New values for some columns of every row, however many, whose column has this value.

        Written last: no change of the same batch stands against it. For values that never return.
        """
        for row in self._added.values():
            if row.get(column) == value:
                row.update(columns)
        self._swept.append((column, value, columns))

    def gathered(self) -> list[dict[str, Any]]:
        """The rows as they stand, where everything was folded from the beginning."""
        return list(self._added.values())

    def added(self, key: str) -> dict[str, Any] | None:
        """One of them, as it stands."""
        return self._added.get(key)

    def write(self, cursor: Cursor[TupleRow]) -> None:
        """Write everything, in the caller's transaction, in key order (so that none deadlocks)."""
        if self._removed:
            cursor.execute(
                sql.SQL("DELETE FROM {} WHERE {}::text = ANY(%s)").format(
                    self._table, sql.Identifier(self._key)
                ),
                (sorted(self._removed),),
            )
        if self._added:
            self._insert(cursor, [self._added[key] for key in sorted(self._added)])
        by_columns: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
        for row in [self._changed[key] for key in sorted(self._changed)]:
            by_columns[tuple(sorted(row))].append(row)
        for columns, rows in by_columns.items():
            cursor.execute(self._update(columns), (orjson.dumps(rows).decode(),))
            if cursor.rowcount != len(rows):
                raise RowMissing(
                    f"{self._name}: {len(rows)} rows to change, {cursor.rowcount} found"
                )

        for column, value, changed in self._swept:
            cursor.execute(self._sweep(column, tuple(changed)), (*changed.values(), value))

    def _insert(self, cursor: Cursor[TupleRow], rows: list[dict[str, Any]]) -> None:
        columns = list(rows[0])
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        if len(rows) < COPY_ROWS_MIN:
            statement = sql.SQL(
                "INSERT INTO {table} ({names})"
                " SELECT {names} FROM json_populate_recordset(NULL::{table}, %s)"
            )
            cursor.execute(
                statement.format(table=self._table, names=names), (orjson.dumps(rows).decode(),)
            )
            return
        statement = sql.SQL("COPY {table} ({names}) FROM STDIN")
        with cursor.copy(statement.format(table=self._table, names=names)) as copy:
            for values in map(itemgetter(*columns), rows):
                copy.write_row(values)

    def _update(self, columns: tuple[str, ...]) -> sql.Composed:
        assignments = sql.SQL(", ").join(
            sql.SQL("{0} = new.{0}").format(sql.Identifier(column))
            for column in columns
            if column != self._key
        )
        return sql.SQL(
            "UPDATE {table} AS old SET {assignments}"
            " FROM json_populate_recordset(NULL::{table}, %s) AS new WHERE old.{key} = new.{key}"
        ).format(table=self._table, assignments=assignments, key=sql.Identifier(self._key))

    def _sweep(self, column: str, columns: tuple[str, ...]) -> sql.Composed:
        assignments = sql.SQL(", ").join(
            sql.SQL("{} = %s").format(sql.Identifier(changed)) for changed in columns
        )
        return sql.SQL("UPDATE {} SET {} WHERE {} = %s").format(
            self._table, assignments, sql.Identifier(column)
        )
