"""The secret of an endpoint: the bytes under which its deliveries are signed.

It is shown as Standard Webhooks 1.0.0 wants it: `whsec_` and the bytes in base64. Somebody who
brings an older secret, a plain text, goes on with it: its UTF-8 bytes are used as they are.
"""

from __future__ import annotations

import base64
import binascii

from domain.errors import InvalidInput

PREFIX = "whsec_"
SECRET_BYTES = 32
SECRET_BYTES_MIN = 24
SECRET_BYTES_MAX = 256


def shown_secret(secret: bytes) -> str:
    """A secret as its owner keeps it."""
    return PREFIX + base64.b64encode(secret).decode()


def given_secret(text: str) -> bytes:
    """The bytes of a secret that somebody brings.

    Raises:
        InvalidInput: too short, too long, or not base64 behind its prefix.
    """
    secret = _decoded(text.removeprefix(PREFIX)) if text.startswith(PREFIX) else text.encode()
    if not SECRET_BYTES_MIN <= len(secret) <= SECRET_BYTES_MAX:
        raise InvalidInput(
            "secret", f"Give a secret of {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes."
        )
    return secret


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("secret", f"Give base64 behind {PREFIX}, with its padding.") from error
