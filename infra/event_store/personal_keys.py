"""Each person's own encryption key. Destroying the key erases what was encrypted under it."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg_pool import ConnectionPool

from infra.keyring import Keyring

KEY_CACHE_SECONDS = 30.0  # how long another process may still read a person after their erasure
KEY_CACHE_SIZE_MAX = 50_000
_NONCE_BYTES = 12

_SELECT_KEYS = """
SELECT owner_id, wrapped_key FROM event_store.personal_keys WHERE owner_id = ANY(%s)
"""


@dataclass(frozen=True)
class NewPersonalKey:
    """A key that must be stored in the same append as what it encrypts."""

    owner_id: UUID
    wrapped_key: bytes


class PersonalKeys:
    """Reads keys from the database, a moment's worth of them kept in memory.

    They are kept as bytes: a cipher takes forty times as much memory, and is made in a microsecond.
    """

    def __init__(self, pool: ConnectionPool, keyring: Keyring) -> None:
        self._pool = pool
        self._keyring = keyring
        self._cache: dict[UUID, tuple[float, bytes]] = {}

    def make(self, owner_id: UUID) -> tuple[AESGCM, NewPersonalKey]:
        """A fresh key for somebody who has none yet."""
        key = AESGCM.generate_key(bit_length=256)
        return AESGCM(key), NewPersonalKey(owner_id, self._keyring.encrypt(key))

    def get(self, owner_id: UUID) -> AESGCM | None:
        """The key of one person, or None once it is destroyed."""
        return self.get_many([owner_id])[owner_id]

    def get_many(self, owner_ids: Iterable[UUID]) -> dict[UUID, AESGCM | None]:
        """The keys of many, in one round trip."""
        now = time.monotonic()
        found: dict[UUID, AESGCM | None] = {}
        missing: list[UUID] = []
        for owner_id in set(owner_ids):
            kept = self._cache.get(owner_id)
            if kept is not None and kept[0] > now:
                found[owner_id] = AESGCM(kept[1])
            else:
                missing.append(owner_id)
        if missing:
            found.update(self._read(missing, expires_at=now + KEY_CACHE_SECONDS))
        return found

    def forget(self, owner_ids: Iterable[UUID]) -> None:
        """Keep no key of these people in memory any longer: they were erased."""
        for owner_id in owner_ids:
            self._cache.pop(owner_id, None)

    def _read(self, owner_ids: list[UUID], *, expires_at: float) -> dict[UUID, AESGCM | None]:
        with self._pool.connection() as connection:
            rows = connection.execute(_SELECT_KEYS, (owner_ids,)).fetchall()
        if len(self._cache) + len(rows) > KEY_CACHE_SIZE_MAX:
            self._cache.clear()
        # A missing key is not remembered: it may be on its way in somebody's append.
        read: dict[UUID, AESGCM | None] = dict.fromkeys(owner_ids)
        for owner_id, wrapped_key in rows:
            key = self._keyring.decrypt(bytes(wrapped_key))
            self._cache[owner_id] = (expires_at, key)
            read[owner_id] = AESGCM(key)
        return read


def encrypt_field(key: AESGCM, value: str, *, stream_id: UUID, field: str) -> str:
    """Encrypt one field, bound to its stream and its name so that it cannot be moved."""
    nonce = os.urandom(_NONCE_BYTES)
    sealed = key.encrypt(nonce, value.encode(), stream_id.bytes + field.encode())
    return base64.b64encode(nonce + sealed).decode()


def decrypt_field(key: AESGCM, value: str, *, stream_id: UUID, field: str) -> str:
    """The field in clear. Raises cryptography's InvalidTag if it was tampered with or moved."""
    sealed = base64.b64decode(value)
    return key.decrypt(
        sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], stream_id.bytes + field.encode()
    ).decode()
