"""The access token of a Daraja app: one for all our processes, because a new one kills the old.

The token lives encrypted in `mpesa.access_tokens`. Whoever finds it missing or old must first win
the row's lease; the others wait for the winner. No transaction is open while HTTP is under way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString, Protocol

import psycopg
import requests
from cryptography.fernet import InvalidToken
from psycopg import Connection
from psycopg_pool import ConnectionPool, PoolTimeout
from requests.auth import HTTPBasicAuth
from urllib3.exceptions import HTTPError

from infra.errors import InfrastructureError
from infra.mpesa.credentials import Credentials
from infra.mpesa.gateway_errors import Conclusion, read_error
from infra.mpesa.transport import Timeouts, read_limited
from infra.mpesa.wire import UnreadableJson, identifier, read_object

TOKEN_PATH = "/oauth/v1/generate"  # noqa: S105 - a path
TOKEN_LENGTH_MAX = 2_048
_POLL_SECONDS = 0.05

# Daraja's tokens live an hour; ten minutes are left for clocks and calls under way.
_CURRENT = """
SELECT token FROM mpesa.access_tokens
WHERE credentials = %(name)s AND token IS NOT NULL AND obtained_at > now() - interval '50 minutes'
"""

# The token is looked at again here: it may have been renewed since we found it old.
_WIN_LEASE = """
INSERT INTO mpesa.access_tokens AS held (credentials, refresh_lease_until)
VALUES (%(name)s, now() + make_interval(secs => %(lease_seconds)s))
ON CONFLICT (credentials) DO UPDATE SET refresh_lease_until = excluded.refresh_lease_until
WHERE (held.refresh_lease_until IS NULL OR held.refresh_lease_until < now())
  AND (held.token IS NULL OR held.obtained_at IS NULL
       OR held.obtained_at <= now() - interval '50 minutes')
RETURNING now(), refresh_lease_until
"""

_STORE = """
UPDATE mpesa.access_tokens
SET token = %(token)s, obtained_at = %(obtained_at)s, refresh_lease_until = NULL
WHERE credentials = %(name)s AND refresh_lease_until = %(lease_until)s
"""

_GIVE_UP_LEASE = """
UPDATE mpesa.access_tokens SET refresh_lease_until = NULL
WHERE credentials = %(name)s AND refresh_lease_until = %(lease_until)s
"""

_STORED = "SELECT token FROM mpesa.access_tokens WHERE credentials = %(name)s"

_FORGET = """
UPDATE mpesa.access_tokens SET token = NULL, obtained_at = NULL
WHERE credentials = %(name)s AND token = %(token)s
"""


class TokenUnavailable(InfrastructureError):
    """There is no token to be had. Permanent: only a change of configuration will help."""

    def __init__(self, reason: str, *, permanent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent


class TokenStore(Protocol):
    """Where the client gets its token."""

    def current(self) -> str:
        """A token believed to be good. Raises TokenUnavailable."""
        ...

    def drop(self, token: str) -> None:
        """Forget this token, unless another has already taken its place."""
        ...


class Cipher(Protocol):
    """Encrypts what is stored; `MultiFernet` is one."""

    def encrypt(self, data: bytes, /) -> bytes: ...

    def decrypt(self, data: bytes, /) -> bytes:
        """The plain bytes. Raises `cryptography.fernet.InvalidToken`."""
        ...


@dataclass(frozen=True)
class _Lease:
    obtained_at: datetime
    until: datetime


class DatabaseTokens:
    """The shared token in PostgreSQL. The pool's connections must be in autocommit mode."""

    def __init__(
        self,
        credentials: Credentials,
        pool: ConnectionPool[Connection[Any]],
        cipher: Cipher,
        *,
        session_factory: Callable[[], requests.Session] = requests.Session,
        lease_seconds: float = 30.0,
        wait_seconds_max: float = 35.0,
    ) -> None:
        self._credentials = credentials
        self._pool = pool
        self._cipher = cipher
        self._session_factory = session_factory
        self._lease_seconds = lease_seconds
        self._wait_seconds_max = wait_seconds_max

    def current(self) -> str:
        """The shared token, renewed first when it is missing or old.

        Raises:
            TokenUnavailable: Daraja gave none, another process took too long, or no database.
        """
        deadline = time.monotonic() + self._wait_seconds_max
        while time.monotonic() < deadline:
            token = self._stored()
            if token is not None:
                return token
            lease = self._win_lease()
            if lease is not None:
                self._renew(lease)
            else:
                time.sleep(_POLL_SECONDS)
        raise TokenUnavailable("another process did not finish renewing the token", permanent=False)

    def drop(self, token: str) -> None:
        sealed = self._sealed(_STORED)
        if sealed is not None and self._opened(sealed) == token:
            self._execute(_FORGET, token=sealed)

    def _renew(self, lease: _Lease) -> None:
        try:
            with self._session_factory() as session:
                token = fetch_token(self._credentials, session)
        except BaseException:
            self._execute(_GIVE_UP_LEASE, lease_until=lease.until)
            raise
        # The statement does nothing when the lease has lapsed and another process holds it now.
        self._execute(
            _STORE,
            token=self._cipher.encrypt(token.encode()),
            obtained_at=lease.obtained_at,
            lease_until=lease.until,
        )

    def _win_lease(self) -> _Lease | None:
        with self._connection() as connection:
            row = connection.execute(
                _WIN_LEASE, {"name": self._credentials.name, "lease_seconds": self._lease_seconds}
            ).fetchone()
        return None if row is None else _Lease(*row)

    def _stored(self) -> str | None:
        sealed = self._sealed(_CURRENT)
        if sealed is None:
            return None
        token = self._opened(sealed)
        if token is None:  # sealed under a key that has since been retired
            self._execute(_FORGET, token=sealed)
        return token

    def _sealed(self, statement: LiteralString) -> bytes | None:
        with self._connection() as connection:
            assert connection.autocommit
            row = connection.execute(statement, {"name": self._credentials.name}).fetchone()
        return None if row is None or row[0] is None else bytes(row[0])

    def _opened(self, sealed: bytes) -> str | None:
        try:
            return self._cipher.decrypt(sealed).decode()
        except InvalidToken:
            return None

    def _execute(self, statement: LiteralString, **values: bytes | datetime) -> None:
        with self._connection() as connection:
            connection.execute(statement, {"name": self._credentials.name, **values})

    @contextmanager
    def _connection(self) -> Iterator[Connection[Any]]:
        # To the client this is a missing token like any other: nothing was sent.
        try:
            with self._pool.connection() as connection:
                yield connection
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise TokenUnavailable("the database did not answer", permanent=False) from error


def fetch_token(
    credentials: Credentials, session: requests.Session, *, timeouts: Timeouts | None = None
) -> str:
    """Ask Daraja for a new token. The old one is dead from then on.

    Raises:
        TokenUnavailable: no answer, no sense in the answer, or no access for this key and secret.
    """
    try:
        with session.get(
            f"{credentials.base_url}{TOKEN_PATH}",
            params={"grant_type": "client_credentials"},
            auth=HTTPBasicAuth(credentials.consumer_key, credentials.consumer_secret),
            timeout=(timeouts or Timeouts()).pair,
            allow_redirects=False,
            stream=True,
        ) as response:
            status, body = response.status_code, read_limited(response)
    except (requests.RequestException, HTTPError, OSError) as error:
        kind = type(error).__name__
        raise TokenUnavailable(f"no answer to the token request: {kind}", permanent=False) from None
    return read_token_answer(status=status, body=body)


def read_token_answer(*, status: int, body: bytes) -> str:
    """The token in Daraja's answer.

    Raises:
        TokenUnavailable: there is none in it.
    """
    if status != 200:
        error = read_error(status=status, body=body)
        permanent = error.conclusion in {
            Conclusion.TOKEN,
            Conclusion.CONFIGURATION,
            Conclusion.BAD_REQUEST,
        }
        raise TokenUnavailable(f"no token: {error.reason}", permanent=permanent)
    try:
        told = read_object(body)
    except UnreadableJson as error:
        raise TokenUnavailable(f"no token: {error}", permanent=False) from None
    token = identifier(told.get("access_token"), length_max=TOKEN_LENGTH_MAX)
    if token is None:
        raise TokenUnavailable("no token: the answer holds none", permanent=False)
    return token
