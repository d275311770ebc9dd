"""Text that people type, as events keep it."""

from __future__ import annotations

from domain.errors import InvalidInput


def one_line(text: str, field: str, *, length_max: int) -> str:
    """The text on one line, without needless spaces. Raises InvalidInput."""
    tidy = " ".join(text.split())
    if not 0 < len(tidy) <= length_max or not tidy.isprintable():
        raise InvalidInput(field, f"Give 1 to {length_max} characters on one line.")
    return tidy
