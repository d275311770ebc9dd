"""Keys: the master key and what it guards.

The master key (`DAYSTAR_MASTER_KEY`, one or more Fernet keys separated by commas, the first one
encrypts) wraps the index key, the callback key and every person's key. A database knows the
fingerprint of its master key and refuses another.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from psycopg import Connection
from psycopg.rows import TupleRow

from infra.errors import InfrastructureError

_TOKEN_LENGTH = 64  # 32 hex digits of the subject, 32 of its keyed hash
_SECRET_BYTES = 32


class MasterKeyError(InfrastructureError):
    """The master key is missing, malformed, or not this database's."""


def new_master_key() -> str:
    """A fresh master key, as `DAYSTAR_MASTER_KEY` wants it."""
    return Fernet.generate_key().decode()


class Keyring:
    """What one process needs to encrypt, to index and to recognise its own callbacks."""

    def __init__(
        self, *, fernet: MultiFernet, newest: str, index_key: bytes, callback_key: bytes
    ) -> None:
        self._fernet = fernet
        self._newest = Fernet(newest)
        self.fingerprint = _fingerprint(newest)
        self._index_key = index_key
        self._callback_key = callback_key

    @classmethod
    def open(cls, connection: Connection[TupleRow], master_keys: str) -> Keyring:
        """Open the keyring of this database; the first time, make it.

        Raises:
            MasterKeyError: the key is malformed, or the database was encrypted under another.
        """
        keys = [key.strip() for key in master_keys.split(",") if key.strip()]
        fernet = _fernet(keys)
        known = connection.execute("SELECT fingerprint FROM secrets.master_key").fetchall()
        fingerprints = [_fingerprint(key) for key in keys]
        if known and not {row[0] for row in known} & set(fingerprints):
            raise MasterKeyError(
                "DAYSTAR_MASTER_KEY is not the key this database was encrypted with. Start with"
                " the original key; to change keys, put the new one before it, with a comma."
            )
        connection.execute(
            "INSERT INTO secrets.master_key (fingerprint) VALUES (%s) ON CONFLICT DO NOTHING",
            (fingerprints[0],),
        )
        return cls(
            fernet=fernet,
            newest=keys[0],
            index_key=_kept_secret(connection, fernet, "index_key"),
            callback_key=_kept_secret(connection, fernet, "callback_key"),
        )

    def encrypt(self, plain: bytes) -> bytes:
        """Encrypt under the newest master key."""
        return self._fernet.encrypt(plain)

    def decrypt(self, token: bytes) -> bytes:
        """Decrypt under any of the master keys."""
        return self._fernet.decrypt(token)

    def under_newest_key(self, token: bytes) -> bytes | None:
        """The same, encrypted under the newest master key; None where it is already."""
        try:
            self._newest.decrypt(token)
        except InvalidToken:
            return self._fernet.rotate(token)
        return None

    def digest(self, scope: str, value: str) -> bytes:
        """The keyed hash under which a value is indexed: useless without the index key."""
        message = scope.encode() + b"\0" + value.encode()
        return hmac.digest(self._index_key, message, "sha256")

    def callback_token(self, kind: str, subject_id: UUID) -> str:
        """The unguessable part of a callback URL. Made again whenever needed, stored nowhere."""
        return subject_id.hex + self._callback_mac(kind, subject_id)

    def callback_subject(self, kind: str, token: str) -> UUID | None:
        """Whose callback this is, or None for a token we did not make."""
        if len(token) != _TOKEN_LENGTH or not token.isascii():
            return None
        try:
            subject_id = UUID(token[:32])
        except ValueError:
            return None
        expected = self._callback_mac(kind, subject_id)
        return subject_id if hmac.compare_digest(expected, token[32:]) else None

    def _callback_mac(self, kind: str, subject_id: UUID) -> str:
        message = kind.encode() + b"\0" + subject_id.bytes
        return hmac.digest(self._callback_key, message, "sha256").hex()[:32]


def _fernet(keys: list[str]) -> MultiFernet:
    if not keys:
        raise MasterKeyError("Set DAYSTAR_MASTER_KEY; `daystar master-key` prints a new one.")
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError as error:
        raise MasterKeyError(
            "DAYSTAR_MASTER_KEY is not a Fernet key (44 characters of base64)."
        ) from error


def _fingerprint(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _kept_secret(connection: Connection[TupleRow], fernet: MultiFernet, name: str) -> bytes:
    connection.execute(
        "INSERT INTO secrets.secrets (name, ciphertext) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        (name, fernet.encrypt(secrets.token_bytes(_SECRET_BYTES))),
    )
    row = connection.execute(
        "SELECT ciphertext FROM secrets.secrets WHERE name = %s", (name,)
    ).fetchone()
    assert row is not None, "the row was just written, or was there before"
    try:
        return fernet.decrypt(bytes(row[0]))
    except InvalidToken as error:
        raise MasterKeyError(f"The secret {name} cannot be read with this master key.") from error
