"""An aggregate store in memory, in which a whole history is made before any of it is appended.

Handlers cannot tell it from the real one. What each command saved stays together as one unit, so
that it can be appended in one commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from domain.aggregate import Aggregate, Event
from domain.command_handlers import COMMAND_HANDLERS
from domain.errors import NotFound
from domain.store import AggregateType, Key


@dataclass
class SavedUnit:
    """All that one command saved: it goes into one commit, or nowhere."""

    events: list[Event] = field(default_factory=list)
    claims: list[tuple[Key, UUID]] = field(default_factory=list)
    releases: list[tuple[Key, UUID]] = field(default_factory=list)


class MemoryStore:
    """Implements `domain.store.AggregateStore`. `known` are streams that others may share."""

    def __init__(self, known: Mapping[UUID, Aggregate] | None = None) -> None:
        self.units: list[SavedUnit] = []
        self._streams: dict[UUID, Aggregate] = dict(known or {})
        self._keys: dict[tuple[str, str], list[UUID]] = {}
        self._unit = SavedUnit()

    @property
    def streams(self) -> Mapping[UUID, Aggregate]:
        """All that is known."""
        return self._streams

    def dispatch(self, command: Any) -> Any:
        """Run one command. Raises what its handler raises; nothing is kept of it then."""
        self._unit = SavedUnit()
        result = COMMAND_HANDLERS[type(command)](command, self)
        if self._unit.events:
            self.units.append(self._unit)
        return result

    def get(self, kind: type[AggregateType], stream_id: UUID) -> AggregateType:
        aggregate = self.find(kind, stream_id)
        if aggregate is None:
            raise NotFound
        return aggregate

    def find(self, kind: type[AggregateType], stream_id: UUID) -> AggregateType | None:
        aggregate = self._streams.get(stream_id)
        assert aggregate is None or isinstance(aggregate, kind), "a stream is of one kind"
        return aggregate

    def lookup(self, scope: str, value: str) -> list[UUID]:
        return list(self._keys.get((scope, value), ()))

    def save(
        self, aggregate: Aggregate, *, claims: tuple[Key, ...] = (), releases: tuple[Key, ...] = ()
    ) -> None:
        self._streams[aggregate.id] = aggregate
        events = aggregate.collect_events()
        if not events:
            return
        self._unit.events.extend(events)  # type: ignore[arg-type]
        for key in releases:
            holders = self._keys.get((key.scope, key.value), [])
            if aggregate.id in holders:
                holders.remove(aggregate.id)
                self._unit.releases.append((key, aggregate.id))
        for key in claims:
            holders = self._keys.setdefault((key.scope, key.value), [])
            if key.taken is not None and holders:
                raise key.taken
            holders.append(aggregate.id)
            self._unit.claims.append((key, aggregate.id))
