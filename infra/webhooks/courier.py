"""One POST to a stranger: what came of it, told without raising, following or believing anything.

What was answered is read no further than a few kilobytes, and never decompressed. A redirect is an
answer like another: nobody but the address that was given is told.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from http.client import HTTPException

from urllib3.exceptions import (
    HTTPError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.response import BaseHTTPResponse
from urllib3.util import Timeout, Url, parse_url
from urllib3.util.ssl_ import create_urllib3_context

from infra.webhooks.dialled_addresses import Network
from infra.webhooks.dialling import (
    CONNECT_SECONDS_MAX,
    AddressRefused,
    Dialler,
    NotConnected,
    Resolve,
    look_up,
    open_connections,
    within,
)

POST_SECONDS_MAX = 15.0
ANSWER_BYTES_MAX = 4_096
EXCERPT_BYTES_MAX = 1_024
_AT_ONCE_SECONDS = 1.0  # a connection that breaks sooner was stale; the other side saw no request
_TIMEOUT = Timeout(connect=CONNECT_SECONDS_MAX, read=POST_SECONDS_MAX)


class Failure(StrEnum):
    """Why there is no answer."""

    ADDRESS_REFUSED = "address_refused"
    NO_SUCH_HOST = "no_such_host"
    NO_CONNECTION = "no_connection"
    TLS_FAILED = "tls_failed"
    TIMED_OUT = "timed_out"
    BROKEN_OFF = "broken_off"


@dataclass(frozen=True)
class Answer:
    """Somebody answered. `excerpt` is the beginning of what they said."""

    status: int
    excerpt: str
    retry_after: str | None


class Courier:
    """Carries requests to strangers. One a process, for all its threads."""

    def __init__(
        self,
        allowed: Sequence[Network] = (),
        *,
        resolve: Resolve = look_up,
        trusted: ssl.SSLContext | None = None,
        seconds_max: float = POST_SECONDS_MAX,
    ) -> None:
        tls = trusted or create_urllib3_context()
        if trusted is None:
            tls.load_default_certs()
        self._connections = open_connections(Dialler(allowed, resolve=resolve), tls)
        self._seconds_max = seconds_max

    def close(self) -> None:
        """Let go of all connections."""
        self._connections.clear()

    def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Answer | Failure:
        """Send once, or once more where a kept connection turns out to be gone."""
        began = time.monotonic()
        try:
            with within(self._seconds_max):
                try:
                    return self._post(url, headers, body)
                except ProtocolError:
                    if time.monotonic() - began > _AT_ONCE_SECONDS:
                        raise
                    return self._post(url, headers, body)
        except AddressRefused:
            return Failure.ADDRESS_REFUSED
        except NotConnected as error:
            return _not_connected(error.__cause__)
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            return _no_answer(error)

    def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        place = _parsed(url)
        pool = self._connections.connection_from_host(place.host, place.port, place.scheme)
        response = pool.urlopen(
            "POST",
            place.request_uri,
            body=body,
            headers=headers,
            retries=False,
            redirect=False,
            timeout=_TIMEOUT,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
        )
        try:
            said = _read(response)
        except (HTTPError, HTTPException, OSError):
            response.close()
            raise
        return Answer(response.status, _excerpt(said), response.headers.get("Retry-After"))


def _read(response: BaseHTTPResponse) -> bytes:
    """The beginning of an answer. A connection that has more to say is not used again."""
    said = response.read(ANSWER_BYTES_MAX, decode_content=False)
    if len(said) == ANSWER_BYTES_MAX:
        response.close()
    return said


def _excerpt(said: bytes) -> str:
    return said[:EXCERPT_BYTES_MAX].decode("utf-8", "replace").replace("\x00", "\ufffd")


@lru_cache(maxsize=1_000)
def _parsed(url: str) -> Url:
    return parse_url(url)


def _not_connected(cause: BaseException | None) -> Failure:
    if isinstance(cause, TimeoutError):
        return Failure.TIMED_OUT
    if isinstance(cause, socket.gaierror | UnicodeError):
        return Failure.NO_SUCH_HOST
    return Failure.NO_CONNECTION


def _no_answer(error: Exception) -> Failure:
    """Only the kind of it: its text may hold the address, and what was on the wire."""
    causes = (error, *error.args)
    if any(isinstance(cause, TimeoutError | ReadTimeoutError) for cause in causes):
        return Failure.TIMED_OUT
    if any(isinstance(cause, SSLError | ssl.SSLError) for cause in causes):
        return Failure.TLS_FAILED
    return Failure.BROKEN_OFF
