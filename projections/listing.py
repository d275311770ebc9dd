"""Pages of a read model, made into JSON text by PostgreSQL itself, newest first.

Rows, total and position come from one statement, so they speak of the same moment. Counting costs
more than reading a page, so a total is counted once for each position and filter, and remembered.

A page is found by its number, which costs more the deeper it lies, or as what follows a certain
row, which costs the same everywhere and neither skips nor repeats a row while others are added.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from psycopg import sql
from psycopg_pool import ConnectionPool

from infra.event_store.epochs import IS_LOST
from infra.postgres.pool import borrowed

_TOTALS_KEPT_MAX = 1_000

_Totals = dict[tuple[object, ...], tuple[int, int]]

_ROWS = """
    SELECT coalesce(json_agg(json_build_object({item})) FILTER (WHERE t.nth <= %(per_page)s), '[]')
               AS json_text,
           count(*) > %(per_page)s AS more,
           (array_agg(json_build_array({keys})) FILTER (WHERE t.nth = %(per_page)s))[1] AS last
    FROM (SELECT *, row_number() OVER () AS nth
          FROM (SELECT * FROM {table} AS t {where} ORDER BY {order}
                LIMIT %(per_page)s + 1 OFFSET %(offset)s) AS t) AS t
"""
_PAGE = """
SELECT rows.json_text::text, p.position, rows.more, rows.last,
       CASE WHEN p.position = %(known_position)s THEN %(known_total)s::bigint
            ELSE (SELECT count(*) FROM {table} AS t {where}) END
FROM {schema}.position AS p, LATERAL ({rows}) AS rows
"""
_FOLLOWING = """
SELECT rows.json_text::text, p.position, rows.more, rows.last, NULL::bigint
FROM {schema}.position AS p, LATERAL ({rows}) AS rows
WHERE NOT {is_lost}
"""


def position_of(pool: ConnectionPool, schema: str) -> int:
    """Where a read model stands now."""
    statement = sql.SQL("SELECT position FROM {}.position").format(sql.Identifier(schema))
    with borrowed(pool) as connection:
        row = connection.execute(statement, prepare=True).fetchone()
    assert row is not None, "a read model has one position row"
    return int(row[0])


class LostPlace(Exception):
    """The place was told before a restore, and what it was told of may be lost."""


@dataclass(frozen=True)
class Page:
    """Rows as a JSON array, and the position of the read model they were read at.

    `last` tells the last row's place in the order while more rows follow; `total` counts all rows
    where it was asked for.
    """

    json_text: str
    position: int
    last: Sequence[Any] | None
    total: int | None


@dataclass
class Listing:
    """One list of the API: which rows, in which order, shown how.

    `item` is the SQL inside `json_build_object` for a row `t`; `order` names the columns of the
    order, each descending, with their types, and together they tell rows apart; `filters` maps each
    parameter to its condition.
    """

    plural: str
    schema: str
    table: str
    item: str
    order: Mapping[str, str]
    filters: Mapping[str, str]
    daily: bool = False
    of_persons: bool = False
    _statements: dict[tuple[tuple[str, ...], bool], bytes] = field(default_factory=dict)
    _totals: WeakKeyDictionary[ConnectionPool, _Totals] = field(default_factory=WeakKeyDictionary)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def page(
        self, pool: ConnectionPool, *, page: int, per_page: int, filters: Mapping[str, Any]
    ) -> Page:
        """Read one page. Filters whose value is None do not filter."""
        active = {name: value for name, value in filters.items() if value is not None}
        counted_as = tuple(sorted((name, str(value)) for name, value in active.items()))
        totals = self._totals_of(pool)
        known_position, known_total = totals.get(counted_as, (-1, 0))
        found = self._read(
            pool,
            self._statement(tuple(active), following=False),
            active
            | {
                "per_page": per_page,
                "offset": (page - 1) * per_page,
                "known_position": known_position,
                "known_total": known_total,
            },
        )
        assert found.total is not None, "a page by number is counted"
        if found.position != known_position:
            self._remember(totals, counted_as, found.position, found.total)
        return found

    def following(
        self,
        pool: ConnectionPool,
        *,
        after: Sequence[Any],
        read_at: int,
        per_page: int,
        filters: Mapping[str, Any],
    ) -> Page:
        """Read what follows a row, known by the values of its order columns.

        Raises:
            LostPlace: the row was read at a position that a restore has lost.
        """
        assert len(after) == len(self.order), "one value for each column of the order"
        active = {name: value for name, value in filters.items() if value is not None}
        return self._read(
            pool,
            self._statement(tuple(active), following=True),
            active
            | {f"after_{column}": value for column, value in zip(self.order, after, strict=True)}
            | {"per_page": per_page, "offset": 0, "read_at": read_at},
        )

    def _read(self, pool: ConnectionPool, statement: bytes, parameters: dict[str, Any]) -> Page:
        with borrowed(pool) as connection:
            row = connection.execute(statement, parameters, prepare=True).fetchone()
        if row is None:
            assert "read_at" in parameters, "a read model has one position row"
            raise LostPlace
        json_text, position, more, last, total = row
        return Page(json_text, position, last if more else None, total)

    def _statement(self, active: tuple[str, ...], *, following: bool) -> bytes:
        known = self._statements.get((active, following))
        if known is None:
            known = self._composed(active, following=following).as_bytes()
            self._statements[active, following] = known
        return known

    def _composed(self, active: tuple[str, ...], *, following: bool) -> sql.Composed:
        conditions: list[sql.Composable] = [sql.SQL(self.filters[name]) for name in active]
        if following:
            conditions.append(self._after())
        where = sql.SQL("WHERE ") + sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("")
        table = sql.Identifier(self.schema, self.table)
        columns = [sql.Identifier("t", column) for column in self.order]
        rows = sql.SQL(_ROWS).format(
            item=sql.SQL(self.item),
            keys=sql.SQL(", ").join(columns),
            table=table,
            where=where,
            order=sql.SQL(", ").join(sql.SQL("{} DESC").format(column) for column in columns),
        )
        return sql.SQL(_FOLLOWING if following else _PAGE).format(
            rows=rows,
            schema=sql.Identifier(self.schema),
            table=table,
            where=where,
            is_lost=sql.SQL(IS_LOST),
        )

    def _after(self) -> sql.Composed:
        """Rows compare as wholes, so PostgreSQL enters the index right there."""
        return sql.SQL("({}) < ({})").format(
            sql.SQL(", ").join(sql.Identifier("t", column) for column in self.order),
            sql.SQL(", ").join(
                sql.SQL("{}::{}").format(sql.Placeholder(f"after_{column}"), sql.SQL(type_name))
                for column, type_name in self.order.items()
            ),
        )

    def _totals_of(self, pool: ConnectionPool) -> _Totals:
        """What is known of this pool's database: positions of two databases may be equal."""
        with self._lock:
            return self._totals.setdefault(pool, {})

    def _remember(
        self, totals: _Totals, counted_as: tuple[object, ...], position: int, total: int
    ) -> None:
        with self._lock:
            if len(totals) >= _TOTALS_KEPT_MAX:
                totals.clear()
            totals[counted_as] = (position, total)
