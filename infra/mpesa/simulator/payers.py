"""The pretended people behind the numbers: each number always has the same name."""

from __future__ import annotations

from enum import StrEnum

from domain.mpesa.payer import phone_hash

_FIRST = ("AMINA", "BARAKA", "CHEBET", "DAUDI", "EDNA", "FARIDA", "GITAU", "HALIMA")
_LAST = ("ACHIENG", "BARASA", "CHERUIYOT", "DALMAS", "EKAI", "FATUMA", "GATHONI")


class NumberForm(StrEnum):
    """How a paybill notice writes a payer's number."""

    PLAIN = "plain"
    HASHED = "hashed"
    MASKED = "masked"


def name_of(phone: str) -> str:
    """Who owns this number."""
    digits = int(phone)
    return f"{_FIRST[digits % len(_FIRST)]} {_LAST[digits % len(_LAST)]}"


def written(phone: str, form: NumberForm) -> str:
    """The number as a notice has it: whole, as its hash, or as "2547 ***** 126"."""
    match form:
        case NumberForm.PLAIN:
            return phone
        case NumberForm.HASHED:
            return phone_hash(phone)
        case NumberForm.MASKED:
            return f"{phone[:4]} ***** {phone[-3:]}"


def starred(phone: str) -> str:
    """The number as a statement may have it: 2547****5678."""
    return f"{phone[:4]}****{phone[-4:]}"
