"""Kenyan mobile numbers, in the one form M-Pesa speaks: twelve digits, 254 then 7 or 1."""

from __future__ import annotations

import re

from domain.errors import InvalidInput

_SEPARATORS = re.compile(r"[ \-()]")
_WRITTEN = re.compile(r"(?:\+?254|0)?([17]\d{8})", re.ASCII)
_WRITTEN_LENGTH_MAX = 24


def normalised_phone(written: str, *, field: str = "phone") -> str:
    """Read 07.., 01.., 7.., 1.., 254.. or +254.. as 254XXXXXXXXX.

    Raises:
        InvalidInput: it is not a Kenyan mobile number.
    """
    found = None
    if len(written) <= _WRITTEN_LENGTH_MAX:
        found = _WRITTEN.fullmatch(_SEPARATORS.sub("", written))
    if found is None:
        raise InvalidInput(field, "Give a Kenyan mobile number such as 0712 345 678.")
    return f"254{found[1]}"
