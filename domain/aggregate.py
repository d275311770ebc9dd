"""The grammar every aggregate speaks.

A public method decides: it checks, raises a domain error, and calls one private method marked
`@event(Class)`, which only assigns. Events are nested, in the past tense, and carry both the change
and its result. Their `TOPIC` is frozen in `domain.event_catalogue`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

from eventsourcing.domain import AggregateCreated, AggregateEvent, BaseAggregate, event

__all__ = ["Aggregate", "Created", "Event", "event"]


NO_CLOCK = datetime(1970, 1, 1, tzinfo=UTC)


class Event(AggregateEvent):
    """Something that happened to one aggregate. Fields are plain JSON values.

    The library would stamp each event from the machine's clock. The domain reads no clock: moments
    that matter arrive in fields, and the log itself records when an event was appended.

    `PERSONAL_FIELDS` are encrypted at rest under the key of the person named by the field
    `KEY_OWNER_FIELD`, or of the stream itself where that field is empty.
    """

    TOPIC: ClassVar[str]
    PERSONAL_FIELDS: ClassVar[tuple[str, ...]] = ()
    KEY_OWNER_FIELD: ClassVar[str] = ""

    OUTLIVES_PERSON: ClassVar[bool] = False
    """A fact from outside is recorded even of an erased person, without the personal fields."""

    @staticmethod
    def create_timestamp() -> datetime:
        return NO_CLOCK


class Created(Event, AggregateCreated):
    """The first event of a stream."""


class Aggregate(BaseAggregate[UUID]):
    """A boundary within which the co-operative's rules hold at every moment."""

    TOPIC: ClassVar[str]

    SNAPSHOT_EVERY: ClassVar[int] = 0
    """Take a snapshot each time so many events have been added; 0 for streams that stay short."""

    class Event(Event):
        """The library wants an event class on each aggregate; ours adds nothing to `Event`."""

    SNAPSHOT_VERSION: ClassVar[int] = 1
    """Raise it when the attributes change: older snapshots are then passed over."""

    @classmethod
    def snapshot_topic(cls) -> str:
        """Under what name snapshots of this shape are kept."""
        return f"{cls.TOPIC}/{cls.SNAPSHOT_VERSION}"

    @classmethod
    def begin(cls, created: type[Any], *, stream_id: UUID, **fields: Any) -> Any:
        """Start a stream with its first event."""
        return cls._create(created, id=stream_id, **fields)
