"""A unit of work: aggregates are loaded once, changed in memory, and appended as one commit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import orjson
import psycopg
import structlog
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from eventsourcing.persistence import StoredEvent
from psycopg_pool import ConnectionPool, PoolTimeout

from domain.aggregate import NO_CLOCK, Aggregate
from domain.errors import NotFound
from domain.event_catalogue import AGGREGATES
from domain.store import AggregateType, Key
from infra.event_store.errors import KeyTaken
from infra.event_store.log import Answer, Commit, EventLog, KeyRow
from infra.event_store.mapper import EventMapper
from infra.event_store.personal_keys import PersonalKeys
from infra.keyring import Keyring
from infra.postgres.pool import borrowed

_SELECT_STREAMS = """
WITH snapshot AS (
    SELECT stream_id, stream_version, topic, state FROM event_store.snapshots
    WHERE stream_id = ANY(%(ids)s) AND topic = ANY(%(snapshot_topics)s)
)
SELECT true, stream_id, stream_version, topic, state FROM snapshot
UNION ALL
SELECT false, e.stream_id, e.stream_version, e.topic, e.state
FROM event_store.events e LEFT JOIN snapshot s USING (stream_id)
WHERE e.stream_id = ANY(%(ids)s) AND e.stream_version > coalesce(s.stream_version, 0)
ORDER BY 2, 3
"""
_SELECT_KEYS = """
SELECT w.number, k.stream_id
FROM unnest(%s::text[], %s::bytea[]) WITH ORDINALITY AS w (scope, digest, number),
     LATERAL (SELECT stream_id FROM event_store.keys
              WHERE scope = w.scope AND digest = w.digest LIMIT 100) AS k
"""
_SELECT_UNIQUE_KEY = """
SELECT 1 FROM event_store.keys WHERE scope = %s AND digest = %s AND is_unique
"""
_SAVE_SNAPSHOT = """
INSERT INTO event_store.snapshots (stream_id, stream_version, topic, state)
VALUES (%s, %s, %s, %s)
ON CONFLICT (stream_id) DO UPDATE
SET stream_version = excluded.stream_version, topic = excluded.topic, state = excluded.state
WHERE snapshots.stream_version < excluded.stream_version
"""
_UNSAVED_STATE = frozenset({"_id", "_version", "_pending_events", "_created_on", "_modified_on"})


_log = structlog.get_logger()
_SNAPSHOT_KINDS = {kind.snapshot_topic(): kind for kind in AGGREGATES.values()}


@dataclass(frozen=True)
class Cause:
    """Who acted, and in the course of what. Stored beside every event."""

    actor: str
    correlation_id: str
    causation_id: str | None = None

    def as_metadata(self) -> bytes:
        return orjson.dumps(
            {
                "actor": self.actor,
                "correlation_id": self.correlation_id,
                "causation_id": self.causation_id,
            }
        )


@dataclass(frozen=True)
class EventStore:
    """Everything a unit of work needs; made once a process."""

    log: EventLog
    mapper: EventMapper
    keyring: Keyring
    pool: ConnectionPool

    @classmethod
    def open(cls, pool: ConnectionPool, keyring: Keyring) -> EventStore:
        return cls(EventLog(pool), EventMapper(PersonalKeys(pool, keyring)), keyring, pool)


class UnitOfWork:
    """Implements `domain.store.AggregateStore` for one command, or for a batch of them."""

    def __init__(self, store: EventStore, cause: Cause) -> None:
        self._store = store
        self._loaded: dict[UUID, Aggregate | None] = {}
        self._looked_up: dict[tuple[str, str], list[UUID]] = {}
        self._keys_made: dict[UUID, AESGCM] = {}
        self._claims: list[Key] = []
        self._commit = Commit()
        self.cause = cause

    def prefetch(self, stream_ids: Iterable[UUID]) -> None:
        """Load many streams in one round trip; what does not exist is remembered as missing."""
        wanted = [stream_id for stream_id in set(stream_ids) if stream_id not in self._loaded]
        if not wanted:
            return
        with borrowed(self._store.pool) as connection:
            rows = connection.execute(
                _SELECT_STREAMS,
                {"ids": wanted, "snapshot_topics": list(_SNAPSHOT_KINDS)},
                prepare=True,
                binary=True,
            ).fetchall()
        self._loaded.update(dict.fromkeys(wanted))
        events = []
        for is_snapshot, stream_id, version, topic, state in rows:
            if is_snapshot:
                self._loaded[stream_id] = _restored(stream_id, version, topic, state)
            else:
                events.append(StoredEvent(stream_id, version, topic, state))
        for event in self._store.mapper.to_domain_events(events):
            stream_id = cast("UUID", event.originator_id)
            self._loaded[stream_id] = event.mutate(self._loaded[stream_id])

    def prefetch_keys(self, keys: Iterable[Key]) -> None:
        """Look many keys up in one round trip."""
        wanted = {(key.scope, key.value) for key in keys} - self._looked_up.keys()
        if not wanted:
            return
        asked = list(wanted)
        digest = self._store.keyring.digest
        with borrowed(self._store.pool) as connection:
            rows = connection.execute(
                _SELECT_KEYS,
                ([scope for scope, _ in asked], [digest(*each) for each in asked]),
                prepare=True,
            ).fetchall()
        self._looked_up.update({each: [] for each in asked})
        for number, stream_id in rows:
            self._looked_up[asked[number - 1]].append(stream_id)

    def find(self, kind: type[AggregateType], stream_id: UUID) -> AggregateType | None:
        if stream_id not in self._loaded:
            self.prefetch([stream_id])
        aggregate = self._loaded[stream_id]
        return aggregate if isinstance(aggregate, kind) else None

    def get(self, kind: type[AggregateType], stream_id: UUID) -> AggregateType:
        aggregate = self.find(kind, stream_id)
        if aggregate is None:
            raise NotFound
        return aggregate

    def lookup(self, scope: str, value: str) -> list[UUID]:
        if (scope, value) not in self._looked_up:
            self.prefetch_keys([Key(scope, value)])
        return list(self._looked_up[scope, value])

    def save(
        self, aggregate: Aggregate, *, claims: tuple[Key, ...] = (), releases: tuple[Key, ...] = ()
    ) -> None:
        events = aggregate.collect_events()
        self._loaded[aggregate.id] = aggregate
        metadata = self.cause.as_metadata()
        for event in events:
            stored, new_key = self._store.mapper.seal(cast("Any", event), self._keys_made)
            self._commit.events.append(stored)
            self._commit.metadata.append(metadata)
            if new_key is not None:
                self._commit.personal_keys.append(new_key)
        if not events:
            return
        self._claims.extend(claims)
        self._note_keys(aggregate.id, claims=claims, releases=releases)
        self._commit.claims.extend(self._key_row(key, aggregate.id) for key in claims)
        self._commit.releases.extend(self._key_row(key, aggregate.id) for key in releases)

    def _note_keys(
        self, stream_id: UUID, *, claims: tuple[Key, ...], releases: tuple[Key, ...]
    ) -> None:
        """What was looked up before is as this unit leaves it."""
        for key in releases:
            if stream_id in (holders := self._looked_up.get((key.scope, key.value), [])):
                holders.remove(stream_id)
        for key in claims:
            if (key.scope, key.value) in self._looked_up:
                self._looked_up[key.scope, key.value].append(stream_id)

    @property
    def claims(self) -> tuple[Key, ...]:
        """The keys that what was saved claims."""
        return tuple(self._claims)

    def check_claims(self) -> None:
        """See whether a unique key is held already; the commit would tell. Raises BrokenRule."""
        self._raise_broken_rule(None)

    @property
    def size(self) -> int:
        """How many events wait to be appended."""
        return len(self._commit.events)

    def commit(self, answer: Answer | None = None) -> int | None:
        """Append everything saved. Answers the last position, or None where nothing was new.

        Raises:
            BrokenRule: a unique key is held already, by this stream or another.
            Contention: another writer was first; load again and decide again.
        """
        if not self._commit.events:
            assert answer is None, "a command that is answered for good records something"
            return None
        self._commit.answer = answer
        try:
            positions = self._store.log.append(self._commit)
        except KeyTaken as error:
            self._raise_broken_rule(error)
            raise
        self._take_snapshots()
        return positions[-1]

    def _raise_broken_rule(self, error: KeyTaken | None) -> None:
        """Say which rule a taken key breaks, unless it was given up in this very moment."""
        with self._store.pool.connection() as connection:
            for key in self._claims:
                digest = self._store.keyring.digest(key.scope, key.value)
                found = connection.execute(_SELECT_UNIQUE_KEY, (key.scope, digest)).fetchone()
                if key.taken is not None and found is not None:
                    raise key.taken from error

    def _key_row(self, key: Key, stream_id: UUID) -> KeyRow:
        digest = self._store.keyring.digest(key.scope, key.value)
        return KeyRow(key.scope, digest, stream_id, is_unique=key.taken is not None)

    def _take_snapshots(self) -> None:
        first_versions: dict[UUID, int] = {}
        for event in self._commit.events:
            first_versions.setdefault(cast("UUID", event.originator_id), event.originator_version)
        for stream_id, first_version in first_versions.items():
            aggregate = self._loaded[stream_id]
            if aggregate is None or not aggregate.SNAPSHOT_EVERY:
                continue
            every = aggregate.SNAPSHOT_EVERY
            if aggregate.version // every > (first_version - 1) // every:
                self._save_snapshot(aggregate)

    def _save_snapshot(self, aggregate: Aggregate) -> None:
        state = {
            name: value for name, value in vars(aggregate).items() if name not in _UNSAVED_STATE
        }
        row = (aggregate.id, aggregate.version, aggregate.snapshot_topic(), orjson.dumps(state))
        try:
            with self._store.pool.connection() as connection:
                connection.execute(_SAVE_SNAPSHOT, row)
        except (psycopg.Error, PoolTimeout) as error:
            # The commit stands; a snapshot only saves time, and the next one will do.
            _log.warning("snapshot_not_saved", error=type(error).__name__)


def _restored(stream_id: UUID, version: int, topic: str, state: bytes) -> Aggregate:
    """An aggregate as its snapshot kept it."""
    aggregate: Aggregate = object.__new__(_SNAPSHOT_KINDS[topic])
    aggregate.__base_init__(stream_id, version, NO_CLOCK)
    vars(aggregate).update(orjson.loads(state))
    return aggregate
