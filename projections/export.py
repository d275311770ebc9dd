"""Whole lists, row by row, all of one moment, however many: memory stays flat.

One statement opens the cursor and reads the position: its first row. A rebuild's swap renames what
is being read and does not cut it; what was live is dropped when nobody reads it any more. The rows
come by the index of the list's order, so that the first is there at once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import orjson
from psycopg import ServerCursor, sql
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from projections.listing import Listing

ROWS_A_FETCH = 1_000

_WHOLE = """
SELECT json_build_object('position', p.position, 'columns', (
    SELECT json_agg(name) FROM json_object_keys(
        (SELECT json_build_object({item}) FROM (SELECT (NULL::{table}).*) AS t)
    ) AS name
))::text FROM {schema}.position AS p
UNION ALL
(SELECT json_build_object({item})::text FROM {table} AS t {where} ORDER BY {order})
"""


class ExportsBusy(Exception):
    """As many exports are under way as one process makes at a time."""


class Export:
    """One export under way: its position, its columns, and its rows as JSON text, in batches.

    Whoever has it closes it, at the end or before; else it would keep its connection.
    """

    def __init__(
        self,
        position: int,
        columns: list[str],
        cursor: ServerCursor[TupleRow],
        ending: ExitStack,
    ) -> None:
        self.position = position
        self.columns = columns
        self._cursor = cursor
        self._ending = ending

    def batches(self) -> Iterator[list[str]]:
        """Some rows at a time, each a JSON object."""
        while rows := self._cursor.fetchmany(ROWS_A_FETCH):
            yield [row[0] for row in rows]

    def close(self) -> None:
        """Give the connection back, whether or not all was read."""
        self._ending.close()


class Exports:
    """Exports over connections of their own: they keep none from those who ask for a page."""

    def __init__(self, pool: ConnectionPool, *, at_once_max: int) -> None:
        self.pool = pool
        self._free = threading.Semaphore(at_once_max)

    def begin(self, listing: Listing, filters: Mapping[str, Any]) -> Export:
        """Open the whole list as it is now. Filters whose value is None do not filter.

        Raises:
            ExportsBusy: others are under way; a little later there is room.
        """
        if not self._free.acquire(blocking=False):
            raise ExportsBusy
        active = {name: value for name, value in filters.items() if value is not None}
        with ExitStack() as ending:
            ending.callback(self._free.release)
            connection = ending.enter_context(self.pool.connection())
            # Nothing is written, so there is nothing to commit: an end is an end.
            ending.enter_context(connection.transaction(force_rollback=True))
            cursor = ending.enter_context(connection.cursor("export"))
            cursor.execute(_statement(listing, tuple(active)), active)
            first = cursor.fetchone()
            assert first is not None, "a read model has one position row"
            return Export(**orjson.loads(first[0]), cursor=cursor, ending=ending.pop_all())


def _statement(listing: Listing, active: tuple[str, ...]) -> sql.Composed:
    conditions = [sql.SQL(listing.filters[name]) for name in active]
    where = sql.SQL("WHERE ") + sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("")
    return sql.SQL(_WHOLE).format(
        schema=sql.Identifier(listing.schema),
        item=sql.SQL(listing.item),
        table=sql.Identifier(listing.schema, listing.table),
        where=where,
        order=sql.SQL(", ").join(
            sql.SQL("{} DESC").format(sql.Identifier("t", column)) for column in listing.order
        ),
    )
