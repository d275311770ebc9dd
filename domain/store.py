"""What a command handler may ask of the event store, in the domain's own words.

`infra.event_store` implements it. A handler loads, acts and saves; whoever dispatched the handler
commits everything saved as one append: all of it or nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar
from uuid import UUID

from domain.aggregate import Aggregate
from domain.errors import BrokenRule

AggregateType = TypeVar("AggregateType", bound=Aggregate)


@dataclass(frozen=True)
class Key:
    """A value by which a stream can be found. Stored only as a keyed hash (HMAC).

    With `taken` the key is unique within its scope, and `taken` is the error of whoever comes
    second. Without it many streams may share the value (a phone in a family).
    """

    scope: str
    value: str
    taken: type[BrokenRule] | None = None


class AggregateStore(Protocol):
    """One unit of work over the streams."""

    def get(self, kind: type[AggregateType], stream_id: UUID) -> AggregateType:
        """The aggregate as it stands. Raises NotFound."""
        ...

    def find(self, kind: type[AggregateType], stream_id: UUID) -> AggregateType | None:
        """The aggregate as it stands, or None."""
        ...

    def lookup(self, scope: str, value: str) -> list[UUID]:
        """The streams that hold this key."""
        ...

    def save(
        self, aggregate: Aggregate, *, claims: tuple[Key, ...] = (), releases: tuple[Key, ...] = ()
    ) -> None:
        """Add the aggregate's new events, and the keys it takes or gives up, to this unit."""
        ...
