"""The co-operative's short codes: that which the environment names, and those in the database.

What is kept lies encrypted under the master key, one row of `secrets.secrets` each. The environment
comes first: a short code that it names is not looked up. Processes learn of a change within
`KEPT_SECONDS`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import orjson
from psycopg_pool import ConnectionPool

from infra.errors import InfrastructureError
from infra.keyring import Keyring
from infra.mpesa.client import DarajaClient
from infra.mpesa.credentials import C2bVersion, Credentials, Initiator
from infra.postgres.pool import borrowed

KEPT_SECONDS = 10.0
SHORT_CODES_MAX = 50
_PREFIX = "mpesa/short-code/"

_SELECT = """
SELECT ciphertext FROM secrets.secrets WHERE starts_with(name, %s) ORDER BY name LIMIT %s
"""
_STORE = """
INSERT INTO secrets.secrets (name, ciphertext) VALUES (%s, %s)
ON CONFLICT (name) DO UPDATE SET ciphertext = excluded.ciphertext, updated_at = now()
"""
_REMOVE = "DELETE FROM secrets.secrets WHERE name = %s"


class NoCredentials(InfrastructureError):
    """There are no M-Pesa credentials for this short code, or for this purpose."""


class ShortCodes:
    """Every short code with its Daraja app, and a client of each. Safe to share among threads."""

    def __init__(
        self,
        configured: Credentials | None,
        pool: ConnectionPool,
        keyring: Keyring,
        *,
        make_client: Callable[[Credentials], DarajaClient],
        pays_from: str | None = None,
    ) -> None:
        self._configured = configured
        self._pool = pool
        self._keyring = keyring
        self._make_client = make_client
        self._pays_from = pays_from
        self._lock = threading.Lock()
        self._known: Mapping[str, Credentials] = {}
        self._known_until = 0.0
        self._clients: dict[str, tuple[Credentials, DarajaClient]] = {}

    def all(self) -> Mapping[str, Credentials]:
        """Each short code's credentials, that of the environment first."""
        with self._lock:
            if time.monotonic() >= self._known_until:
                self._known = self._read()
                self._known_until = time.monotonic() + KEPT_SECONDS
            return self._known

    def of(self, short_code: str) -> Credentials:
        """The credentials of a short code. Raises NoCredentials."""
        found = self.all().get(short_code)
        if found is None:
            raise NoCredentials(f"There are no M-Pesa credentials for the short code {short_code}.")
        return found

    def collecting(self) -> Credentials:
        """The short code that members are asked to pay to. Raises NoCredentials."""
        found = next(iter(self.all().values()), None)
        if found is None:
            raise NoCredentials("No M-Pesa credentials are configured.")
        return found

    def paying(self) -> Credentials:
        """The short code that payouts leave from: the chosen one, or the first with an initiator.

        Raises:
            NoCredentials: it is not known, or nobody may send money.
        """
        if self._pays_from is not None:
            chosen = self.of(self._pays_from)
            if chosen.initiator is None:
                raise NoCredentials(f"The short code {chosen.short_code} has no initiator.")
            return chosen
        for credentials in self.all().values():
            if credentials.initiator is not None:
                return credentials
        raise NoCredentials("No short code has an initiator: nothing can be paid out by M-Pesa.")

    def client(self, short_code: str) -> DarajaClient:
        """The client of a short code. Raises NoCredentials."""
        credentials = self.of(short_code)
        with self._lock:
            known = self._clients.get(short_code)
            if known is None or known[0] != credentials:
                known = (credentials, self._make_client(credentials))
                self._clients[short_code] = known
            return known[1]

    def keep(self, credentials: Credentials) -> None:
        """Keep, or replace, a short code's credentials."""
        sealed = self._keyring.encrypt(orjson.dumps(asdict(credentials)))
        with borrowed(self._pool) as connection:
            connection.execute(_STORE, (_PREFIX + credentials.short_code, sealed))
        self._known_until = 0.0

    def remove(self, short_code: str) -> bool:
        """Forget a kept short code. Answers whether it was there."""
        with borrowed(self._pool) as connection:
            removed = connection.execute(_REMOVE, (_PREFIX + short_code,)).rowcount
        self._known_until = 0.0
        return bool(removed)

    def _read(self) -> dict[str, Credentials]:
        with borrowed(self._pool) as connection:
            rows = connection.execute(_SELECT, (_PREFIX, SHORT_CODES_MAX)).fetchall()
        found = {} if self._configured is None else {self._configured.short_code: self._configured}
        for (sealed,) in rows:
            kept = _credentials(orjson.loads(self._keyring.decrypt(bytes(sealed))))
            found.setdefault(kept.short_code, kept)
        return found


def _credentials(plain: dict[str, Any]) -> Credentials:
    initiator = plain.pop("initiator")
    return Credentials(
        **plain | {"c2b_version": C2bVersion(plain["c2b_version"])},
        initiator=Initiator(**initiator) if initiator else None,
    )
