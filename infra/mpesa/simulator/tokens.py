"""The one access token of the simulated app: a new one kills the old, as Daraja's does."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock

_LIFETIME = timedelta(seconds=3_599)


class Tokens:
    """Safe to share between threads."""

    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._token: tuple[str, datetime] | None = None

    def new(self) -> str:
        """A token; the one before it is dead."""
        token = secrets.token_urlsafe(21)
        with self._lock:
            self._token = (token, self._clock() + _LIFETIME)
        return token

    def is_good(self, token: str) -> bool:
        with self._lock:
            if self._token is None:
                return False
            current, good_until = self._token
            return secrets.compare_digest(current.encode(), token.encode()) and (
                self._clock() < good_until
            )

    def kill(self) -> None:
        with self._lock:
            self._token = None
