"""Cursors: where a client stands in a list. Opaque, signed, and good for the same question only."""

from __future__ import annotations

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

import orjson

from infra.keyring import Keyring

CURSOR_LENGTH_MAX = 512
_MAC_BYTES = 16


class BadCursor(Exception):
    """Not a cursor of ours, or one of another list or filter."""


def seal_cursor(keyring: Keyring, *, question: str, place: Sequence[Any]) -> str:
    """The cursor that stands behind `place` in the answer to `question`."""
    payload = orjson.dumps(place)
    return urlsafe_b64encode(_mac(keyring, question, payload) + payload).rstrip(b"=").decode()


def open_cursor(keyring: Keyring, cursor: str, *, question: str) -> list[Any]:
    """The place a cursor stands at.

    Raises:
        BadCursor: it was not made by us for this question.
    """
    if len(cursor) > CURSOR_LENGTH_MAX or not cursor.isascii():
        raise BadCursor
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except (binascii.Error, ValueError) as error:
        raise BadCursor from error
    mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(keyring, question, payload)):
        raise BadCursor
    place: list[Any] = orjson.loads(payload)
    return place


def _mac(keyring: Keyring, question: str, payload: bytes) -> bytes:
    return keyring.digest("cursor/2", f"{question}\n{payload.hex()}")[:_MAC_BYTES]
