"""The JSON that Safaricom writes, read with suspicion.

Its types wobble (a code is 0 here and "0" there), numbers must never pass through float, and on a
callback URL anyone at all may be the writer. Used by the callback reader and by the client.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NoReturn

from infra.errors import InfrastructureError

BODY_BYTES_MAX = 65_536
_CODE_LENGTH_MAX = 32


class UnreadableJson(InfrastructureError):
    """The body is not a JSON object that we are willing to read."""


def read_object(body: bytes) -> dict[str, Any]:
    """The body as one JSON object, its decimals exact.

    Raises:
        UnreadableJson: too long, not UTF-8, not JSON, nested too deep, or not an object.
    """
    if len(body) > BODY_BYTES_MAX:
        raise UnreadableJson("the body is too long")
    try:
        value = json.loads(
            body.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_refuse_constant
        )
    except (ValueError, ArithmeticError, RecursionError):
        # The decoder's error holds the whole document, and with it the payer's number.
        raise UnreadableJson("the body is not JSON") from None
    if not isinstance(value, dict):
        raise UnreadableJson("the body is not a JSON object")
    return value


def code_text(value: object) -> str | None:
    """A result, response or error code in its one form, or None when there is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int) and abs(value) < 10**_CODE_LENGTH_MAX:
        return str(value)
    if isinstance(value, str):
        return identifier(value, length_max=_CODE_LENGTH_MAX)
    return None


def identifier(value: object, *, length_max: int) -> str | None:
    """An opaque id: printable ASCII without spaces, or None."""
    if not isinstance(value, str):
        return None
    text = value.strip()
    wanted = 0 < len(text) <= length_max and text.isascii() and text.isprintable()
    return text if wanted and " " not in text else None


def sentence(value: object, *, length_max: int = 200) -> str:
    """Free text for people, without what a database or a terminal would choke on."""
    if not isinstance(value, str):
        return ""
    return "".join(letter for letter in value if letter.isprintable())[:length_max].strip()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
