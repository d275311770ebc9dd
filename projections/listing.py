"""Pages of a read model, made into JSON text by PostgreSQL itself, newest first.

Rows, total and position come from one statement, so they speak of the same moment. Counting costs
more than reading a page, so a total is counted once for each position and filter, and remembered.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from psycopg import sql
from psycopg_pool import ConnectionPool

from infra.postgres.pool import borrowed

_TOTALS_KEPT_MAX = 1_000

_Totals = dict[tuple[object, ...], tuple[int, int]]

_PAGE = """
SELECT json_build_object(
    {plural}, coalesce((
        SELECT json_agg(json_build_object({item}))
        FROM (SELECT * FROM {table} AS t {where} ORDER BY {order}
              LIMIT %(per_page)s OFFSET %(offset)s) AS t
    ), '[]'::json),
    'pagination', json_build_object(
        'page', %(page)s::int, 'per_page', %(per_page)s::int, 'total_items', counted.total,
        'total_pages', ceil(counted.total / %(per_page)s::numeric)::int)
)::text, p.position, counted.total
FROM {schema}.position AS p,
LATERAL (SELECT CASE WHEN p.position = %(known_position)s THEN %(known_total)s::bigint
                     ELSE (SELECT count(*) FROM {table} AS t {where}) END AS total) AS counted
"""


@dataclass(frozen=True)
class Page:
    """A page as JSON text, and the position of the read model it was read at."""

    json_text: str
    position: int


@dataclass
class Listing:
    """One list of the API: which rows, in which order, shown how.

    `item` is the SQL inside `json_build_object` for a row `t`; `filters` maps each parameter to its
    condition.
    """

    plural: str
    schema: str
    table: str
    item: str
    order: str
    filters: Mapping[str, str]
    _statements: dict[tuple[str, ...], bytes] = field(default_factory=dict)
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
        parameters = {
            **active,
            "page": page,
            "per_page": per_page,
            "offset": (page - 1) * per_page,
            "known_position": known_position,
            "known_total": known_total,
        }
        with borrowed(pool) as connection:
            row = connection.execute(
                self._statement(tuple(active)), parameters, prepare=True
            ).fetchone()
        assert row is not None, "a read model has one position row"
        json_text, position, total = row
        if position != known_position:
            self._remember(totals, counted_as, position, total)
        return Page(json_text, position)

    def _statement(self, active: tuple[str, ...]) -> bytes:
        if active not in self._statements:
            self._statements[active] = self._composed(active).as_bytes()
        return self._statements[active]

    def _composed(self, active: tuple[str, ...]) -> sql.Composed:
        conditions = [sql.SQL(self.filters[name]) for name in active]
        where = sql.SQL("WHERE ") + sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("")
        return sql.SQL(_PAGE).format(
            plural=sql.Literal(self.plural),
            item=sql.SQL(self.item),
            schema=sql.Identifier(self.schema),
            table=sql.Identifier(self.schema, self.table),
            where=where,
            order=sql.SQL(self.order),
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
