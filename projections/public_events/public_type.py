"""A public event type: its name and version, who may read it, and what its data hold.

A published type never changes: whoever changes what its data hold raises `version`, and keeps the
schema of the old one in `schemas/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from domain.api_keys.api_key import Permission
from infra.event_store.reader import RecordedEvent

Word = Mapping[str, Any]
Opening = Mapping[str, Any]
"""What the first event of a stream said."""

ID: Word = {"type": "string", "format": "uuid"}
TEXT: Word = {"type": "string"}
AMOUNT: Word = {"type": "string", "pattern": "^-?[0-9]+\\.[0-9]{2}$"}
RATE: Word = {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?$"}
DAY: Word = {"type": "string", "format": "date"}
MOMENT: Word = {"type": "string", "format": "date-time"}
COUNT: Word = {"type": "integer", "minimum": 0}
"""How a field of the data is written on the wire."""


def one_of(*values: str) -> Word:
    """One of these words."""
    return {"type": "string", "enum": sorted(values)}


def or_null(word: Word) -> Word:
    """The same, or nothing."""
    return {"anyOf": [word, {"type": "null"}]}


@dataclass(frozen=True)
class PublicType:
    """`data` names every field; the first of `subjects` that is not null is the item's subject.

    A field that has the name of a field of the API is that field: its value is now so. `notice` is
    the kind of notification that members get of it.
    """

    name: str
    about: str
    reads: Permission
    subjects: tuple[str, ...]
    data: Mapping[str, Word]
    version: int = 1
    notice: str | None = None


Translation = Iterator[tuple[PublicType, dict[str, Any]]]


@dataclass(frozen=True)
class Row:
    """What becomes of one private topic: the types it may give, and how their data are made.

    An event's items are numbered in the order they are given, and their ids say that number: what
    is given later than today is given after the others. `opened` asks for the first event of the
    stream, which says what the event itself does not.
    """

    types: tuple[PublicType, ...]
    translate: Callable[[RecordedEvent, Opening], Translation]
    opened: bool = False
