"""Read models as of a moment, kept in schemas of their own, to be asked in SQL.

A past holds nobody's personal data: names, phones and purposes are null in it from the beginning,
so erasing a person leaves nothing to be wiped here. Whoever needs the names of those who are not
erased joins `read_members.members`. Nothing live is touched, and nothing follows the log here: a
past stays as it was made until it is dropped.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from infra.errors import InfrastructureError
from infra.event_store.as_of import AsOf
from infra.event_store.epochs import IS_LOST
from infra.event_store.reader import LogReader
from infra.postgres.migrate import APPLICATION_ROLE
from projections.filling import Filling
from projections.installation import drop_schema, make_indexes, make_tables
from projections.read_model import ReadModel
from projections.rebuild import Progress

PASTS_MAX = 5  # each takes as much room as the live read models
NAME = re.compile(r"[a-z][a-z0-9]{0,19}", re.ASCII)

_LIST = f"""
SELECT name, position, recorded_at, made_at, is_ready, {IS_LOST.replace("%(read_at)s", "position")}
FROM pasts.pasts ORDER BY position, name
"""
_BEGIN = "INSERT INTO pasts.pasts (name, position, recorded_at) VALUES (%s, %s, %s)"
_READY = "UPDATE pasts.pasts SET is_ready = true WHERE name = %s"
_FORGET = "DELETE FROM pasts.pasts WHERE name = %s"
_SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname LIKE %s ORDER BY nspname"
_READ_ONLY = "REVOKE INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {} FROM {}"


class ReplayRefused(InfrastructureError):
    """There are too many pasts, or one of this name, or another is being made."""


@dataclass(frozen=True)
class KeptPast:
    """A past that is kept. `is_lost`: it was made of what a restore has lost since."""

    name: str
    position: int
    recorded_at: datetime
    made_at: datetime
    is_ready: bool
    is_lost: bool


def past_schema(name: str, model: ReadModel) -> str:
    """Where a read model of a past lives."""
    return f"past_{name}_{model.name}"


def kept_pasts(connection: Connection[TupleRow]) -> list[KeptPast]:
    """All pasts, the oldest position first."""
    return [KeptPast(*row) for row in connection.execute(_LIST).fetchall()]


class Replay:
    """Makes and drops pasts, over a connection of the owner's.

    The reader is to open nobody's personal fields.
    """

    def __init__(
        self,
        owner_url: str,
        reader: LogReader,
        models: Iterable[ReadModel],
        *,
        report: Callable[[Progress], None],
        cancelled: threading.Event,
    ) -> None:
        self._owner_url = owner_url
        self._reader = reader
        self._models = list(models)
        self._report = report
        self._cancelled = cancelled

    def make(self, name: str, as_of: AsOf) -> list[str]:
        """Make the read models as of a position. Answers their schemas.

        Raises:
            ReplayRefused: says what to do.
            RebuildStopped: it was cancelled; nothing is left of it.
            ProjectionFailure: an event cannot be folded; nothing is left of it.
        """
        if not NAME.fullmatch(name):
            raise ReplayRefused(
                "Name a past by up to 20 small letters and digits, a letter first, such as march."
            )
        with self._alone() as connection:
            self._check_room(connection, name)
            connection.execute(_BEGIN, (name, as_of.position, as_of.recorded_at))
            is_ready = False
            try:
                self._reader.settle()
                for model in self._models:
                    self._make(connection, model, past_schema(name, model), as_of)
                connection.execute(_READY, (name,))
                is_ready = True
            finally:
                if not is_ready and not connection.broken:
                    _drop(connection, name)
        return [past_schema(name, model) for model in self._models]

    def drop(self, name: str) -> None:
        """Drop a past. Raises ReplayRefused where there is none of this name."""
        with self._alone() as connection:
            if name not in {past.name for past in kept_pasts(connection)}:
                raise ReplayRefused(f"There is no past named {name}; `daystar replay --list`.")
            _drop(connection, name)

    @contextmanager
    def _alone(self) -> Iterator[Connection[TupleRow]]:
        """One replay at a time; what another did not finish is gone."""
        with psycopg.connect(
            self._owner_url, application_name="daystar-replay", autocommit=True
        ) as connection:
            row = connection.execute("SELECT pg_try_advisory_lock(4803225)").fetchone()
            if not (row and row[0]):
                raise ReplayRefused("Another past is being made or dropped; wait for it.")
            try:
                for past in kept_pasts(connection):
                    if not past.is_ready:
                        _drop(connection, past.name)
                yield connection
            finally:
                # A session outlives the closing of its connection by a moment; its lock must not.
                if not connection.broken:
                    connection.execute("SELECT pg_advisory_unlock_all()")

    def _check_room(self, connection: Connection[TupleRow], name: str) -> None:
        names = [past.name for past in kept_pasts(connection)]
        if name in names:
            raise ReplayRefused(
                f"There is a past named {name} already: choose another name, or"
                f" `daystar replay --drop {name}` first."
            )
        if len(names) >= PASTS_MAX:
            raise ReplayRefused(
                f"{len(names)} pasts are kept ({', '.join(names)}), and no more than {PASTS_MAX}"
                " may be: drop one by `daystar replay --drop NAME`."
            )

    def _make(
        self, connection: Connection[TupleRow], model: ReadModel, schema: str, as_of: AsOf
    ) -> None:
        started = time.monotonic()

        def tell(phase: str, position: int) -> None:
            seconds = time.monotonic() - started
            self._report(
                Progress(model.name, phase, filling.events, position, as_of.position, seconds)
            )

        filling = Filling(
            self._reader,
            model,
            schema,
            cancelled=self._cancelled,
            report=partial(tell, "filling"),
        )
        with connection.transaction():
            make_tables(connection, model, schema)
        filling.fill(connection, 0, as_of.position)
        tell("indexing", as_of.position)
        make_indexes(connection, model, schema)
        connection.execute(
            sql.SQL(_READ_ONLY).format(sql.Identifier(schema), sql.Identifier(APPLICATION_ROLE))
        )
        tables = sql.SQL(", ").join(sql.Identifier(schema, table) for table in model.keys)
        connection.execute(sql.SQL("ANALYZE {}").format(tables))
        tell("made", as_of.position)


def _drop(connection: Connection[TupleRow], name: str) -> None:
    """Schema by schema, and the row last: whatever a crash leaves is found again."""
    for (schema,) in connection.execute(_SCHEMAS, (f"past\\_{name}\\_%",)).fetchall():
        drop_schema(connection, schema)
    connection.execute(_FORGET, (name,))
