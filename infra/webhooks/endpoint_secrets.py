"""The secrets of endpoints, encrypted under the master key.

A secret is kept before the event that names it is appended. From that event on it signs: events
alone say which secrets hold, and until when; one that no event names was never told to anybody.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from uuid import UUID

from psycopg_pool import ConnectionPool

from domain.webhooks.secret import SECRET_BYTES
from infra.keyring import Keyring
from infra.postgres.pool import borrowed

REMEMBERED_SECONDS = 1.0
"""For how long a process signs with the secrets it knows before it looks again."""
_REMEMBERED_MAX = 10_000

_KEEP = """
INSERT INTO secrets.secrets (name, ciphertext) VALUES (%s, %s) ON CONFLICT (name) DO NOTHING
"""
_KEPT = "SELECT name, ciphertext FROM secrets.secrets WHERE name = ANY(%s)"
_FORGET = "DELETE FROM secrets.secrets WHERE name = ANY(%s)"

ValidSecrets = Callable[[UUID], Sequence[UUID]]
"""Answers which secrets of an endpoint hold now, newest first."""


def new_secret() -> bytes:
    """A fresh secret."""
    return secrets.token_bytes(SECRET_BYTES)


class EndpointSecrets:
    """Keeps them, and opens them for whoever signs. One a process, for all its threads."""

    def __init__(self, pool: ConnectionPool, keyring: Keyring, valid_secrets: ValidSecrets) -> None:
        self._pool = pool
        self._keyring = keyring
        self._valid_secrets = valid_secrets
        self._remembered: dict[UUID, tuple[float, tuple[bytes, ...]]] = {}
        self._open: dict[UUID, bytes] = {}

    def keep(self, secret_id: UUID, secret: bytes) -> None:
        """Keep a secret under its id, before the event that names it."""
        with borrowed(self._pool) as connection:
            connection.execute(_KEEP, (_name(secret_id), self._keyring.encrypt(secret)))

    def forget(self, secret_ids: Sequence[UUID]) -> None:
        """Let go of secrets that will never sign again."""
        with borrowed(self._pool) as connection:
            connection.execute(_FORGET, ([_name(secret_id) for secret_id in secret_ids],))

    def secrets_of(self, endpoint_id: UUID) -> tuple[bytes, ...]:
        """The secrets an endpoint's deliveries are signed with, newest first.

        Empty where the endpoint is deleted, or not in the read model yet.
        """
        now = time.monotonic()
        known = self._remembered.get(endpoint_id)
        if known is not None and known[0] > now:
            return known[1]
        opened = self._opened(self._valid_secrets(endpoint_id))
        if len(self._remembered) >= _REMEMBERED_MAX:
            self._remembered.clear()
        if opened:
            self._remembered[endpoint_id] = (now + REMEMBERED_SECONDS, opened)
        return opened

    def opened(self, secret_ids: Sequence[UUID]) -> tuple[bytes, ...]:
        """These secrets, in this order, without those that are kept no more.

        A secret never changes: one that was opened once stays so in memory.
        """
        missing = [secret_id for secret_id in secret_ids if secret_id not in self._open]
        if missing:
            if len(self._open) >= _REMEMBERED_MAX:
                self._open.clear()
                missing = list(secret_ids)
            self._open.update(self._kept(missing))
        return tuple(self._open[each] for each in secret_ids if each in self._open)

    def _kept(self, secret_ids: Sequence[UUID]) -> dict[UUID, bytes]:
        by_name = {_name(secret_id): secret_id for secret_id in secret_ids}
        with borrowed(self._pool) as connection:
            rows = connection.execute(_KEPT, (list(by_name),)).fetchall()
        return {by_name[name]: self._keyring.decrypt(bytes(held)) for name, held in rows}

    def _opened(self, secret_ids: Sequence[UUID]) -> tuple[bytes, ...]:
        names = [_name(secret_id) for secret_id in secret_ids]
        with borrowed(self._pool) as connection:
            rows = connection.execute(_KEPT, (names,)).fetchall()
        kept = {name: bytes(ciphertext) for name, ciphertext in rows}
        return tuple(self._keyring.decrypt(kept[name]) for name in names if name in kept)


def _name(secret_id: UUID) -> str:
    return f"webhook_endpoint/{secret_id}"
