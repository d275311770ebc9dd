"""From units in memory to commits as the log takes them: encoded, encrypted, packed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.demo_data.memory import SavedUnit
from infra.event_store.log import EVENTS_PER_COMMIT_MAX, Commit, KeyRow
from infra.event_store.mapper import EventMapper
from infra.event_store.unit_of_work import Cause
from infra.keyring import Keyring

Held = dict[tuple[str, str, UUID], bool]
"""Scope, value and stream of keys; whether each is unique."""


def commits(
    units: Iterable[SavedUnit],
    cause: Cause,
    *,
    mapper: EventMapper,
    keyring: Keyring,
    made: dict[UUID, AESGCM],
) -> Iterator[Commit]:
    """Pack units into commits of at most 500 events. A unit is never divided, order is kept."""
    metadata = cause.as_metadata()
    commit, claims, releases = Commit(), Held(), Held()
    for unit in units:
        if len(commit.events) + len(unit.events) > EVENTS_PER_COMMIT_MAX:
            yield _closed(commit, claims, releases, keyring)
            commit, claims, releases = Commit(), Held(), Held()
        for event in unit.events:
            stored, new_key = mapper.seal(event, made)
            commit.events.append(stored)
            commit.metadata.append(metadata)
            if new_key is not None:
                commit.personal_keys.append(new_key)
        for key, stream_id in unit.releases:
            # What was claimed in this very commit is as if it had never been.
            if claims.pop((key.scope, key.value, stream_id), None) is None:
                releases[key.scope, key.value, stream_id] = False
        for key, stream_id in unit.claims:
            claims[key.scope, key.value, stream_id] = key.taken is not None
    if commit.events:
        yield _closed(commit, claims, releases, keyring)


def _closed(commit: Commit, claims: Held, releases: Held, keyring: Keyring) -> Commit:
    commit.claims = _rows(claims, keyring)
    commit.releases = _rows(releases, keyring)
    return commit


def _rows(keys: Held, keyring: Keyring) -> list[KeyRow]:
    return [
        KeyRow(scope, keyring.digest(scope, value), stream_id, is_unique=is_unique)
        for (scope, value, stream_id), is_unique in keys.items()
    ]
