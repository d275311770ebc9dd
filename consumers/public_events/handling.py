"""What a consumer of public events is: a name, and what it does with items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from psycopg import Connection
from psycopg.rows import TupleRow

Item = Mapping[str, Any]
"""A public event as the feed tells it: id, type, version, subject, position, occurred_at, data."""


@dataclass(frozen=True)
class Done:
    """The item's rows are written."""


@dataclass(frozen=True)
class RetryLater:
    """Not now: the item comes again after a while, and what follows it in its topic waits."""

    reason: str


@dataclass(frozen=True)
class Reject:
    """Never: the item becomes a dead letter, and later ones of its subject are parked behind it."""

    reason: str


Outcome = Done | RetryLater | Reject


class Handler(Protocol):
    """Writes due rows for items; sends nothing itself.

    `name` is the consumer's: its group in Kafka, its key in the inbox, its name in `status`.
    """

    @property
    def name(self) -> str: ...

    def handle(self, connection: Connection[TupleRow], items: Sequence[Item]) -> Sequence[Outcome]:
        """One outcome for each item, in their order; all that is written goes by `connection`.

        The loop opens the transaction, adds the inbox and the feed's position, and commits. Unless
        every outcome is `Done` it rolls back and asks again, item by item. Items of one subject and
        topic come in order. None comes that was done before: the inbox sees to that.
        """
        ...
