"""Callbacks as they came: stored before anything interprets them, encrypted, and counted.

The web process stores and answers; `daystar intake` takes them up from here.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from infra.gathering import Gathering
from infra.keyring import Keyring
from infra.postgres.pool import borrowed, delete_in_slices

BODY_BYTES_MAX = 64 * 1024
ATTEMPTS_MAX = 12
LEASE_SECONDS = 10
_RETRY_SECONDS_MAX = 300
STORE_PAUSES_SECONDS = (0.0, 0.0, 0.1, 0.2, 0.5, 1.0, 1.0)  # within what Safaricom waits

_STORE = """
INSERT INTO intake.callbacks AS known
    (kind, subject_id, body_mac, body, source_address, correlation_id, deliveries)
SELECT * FROM unnest(
    %s::text[], %s::uuid[], %s::bytea[], %s::bytea[], %s::text[], %s::text[], %s::integer[])
ON CONFLICT (subject_id, kind, body_mac)
DO UPDATE SET deliveries = known.deliveries + excluded.deliveries
"""
_CLAIM = """
UPDATE intake.callbacks SET attempts = attempts + 1, due_at = now() + make_interval(secs => %s)
WHERE callback_id IN (
    SELECT callback_id FROM intake.callbacks
    WHERE state = 'waiting' AND due_at <= now()
    ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED
)
RETURNING callback_id, kind, subject_id, body, correlation_id, attempts
"""
_SETTLE = """
UPDATE intake.callbacks c SET state = s.state, note = s.note, settled_at = now(),
    correlation_id = coalesce(s.correlation_id, c.correlation_id)
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[])
    AS s (callback_id, state, note, correlation_id)
WHERE c.callback_id = s.callback_id
"""
_POSTPONE = """
UPDATE intake.callbacks SET due_at = now() + make_interval(secs => %s), note = %s
WHERE callback_id = %s
"""
_EXPIRE = """
DELETE FROM intake.callbacks WHERE callback_id IN (
    SELECT callback_id FROM intake.callbacks
    WHERE state = 'done' AND settled_at < now() - make_interval(days => %s)
    ORDER BY settled_at LIMIT %s)
"""
# As with an erasure, the row stays to tell that Safaricom called, and of which push, and why it was
# set aside.
_WIPE_SET_ASIDE = """
UPDATE intake.callbacks SET body = '', body_mac = int8send(callback_id)
WHERE callback_id IN (
    SELECT callback_id FROM intake.callbacks
    WHERE state = 'set_aside' AND body <> '' AND settled_at < now() - make_interval(days => %s)
    ORDER BY received_at LIMIT %s)
"""
_SET_ASIDE = """
SELECT callback_id::text AS id, kind, note AS reason, subject_id, correlation_id, deliveries,
       body <> '' AS is_readable, received_at, settled_at AS set_aside_at
FROM intake.callbacks
WHERE state = 'set_aside' AND callback_id < coalesce(%(before)s, 9223372036854775807)
  AND (%(kind)s::text IS NULL OR kind = %(kind)s)
ORDER BY callback_id DESC LIMIT %(limit)s
"""


@dataclass(frozen=True)
class _Row:
    """A callback to be stored: what makes it the same as another, and the rest."""

    key: tuple[str, str, bytes]
    rest: tuple[bytes, str, str]


@dataclass(frozen=True)
class StoredCallback:
    """One callback, claimed for a while."""

    callback_id: int
    kind: str
    subject_id: UUID
    body: bytes
    correlation_id: str
    attempts: int


@dataclass(frozen=True)
class Settlement:
    """What became of a callback: done, or set aside with a reason for a person to read.

    The correlation says what it was about, where that is known only now.
    """

    callback_id: int
    note: str
    set_aside: bool = False
    correlation_id: str | None = None


class CallbackStore:
    """The table of raw callbacks."""

    def __init__(self, pool: ConnectionPool, keyring: Keyring) -> None:
        self._pool = pool
        self._keyring = keyring
        self._gathering = Gathering(self._write)

    def store(
        self, *, kind: str, subject_id: UUID, body: bytes, source_address: str, correlation_id: str
    ) -> None:
        """Keep a callback durably. The same body for the same subject is kept once."""
        mac = self._keyring.digest("callback.body", body.hex())
        sealed = self._keyring.encrypt(body)
        key = (kind, str(subject_id), mac)
        self._gathering.add(_Row(key, (sealed, source_address, correlation_id)))

    def _write(self, rows: list[_Row]) -> None:
        """Store what came at one moment: each body once, in an order that never deadlocks."""
        counted = Counter(row.key for row in rows)
        told = {row.key: row.rest for row in rows}
        columns = zip(*((*key, *told[key], counted[key]) for key in sorted(told)), strict=True)
        parameters = [list(column) for column in columns]
        # Safaricom does not tell again, so a database that was restarted is asked again.
        for pause in (*STORE_PAUSES_SECONDS, None):
            try:
                with borrowed(self._pool) as connection:
                    connection.execute(_STORE, parameters, prepare=True)
                    return
            except psycopg.OperationalError:
                if pause is None:
                    raise
                time.sleep(pause)

    def claim(self, limit: int) -> list[StoredCallback]:
        """Take up some that wait; nobody else gets them while the lease lasts."""
        with borrowed(self._pool) as connection:
            rows = connection.execute(_CLAIM, (LEASE_SECONDS, limit), prepare=True).fetchall()
        return [
            StoredCallback(row[0], row[1], row[2], self._keyring.decrypt(row[3]), row[4], row[5])
            for row in sorted(rows)
        ]

    def settle(self, settlements: list[Settlement]) -> None:
        """Note what became of them."""
        with borrowed(self._pool) as connection:
            connection.execute(
                _SETTLE,
                (
                    [settlement.callback_id for settlement in settlements],
                    ["set_aside" if settlement.set_aside else "done" for settlement in settlements],
                    [settlement.note for settlement in settlements],
                    [settlement.correlation_id for settlement in settlements],
                ),
            )

    def set_aside(
        self, *, kind: str | None, before: int | None, limit: int
    ) -> list[dict[str, Any]]:
        """What was set aside for a person, newest first, without its words."""
        parameters = {"kind": kind, "before": before, "limit": limit}
        with borrowed(self._pool) as connection:
            cursor = connection.cursor(row_factory=dict_row)
            return cursor.execute(_SET_ASIDE, parameters).fetchall()

    def postpone(self, callback: StoredCallback, *, note: str) -> None:
        """Try again later, each time a little later."""
        seconds = min(2**callback.attempts, _RETRY_SECONDS_MAX)
        with borrowed(self._pool) as connection:
            connection.execute(_POSTPONE, (seconds, note, callback.callback_id))

    def expire(self, *, days: int) -> int:
        """Forget what was dealt with so long ago."""
        return delete_in_slices(self._pool, _EXPIRE, days=days)

    def wipe_set_aside(self, *, days: int) -> int:
        """Forget the words of what has waited so long for a person. Answers of how many."""
        return delete_in_slices(self._pool, _WIPE_SET_ASIDE, days=days)
