"""One POST to Daraja, and the question everything hangs on: did it leave this machine?

Reading the kind of an exception cannot settle that (the same TLS error can come before or after
sending), so the body itself is watched: it is handed over only once a connection stands. A failure
before that is proof that M-Pesa saw nothing; after it, nothing is proven. Used by the client alone.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import requests
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError

from infra.mpesa.wire import BODY_BYTES_MAX


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """How long to wait for a connection, and then for each part of the answer."""

    connect_seconds: float = 5.0
    read_seconds: float = 20.0

    @property
    def pair(self) -> tuple[float, float]:
        """As `requests` takes them."""
        return (self.connect_seconds, self.read_seconds)


@dataclass(frozen=True)
class Answer:
    """Somebody answered; whether it was Daraja, the body must show."""

    status: int
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class NeverLeft:
    """No byte of the body left this machine."""

    reason: str


@dataclass(frozen=True)
class NoAnswer:
    """The body went out, or part of it, and no whole answer came back."""

    reason: str


class BearerToken(AuthBase):
    """An Authorization header that a .netrc file cannot replace, as it would a plain header."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _WatchedBody(io.BytesIO):
    """A request body that knows whether anyone has begun to send it."""

    begun = False

    def read(self, size: int | None = -1, /) -> bytes:
        self.begun = True
        return super().read(size)


def post_json(
    session: requests.Session,
    url: str,
    *,
    fields: Mapping[str, str | int],
    auth: AuthBase,
    timeouts: Timeouts,
) -> Answer | NeverLeft | NoAnswer:
    """Send the fields once. Never repeats, never follows, never raises for the network."""
    body = _WatchedBody(json.dumps(fields).encode())
    try:
        with session.post(
            url,
            data=body,
            headers={"Content-Type": "application/json", "Accept": "application/json"},
            auth=auth,
            timeout=timeouts.pair,
            allow_redirects=False,
            stream=True,
        ) as response:
            return Answer(response.status_code, read_limited(response))
    except (requests.RequestException, HTTPError, OSError) as error:
        # Only the kind of the error is told: its text holds the URL and what was on the wire.
        kind = type(error).__name__
        return NoAnswer(f"no answer: {kind}") if body.begun else NeverLeft(f"not sent: {kind}")


def read_limited(response: requests.Response) -> bytes:
    """The body of an answer, cut one byte past what anyone would read."""
    body = bytearray()
    for chunk in response.iter_content(8_192):
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            break
    return bytes(body[: BODY_BYTES_MAX + 1])
