"""The log: one append function, and plain reads.

It is an `eventsourcing` application recorder, so the library's own tools (a `ProjectionRunner`,
say) can read it. What the library's recorder does with a table lock and a NOTIFY at each commit,
this one does with a shared advisory lock and readers that know how to wait: see
`infra.event_store.reader`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString, cast
from uuid import UUID

import psycopg
from eventsourcing.persistence import (
    ApplicationRecorder,
    Notification,
    StoredEvent,
    Subscription,
)
from psycopg_pool import ConnectionPool

from infra.event_store.errors import (
    Contention,
    IdempotencyClaimLapsed,
    KeyTaken,
    LogNotSafe,
    StreamExists,
)
from infra.event_store.personal_keys import NewPersonalKey
from infra.postgres.pool import borrowed

POSITIONS_PER_COMMIT = 1000
CLAIM_LAPSED = "DS001"  # what the database says of a claim that was given to another
EVENTS_PER_COMMIT_MAX = 500
STATEMENT_TIMEOUT_MILLISECONDS = 5_000

_APPEND_EVENTS = """
SELECT event_store.append(
    %s::uuid[], %s::bigint[], %s::text[], %s::bytea[], %s::bytea[],
    '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', NULL, NULL, NULL, NULL)
"""
_APPEND_ALL = """
SELECT event_store.append(
    %s::uuid[], %s::bigint[], %s::text[], %s::bytea[], %s::bytea[],
    %s::text[], %s::bytea[], %s::uuid[], %s::boolean[],
    %s::text[], %s::bytea[], %s::uuid[],
    %s::uuid[], %s::bytea[],
    %s::bytea, %s::uuid, %s::smallint, %s::bytea)
"""
_SELECT_STREAM = """
SELECT stream_id, stream_version, topic, state FROM event_store.events
WHERE stream_id = %s AND stream_version > %s AND stream_version <= %s
ORDER BY stream_version {order} LIMIT %s
"""
_SELECT_NOTIFICATIONS = """
SELECT position, stream_id, stream_version, topic, state FROM event_store.events
WHERE position >= %s AND position <= %s AND (%s OR topic = ANY(%s))
ORDER BY position LIMIT %s
"""
_BIGINT_MAX = 2**63 - 1
_KEY_CONSTRAINTS = frozenset({"keys_once", "keys_unique"})
_PLAIN = re.compile(r"[\w.,-]*", re.ASCII)


@dataclass(frozen=True)
class KeyRow:
    """A key to claim or to release for a stream."""

    scope: str
    digest: bytes
    stream_id: UUID
    is_unique: bool = False


@dataclass(frozen=True)
class Answer:
    """The answer to a request that carried an Idempotency-Key, stored with what it did."""

    request_key: bytes
    claim: UUID
    status: int
    body: bytes


@dataclass
class Commit:
    """Everything one append writes: all of it, or nothing."""

    events: list[StoredEvent] = field(default_factory=list)
    metadata: list[bytes] = field(default_factory=list)
    claims: list[KeyRow] = field(default_factory=list)
    releases: list[KeyRow] = field(default_factory=list)
    personal_keys: list[NewPersonalKey] = field(default_factory=list)
    answer: Answer | None = None


class EventLog(ApplicationRecorder):
    """The log in PostgreSQL. The pool's connections are in autocommit mode."""

    def __init__(self, pool: ConnectionPool) -> None:
        self.pool = pool

    def append(self, commit: Commit) -> list[int]:
        """Write a commit in one round trip and answer the positions of its events.

        Raises:
            StreamExists: a stream that was to begin is there already.
            KeyTaken: a key that was to be claimed is held already.
            Contention: another writer moved a stream first.
            IdempotencyClaimLapsed: the request's claim was given to another.
        """
        assert 0 < len(commit.events) <= EVENTS_PER_COMMIT_MAX, "a commit holds 1 to 500 events"
        statement, parameters = _call(commit)
        try:
            with borrowed(self.pool) as connection:
                row = connection.execute(statement, parameters, prepare=True).fetchone()
        except psycopg.errors.UniqueViolation as error:
            raise self._conflict(commit, error) from error
        except psycopg.errors.DeadlockDetected as error:
            raise Contention from error
        except psycopg.Error as error:
            if error.sqlstate == CLAIM_LAPSED:
                raise IdempotencyClaimLapsed from error
            raise
        assert row is not None, "the function answers the first position"
        return list(range(row[0], row[0] + len(commit.events)))

    def _conflict(self, commit: Commit, error: psycopg.errors.UniqueViolation) -> Contention:
        if error.diag.constraint_name == "events_version_once":
            begun = [e.originator_id for e in commit.events if e.originator_version == 1]
            with self.pool.connection() as connection:
                row = connection.execute(
                    "SELECT stream_id FROM event_store.events"
                    " WHERE stream_id = ANY(%s) AND stream_version = 1 LIMIT 1",
                    (begun,),
                ).fetchone()
            if row is not None:
                return StreamExists(row[0])
        if error.diag.constraint_name in _KEY_CONSTRAINTS:
            return KeyTaken()
        return Contention()

    def check_server(self) -> None:
        """Refuse a server on which an append might not be durable, or a reader might skip.

        Raises:
            LogNotSafe: says which setting is wrong.
        """
        with self.pool.connection() as connection:
            settings: dict[str, str] = dict(
                connection.execute(
                    "SELECT name, setting FROM pg_settings WHERE name IN"
                    " ('synchronous_commit', 'max_prepared_transactions', 'server_version_num')"
                ).fetchall()
            )
        if settings["synchronous_commit"] == "off":
            raise LogNotSafe("Set synchronous_commit = on: an append must survive a crash.")
        if settings["max_prepared_transactions"] != "0":
            raise LogNotSafe(
                "Set max_prepared_transactions = 0: a prepared transaction hides from readers."
            )
        if int(settings["server_version_num"]) < 150_000:
            raise LogNotSafe("PostgreSQL 15 or later is needed.")

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> list[int]:
        """The library's way in: a commit of nothing but events."""
        return self.append(
            Commit(events=list(stored_events), metadata=[b"{}"] * len(stored_events), **kwargs)
        )

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> list[StoredEvent]:
        """The events of one stream, in order of version."""
        statement = _SELECT_STREAM.format(order="DESC" if desc else "ASC")
        bounds = (originator_id, gt or 0, _BIGINT_MAX if lte is None else lte, limit)
        with self.pool.connection() as connection:
            rows = connection.execute(cast("Any", statement), bounds, prepare=True).fetchall()
        return [StoredEvent(row[0], row[1], row[2], bytes(row[3])) for row in rows]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> list[Notification]:
        """The library's way to read the log. Not safe against gaps: use `LogReader` to follow."""
        first = 0 if start is None else start + (0 if inclusive_of_start else 1)
        last = _BIGINT_MAX if stop is None else stop
        with self.pool.connection() as connection:
            rows = connection.execute(
                _SELECT_NOTIFICATIONS, (first, last, not topics, list(topics), limit), prepare=True
            ).fetchall()
        return [Notification(r[1], r[2], r[3], bytes(r[4]), id=r[0]) for r in rows]

    def max_notification_id(self) -> int | None:
        """The head of the log: its highest visible position."""
        with self.pool.connection() as connection:
            row = connection.execute("SELECT max(position) FROM event_store.events").fetchone()
        return cast("int | None", row[0]) if row else None

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription[ApplicationRecorder]:
        """Followers poll; there is no NOTIFY to subscribe to."""
        raise NotImplementedError("Followers poll the log; see infra.event_store.reader.")


def _call(commit: Commit) -> tuple[LiteralString, tuple[object, ...]]:
    """The call of the append function, its arrays as literals: psycopg's own cost twice as much.

    Most commits are events alone, and then only events are sent.
    """
    answer = commit.answer
    events = (
        _plain_array([str(event.originator_id) for event in commit.events]),
        _plain_array([str(event.originator_version) for event in commit.events]),
        _plain_array([event.topic for event in commit.events]),
        _bytea_array([event.state for event in commit.events]),
        _bytea_array(commit.metadata),
    )
    if not (commit.claims or commit.releases or commit.personal_keys or answer):
        return _APPEND_EVENTS, events
    return _APPEND_ALL, (
        *events,
        _plain_array([key.scope for key in commit.claims]),
        _bytea_array([key.digest for key in commit.claims]),
        _plain_array([str(key.stream_id) for key in commit.claims]),
        _plain_array(["t" if key.is_unique else "f" for key in commit.claims]),
        _plain_array([key.scope for key in commit.releases]),
        _bytea_array([key.digest for key in commit.releases]),
        _plain_array([str(key.stream_id) for key in commit.releases]),
        _plain_array([str(key.owner_id) for key in commit.personal_keys]),
        _bytea_array([key.wrapped_key for key in commit.personal_keys]),
        answer.request_key if answer else None,
        answer.claim if answer else None,
        answer.status if answer else None,
        answer.body if answer else None,
    )


def _plain_array(words: list[str]) -> str:
    """Ids, numbers, topics and scopes: nothing in them needs quoting, and nothing may."""
    literal = ",".join(words)
    assert _PLAIN.fullmatch(literal), "only letters, digits, dots, dashes and underscores"
    return f"{{{literal}}}"


def _bytea_array(values: list[bytes]) -> str:
    return "{" + ",".join([f'"\\\\x{value.hex()}"' for value in values]) + "}"
