"""Connections to PostgreSQL: always as the application's role, in autocommit mode, durable."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

import psycopg
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from infra.errors import InfrastructureError
from infra.postgres.migrate import APPLICATION_ROLE

CONNECT_TIMEOUT_SECONDS = 5
WAIT_SECONDS_MAX = 10.0
SLICE_ROWS = 5_000


class SlowDriver(InfrastructureError):
    """psycopg's binary part is missing; reading would be nine times slower."""


def open_pool(
    url: str,
    *,
    size_max: int,
    statement_timeout_milliseconds: int = 5_000,
    wait_seconds_max: float = WAIT_SECONDS_MAX,
    name: str = "daystar",
) -> ConnectionPool:
    """A pool that opens connections as they are needed and mends itself when the server returns."""
    if psycopg.pq.__impl__ == "python":
        raise SlowDriver("Install psycopg[binary]: the pure-Python driver is far too slow.")
    return _Pool(
        application_url(url, statement_timeout_milliseconds=statement_timeout_milliseconds),
        min_size=1,
        max_size=size_max,
        timeout=wait_seconds_max,
        kwargs={"autocommit": True, "application_name": name, "prepare_threshold": 3},
        open=True,
        name=name,
    )


class _Pool(ConnectionPool):
    """Hands out no connection that the server has closed: a restart costs the next caller nothing.

    On an idle connection whose server is gone there is something to read, the goodbye or the end.
    Looking for that takes microseconds, where the pool's own check is a question to the server; it
    is asked only where there is something to read.
    """

    def getconn(self, timeout: float | None = None) -> Connection[TupleRow]:
        while True:
            connection = super().getconn(timeout)
            try:
                if _something_to_read(connection):
                    self.check_connection(connection)
            except psycopg.Error:
                connection.close()
                self.putconn(connection)  # and another is opened in its place
            else:
                return connection


def _something_to_read(connection: Connection[TupleRow]) -> bool:
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


@contextmanager
def borrowed(pool: ConnectionPool) -> Iterator[Connection[TupleRow]]:
    """A connection for a moment's autocommit work.

    `pool.connection()` ends with a COMMIT that has nothing to commit and is not free; on the paths
    that are taken thousands of times a second, this one leaves it out.
    """
    connection = pool.getconn()
    try:
        yield connection
    finally:
        pool.putconn(connection)


def delete_in_slices(pool: ConnectionPool, statement: LiteralString, *, days: int) -> int:
    """Run a DELETE that takes an age in days and a number of rows until nothing is left for it.

    It may be an UPDATE that wipes. Many short transactions instead of one long one. Answers how
    many rows went.
    """
    deleted = 0
    while True:
        with borrowed(pool) as connection:
            rows = connection.execute(statement, (days, SLICE_ROWS)).rowcount
        deleted += rows
        if rows < SLICE_ROWS:
            return deleted


def application_url(url: str, *, statement_timeout_milliseconds: int) -> str:
    """The same database, entered as the application's role: it can append and read, no more."""
    options = conninfo_to_dict(url).get("options") or ""
    return make_conninfo(
        url,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        options=f"{options} -c role={APPLICATION_ROLE}"
        f" -c statement_timeout={statement_timeout_milliseconds}"
        " -c idle_in_transaction_session_timeout=60000 -c synchronous_commit=on".strip(),
    )
