"""How the simulated M-Pesa posts to us: once, and a failure is forgotten, as with the real one."""

from __future__ import annotations

import json
from typing import Any

import requests

_CONNECT_SECONDS = 3.0
_READ_SECONDS = 10.0


def deliver(url: str, body: bytes) -> int | None:
    """Post one callback; the status that was answered, or None when nobody did."""
    answer = _post(url, body, read_seconds=_READ_SECONDS)
    return None if answer is None else answer.status_code


def ask(url: str, body: bytes, *, seconds_max: float) -> dict[str, Any] | None:
    """Post one question; the object that was answered, or None for silence and for nonsense."""
    answer = _post(url, body, read_seconds=seconds_max)
    if answer is None or answer.status_code != 200:
        return None
    try:
        told = answer.json()
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def as_json(value: object) -> bytes:
    """An object as Safaricom would post it."""
    return json.dumps(value).encode()


def _post(url: str, body: bytes, *, read_seconds: float) -> requests.Response | None:
    with requests.Session() as session:
        session.trust_env = False  # the callback goes where it is told, through no proxy
        try:
            return session.post(
                url,
                data=body,
                headers={"Content-Type": "application/json"},
                timeout=(_CONNECT_SECONDS, read_seconds),
                allow_redirects=False,
            )
        except (requests.RequestException, OSError):
            return None
