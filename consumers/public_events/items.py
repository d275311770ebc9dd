"""An item's place: which topic tells of it, and where it stands in its subject's history."""

from __future__ import annotations

from typing import NamedTuple

from consumers.public_events.handling import Item
from projections.public_events.topics import topic_of


class Key(NamedTuple):
    """Within it, order holds."""

    topic: str
    subject: str


class Rank(NamedTuple):
    """Grows from item to item. An event's items are numbered."""

    position: int
    number: int


def key_of(item: Item) -> Key:
    """The topic and the subject of an item."""
    return Key(topic_of(item["type"]), item["subject"])


def rank_of(item: Item) -> Rank:
    """Where an item stands; its id says it."""
    position, _, number = item["id"].partition("-")
    return Rank(int(position), int(number))
