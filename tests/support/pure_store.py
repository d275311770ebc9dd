"""The domain's port to its store, in memory: for what must be tried many thousand times.

It keeps what `domain.store` promises (one unit of work, all or nothing, unique keys) and nothing
of PostgreSQL; whatever is found with it is a matter of the domain alone.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from domain.aggregate import Aggregate
from domain.command_handlers import COMMAND_HANDLERS
from domain.errors import NotFound
from domain.store import AggregateType, Key
from tests.support.co_operative import CoOperative


class PureStore:
    """Streams of events, and who holds which key."""

    def __init__(self) -> None:
        self.streams: dict[UUID, list[Any]] = {}
        self.keys: dict[tuple[str, str], set[UUID]] = {}


class PureUnit:
    """Implements `domain.store.AggregateStore` for one command."""

    def __init__(self, store: PureStore) -> None:
        self._store = store
        self._loaded: dict[UUID, Aggregate | None] = {}
        self._events: list[Any] = []
        self._claims: list[tuple[Key, UUID]] = []
        self._releases: list[tuple[Key, UUID]] = []

    def find(self, kind: type[AggregateType], stream_id: UUID) -> AggregateType | None:
        if stream_id not in self._loaded:
            found = None
            for event in self._store.streams.get(stream_id, ()):
                found = event.mutate(found)
            self._loaded[stream_id] = found
        aggregate = self._loaded[stream_id]
        return aggregate if isinstance(aggregate, kind) else None

    def get(self, kind: type[AggregateType], stream_id: UUID) -> AggregateType:
        aggregate = self.find(kind, stream_id)
        if aggregate is None:
            raise NotFound
        return aggregate

    def lookup(self, scope: str, value: str) -> list[UUID]:
        return sorted(self._store.keys.get((scope, value), ()))

    def save(
        self, aggregate: Aggregate, *, claims: tuple[Key, ...] = (), releases: tuple[Key, ...] = ()
    ) -> None:
        events = aggregate.collect_events()
        self._loaded[aggregate.id] = aggregate
        if events:
            self._events.extend(events)
            self._claims.extend((key, aggregate.id) for key in claims)
            self._releases.extend((key, aggregate.id) for key in releases)

    def commit(self) -> None:
        """Write everything, or raise what a taken key breaks."""
        for key, _ in self._claims:
            if key.taken is not None and self._store.keys.get((key.scope, key.value)):
                raise key.taken
        for key, stream_id in self._releases:
            self._store.keys.get((key.scope, key.value), set()).discard(stream_id)
        for key, stream_id in self._claims:
            self._store.keys.setdefault((key.scope, key.value), set()).add(stream_id)
        for event in self._events:
            self._store.streams.setdefault(event.originator_id, []).append(event)


class PureCoOperative(CoOperative):
    """Says what happens, as the other does, to a store in memory."""

    def __init__(self) -> None:
        self._pure = PureStore()

    def dispatch(self, command: Any) -> Any:
        unit = PureUnit(self._pure)
        result = COMMAND_HANDLERS[type(command)](command, unit)
        unit.commit()
        return result

    def load(self, kind: type[Any], stream_id: UUID) -> Any:
        return PureUnit(self._pure).get(kind, stream_id)
