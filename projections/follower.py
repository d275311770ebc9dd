"""The loop that keeps read models: read the log once, fold it into each, write rows and position.

Rows and position are one transaction, fenced by the position one expected: two followers of the
same model never apply a batch twice. A projection that fails stops, says at which event and why,
and leaves the others running.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

import psycopg
import structlog
from psycopg import sql
from psycopg_pool import ConnectionPool, PoolTimeout

from infra.event_store.reader import Batch, LogReader, RecordedEvent, commits
from infra.postgres.pool import borrowed
from projections.batch import OtherFollower, ProjectionFailure, apply_batch, brief
from projections.installation import schema_name
from projections.read_model import ReadModel
from projections.rows import RowMissing

POLL_SECONDS_BUSY = 0.015  # a little patience makes larger batches, and those cost far less
POLL_SECONDS_IDLE = 0.25
_POLL_GROWTH = 1.15  # from busy to idle in some thirty empty polls, about two seconds
_RETRY_SECONDS = 1.0
BEYOND_THE_LOG = "It knows events that the log lacks; once restored, run `daystar restored`"

_log = structlog.get_logger()


class Follower:
    """Follows the log for several read models, each at its own position."""

    def __init__(
        self, pool: ConnectionPool, reader: LogReader, models: Iterable[ReadModel]
    ) -> None:
        self._pool = pool
        self._reader = reader
        self._models = list(models)
        self._topics = frozenset().union(*(model.topics for model in self._models))
        self._positions: dict[str, int] = {}

    def run(self, stop: threading.Event) -> None:
        """Follow until told to stop. A database that is away is waited for."""
        pause = POLL_SECONDS_BUSY
        while not stop.wait(pause):
            try:
                moved = self.catch_up_once()
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("database_away", error=type(error).__name__)
                self._positions.clear()
                pause = _RETRY_SECONDS
                continue
            pause = POLL_SECONDS_BUSY if moved else min(pause * _POLL_GROWTH, POLL_SECONDS_IDLE)

    def catch_up(self) -> None:
        """Follow until there is nothing more to read."""
        while self.catch_up_once():
            pass

    def catch_up_once(self) -> bool:
        """One batch for each read model that is behind. Answers whether any moved."""
        moved = False
        batches: dict[int, Batch] = {}
        for model in self._running():
            try:
                after = self._position(model)
            except ProjectionFailure as failure:
                self._stop(model, failure.position, failure.reason)
                continue
            if after not in batches:
                batches[after] = self._reader.read(after, topics=self._topics)
            batch = batches[after]
            if batch.end > after:
                moved |= self._advance(model, batch, after)
        return moved

    def _advance(self, model: ReadModel, batch: Batch, after: int) -> bool:
        try:
            self._write(model, batch.events, after=after, end=batch.end)
        except OtherFollower:
            self._positions.pop(model.name, None)
            return True
        except (ProjectionFailure, psycopg.DataError, psycopg.IntegrityError, RowMissing):
            return self._advance_by_commits(model, batch, after)
        self._positions[model.name] = batch.end
        return True

    def _advance_by_commits(self, model: ReadModel, batch: Batch, after: int) -> bool:
        """Take what can be taken, and stop the projection at the event that cannot."""
        for commit in commits(batch.events):
            end = commit[-1].position
            try:
                self._write(model, commit, after=after, end=end)
            except OtherFollower:
                self._positions.pop(model.name, None)
                break
            except ProjectionFailure as failure:
                self._stop(model, failure.position, failure.reason)
                break
            except (psycopg.DataError, psycopg.IntegrityError, RowMissing) as error:
                self._stop(model, commit[0].position, f"{type(error).__name__}: {brief(error)}")
                break
            after = self._positions[model.name] = end
        return True

    def _write(
        self, model: ReadModel, events: list[RecordedEvent], *, after: int, end: int
    ) -> None:
        with borrowed(self._pool) as connection, connection.transaction():
            apply_batch(
                connection.cursor(), model, schema_name(model), events, after=after, end=end
            )

    def _running(self) -> list[ReadModel]:
        with borrowed(self._pool) as connection:
            stopped = {
                row[0]
                for row in connection.execute(
                    "SELECT name FROM followers.followers WHERE state <> 'following'"
                ).fetchall()
            }
        return [model for model in self._models if model.name not in stopped]

    def _position(self, model: ReadModel) -> int:
        if model.name not in self._positions:
            with self._pool.connection() as connection:
                row = connection.execute(
                    sql.SQL("SELECT position FROM {}.position").format(
                        sql.Identifier(schema_name(model))
                    )
                ).fetchone()
            assert row is not None, "an installed read model has a position"
            if row[0] > self._reader.head():
                raise ProjectionFailure(row[0], BEYOND_THE_LOG)
            self._positions[model.name] = row[0]
        return self._positions[model.name]

    def _stop(self, model: ReadModel, position: int, reason: str) -> None:
        self._positions.pop(model.name, None)
        with self._pool.connection() as connection:
            connection.execute(
                "UPDATE followers.followers SET state = 'stopped', error = %s,"
                " error_position = %s, stopped_at = now() WHERE name = %s",
                (reason, position, model.name),
            )
        _log.error("projection_stopped", projection=model.name, position=position, reason=reason)


def resume(pool: ConnectionPool, name: str) -> None:
    """Let a stopped or paused projection go on, or try again."""
    with pool.connection() as connection:
        connection.execute(
            "UPDATE followers.followers SET state = 'following', error = NULL,"
            " error_position = NULL, stopped_at = NULL WHERE name = %s",
            (name,),
        )


def pause(pool: ConnectionPool, name: str) -> bool:
    """Hold a projection still; it serves what it has.

    Answers whether it is held now: one that stopped by itself stays stopped.
    """
    with pool.connection() as connection:
        held = connection.execute(
            "UPDATE followers.followers SET state = 'paused',"
            " stopped_at = CASE state WHEN 'paused' THEN stopped_at ELSE now() END"
            " WHERE name = %s AND state IN ('following', 'paused')",
            (name,),
        )
    return held.rowcount == 1
