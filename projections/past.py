"""The past: what a read model answered when it stood at a position of the log.

Nothing is kept for it; only the summary keeps of its rows when they came and ended. The events of
the streams concerned are folded up to the position by the read model's own folds, and shown by its
own SQL, which finds the folded rows where it would find the table's. Only which rows a page of a
list holds is asked of the live table: they are sorted and filtered by columns that never change,
and each carries the position at which it was added.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

import orjson
from psycopg import sql
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from domain.errors import BrokenRule
from infra.errors import InfrastructureError
from infra.event_store.as_of import AsOf, PastEvents
from infra.event_store.reader import RecordedEvent
from infra.keyring import Keyring
from infra.postgres.pool import borrowed
from projections.installation import schema_name
from projections.listing import Page
from projections.loan_in_full import LOAN_SQL, LoanInFull
from projections.loans import LOANS
from projections.past_lists import (
    PAST_MEMBERS,
    REPAID,
    PageRow,
    PastList,
    last_words,
    newest_repayments,
    receipts_told,
)
from projections.read_model import ReadModel
from projections.rows import Rows
from projections.summary import Summary, summary_as_of

Found = TypeVar("Found", Page, Summary)

BEHIND_SECONDS_MAX = 2.0
_LOOK_SECONDS = 0.02

_LIST = """
SELECT coalesce(json_agg(json_build_object({item}) ORDER BY {order}), '[]')::text
FROM {table} AS t
"""
_ITEM = "SELECT json_build_object({item})::text FROM {table} AS t"


class StateFilterRefused(BrokenRule):
    """Only `daystar replay` can filter by a state that things had in the past."""

    code = "state_filter_in_the_past"

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(
            f"As of a moment in the past this list cannot be filtered by {', '.join(names)}: leave"
            " that out, or have `daystar replay --until POSITION` make tables as of that moment,"
            " to be asked in SQL."
        )


class ReadModelBehind(InfrastructureError):
    """The list does not know yet which rows there were at this position. Please try again."""


class Past:
    """Answers as of a place in the log. What erased persons were called is told of no time."""

    def __init__(self, pool: ConnectionPool, keyring: Keyring) -> None:
        self._pool = pool
        self._keyring = keyring

    def member(self, member_id: UUID, as_of: AsOf) -> str | None:
        """A member as JSON text, as the live list shows members; None if there was none."""
        row = {"key": str(member_id)}
        rows = self._folded(PAST_MEMBERS, [row], as_of)
        return self._shown(_ITEM, PAST_MEMBERS, rows, as_of) if rows else None

    def loan(self, loan_id: UUID, as_of: AsOf) -> LoanInFull | None:
        """A loan in full, as `loan_in_full` tells it; None if there was none."""
        past = self._events()
        events = past.of_streams([loan_id], until=as_of, topics=LOANS.topics)
        newest = newest_repayments(events)
        newest += receipts_told(past, newest, as_of)
        rows = _fold(LOANS, last_words(events)) | {"repayments": _fold(LOANS, newest)["repayments"]}
        found = self._read(
            LOAN_SQL,
            LOANS,
            as_of,
            loan_id=loan_id,
            **{table: rows[table].gathered() for table in LOANS.keys},
        )
        if found is None:
            return None
        loan, position, schedule, repayments, _ = found
        total = sum(event.topic in REPAID for event in events)
        return LoanInFull(loan, schedule, repayments, total, position)

    def summary(self, as_of: AsOf, *, date_from: date, date_to: date) -> Summary:
        """The financial summary of a window, both days included. Raises ReadModelBehind."""
        found = _not_behind(
            lambda: summary_as_of(self._pool, as_of.position, date_from=date_from, date_to=date_to),
            as_of,
        )
        return replace(found, position=as_of.position)

    def page(
        self,
        past_list: PastList,
        as_of: AsOf,
        *,
        per_page: int,
        filters: Mapping[str, Any],
        page: int = 1,
    ) -> Page:
        """A page of a list, found by its number.

        Raises:
            StateFilterRefused: a filter speaks of what changes.
            ReadModelBehind: the live list has not come as far as the position.
        """
        asked = self._filters(past_list, filters, as_of)
        return self._page(
            past_list,
            as_of,
            lambda: past_list.rows.page(self._pool, page=page, per_page=per_page, filters=asked),
        )

    def following(
        self,
        past_list: PastList,
        as_of: AsOf,
        *,
        per_page: int,
        filters: Mapping[str, Any],
        after: Sequence[Any],
        read_at: int,
    ) -> Page:
        """What follows a row of a list. Raises what `page` raises, and LostPlace."""
        asked = self._filters(past_list, filters, as_of)
        return self._page(
            past_list,
            as_of,
            lambda: past_list.rows.following(
                self._pool, after=after, read_at=read_at, per_page=per_page, filters=asked
            ),
        )

    def _filters(
        self, past_list: PastList, filters: Mapping[str, Any], as_of: AsOf
    ) -> dict[str, Any]:
        asked = {name: value for name, value in filters.items() if value is not None}
        refused = sorted(past_list.state_filters & asked.keys())
        if refused:
            raise StateFilterRefused(refused)
        return asked | {"as_of_position": as_of.position}

    def _page(self, past_list: PastList, as_of: AsOf, find: Callable[[], Page]) -> Page:
        found = _not_behind(find, as_of)
        page = orjson.loads(found.json_text)
        rows = self._folded(past_list, page, as_of)
        assert len(rows) == len(page), "each row of the page was there by then"
        shown = self._shown(_LIST, past_list, rows, as_of)
        return replace(found, json_text=shown)

    def _folded(
        self, past_list: PastList, page: Sequence[PageRow], as_of: AsOf
    ) -> list[dict[str, Any]]:
        """The rows of a page as they stood. What else its events touched is left out."""
        events = past_list.events(self._events(), page, as_of) if page else []
        gathered = _fold(past_list.model, events)[past_list.listing.table].gathered()
        keys = {row["key"] for row in page}
        return [row for row in gathered if row[past_list.key] in keys]

    def _shown(
        self, statement: str, past_list: PastList, rows: list[dict[str, Any]], as_of: AsOf
    ) -> str:
        listing = past_list.listing
        shown = self._read(
            statement.format(
                item=listing.item,
                table=f"{listing.schema}.{listing.table}",
                order=", ".join(f"t.{column} DESC" for column in listing.order),
            ),
            past_list.model,
            as_of,
            **{listing.table: rows},
        )
        assert shown is not None, "there are rows, or there is an empty list"
        text: str = shown[0]
        return text

    def _read(
        self, statement: str, model: ReadModel, as_of: AsOf, **parameters: Any
    ) -> TupleRow | None:
        told = {
            name: orjson.dumps(value).decode() if isinstance(value, list) else value
            for name, value in parameters.items()
        }
        with borrowed(self._pool) as connection:
            return connection.execute(
                sql.SQL(_of_the_past(statement, model)),
                told | {"as_of_position": as_of.position, "recorded_at": as_of.recorded_at},
            ).fetchone()

    def _events(self) -> PastEvents:
        return PastEvents(self._pool, self._keyring)


def _not_behind(find: Callable[[], Found], as_of: AsOf) -> Found:
    """What is found once the read model has come as far. Raises ReadModelBehind."""
    deadline = time.monotonic() + BEHIND_SECONDS_MAX
    found = find()
    while found.position < as_of.position:
        if time.monotonic() > deadline:
            raise ReadModelBehind
        time.sleep(_LOOK_SECONDS)
        found = find()
    return found


def _fold(model: ReadModel, events: Iterable[RecordedEvent]) -> dict[str, Rows]:
    rows = model.rows(schema_name(model))
    for event in events:
        fold = model.folds.get(event.topic)
        if fold is not None:
            fold(event, rows)
    return rows


def _of_the_past(statement: str, model: ReadModel) -> str:
    """A statement on a read model, on folded rows: they stand where it finds tables.

    What it says of today it says of the day on which the position was recorded.
    """
    schema = schema_name(model)
    for table in model.keys:
        rows = f"json_populate_recordset(NULL::{schema}.{table}, %({table})s::json) AS"
        statement = statement.replace(f"{schema}.{table} AS", rows)
    position = "(SELECT %(as_of_position)s::bigint AS position) AS"
    return statement.replace(f"{schema}.position AS", position).replace(
        "now()", "%(recorded_at)s::timestamptz"
    )
