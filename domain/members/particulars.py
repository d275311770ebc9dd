"""What is written of a member, tidied as the books keep it, or refused by InvalidInput."""

from __future__ import annotations

import re

from domain.errors import InvalidInput

_MEMBER_NUMBER = re.compile(r"[A-Z0-9]{3,16}", re.ASCII)
_NATIONAL_ID = re.compile(r"[A-Z0-9]{5,12}", re.ASCII)
_EMAIL = re.compile(r"[^@\s,;<>\"]{1,64}@[A-Za-z0-9.-]{1,180}\.[A-Za-z]{2,24}")
_NAME_LENGTH_MAX = 60


def member_number(text: str) -> str:
    """The number by which the co-operative knows a member."""
    return _matched(text, _MEMBER_NUMBER, "member_number", "3 to 16 letters and digits")


def national_id(text: str) -> str:
    """The number of a national id or a passport."""
    return _matched(text, _NATIONAL_ID, "id_number", "5 to 12 letters and digits")


def name(text: str, field: str) -> str:
    """A first or last name."""
    tidy = " ".join(text.split())
    if not 0 < len(tidy) <= _NAME_LENGTH_MAX or not tidy.isprintable():
        raise InvalidInput(field, f"Give a name of 1 to {_NAME_LENGTH_MAX} letters.")
    return tidy


def email_address(text: str | None) -> str | None:
    """An e-mail address, or None where there is none."""
    if text is None or not text.strip():
        return None
    tidy = text.strip()
    if not _EMAIL.fullmatch(tidy) or not tidy.isprintable():
        raise InvalidInput("email", "Give an e-mail address such as jane@example.org.")
    return tidy


def _matched(text: str, pattern: re.Pattern[str], field: str, what: str) -> str:
    tidy = text.strip().upper()
    if not pattern.fullmatch(tidy):
        raise InvalidInput(field, f"Give {what}.")
    return tidy
