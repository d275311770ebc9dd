"""Between event objects and stored bytes: plain JSON, personal fields encrypted one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast
from uuid import UUID

import orjson
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from eventsourcing.persistence import Mapper, StoredEvent

from domain.aggregate import NO_CLOCK, Created, Event
from domain.errors import BrokenRule
from domain.event_catalogue import EVENTS
from infra.event_store.personal_keys import (
    NewPersonalKey,
    PersonalKeys,
    decrypt_field,
    encrypt_field,
)

_IMPLIED = ("originator_id", "originator_version", "originator_topic", "timestamp")


class PersonErased(BrokenRule):
    """This person's data was erased; nothing personal can be recorded about them any more."""

    code = "person_erased"


class EventMapper(Mapper[UUID]):
    """Maps catalogued events. Neither the clock nor class paths ever reach the store."""

    def __init__(self, keys: PersonalKeys) -> None:
        self._keys = keys

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        stored, new_key = self.seal(domain_event, {})
        assert new_key is None, "a new person's first event is appended with their key"
        return stored

    def seal(
        self, domain_event: Event, made: dict[UUID, AESGCM]
    ) -> tuple[StoredEvent, NewPersonalKey | None]:
        """Encode an event. `made` holds the keys made earlier in the same unit of work."""
        kind = type(domain_event)
        state = {name: value for name, value in vars(domain_event).items() if name not in _IMPLIED}
        new_key = None
        owner_id = key_owner(kind, state, domain_event.originator_id)
        # A stream that is its own person has a key from the first, for what comes to be known.
        begins = owner_id == domain_event.originator_id and isinstance(domain_event, Created)
        personal = any(state[field] is not None for field in kind.PERSONAL_FIELDS)
        if personal or (begins and kind.PERSONAL_FIELDS):
            key = made.get(owner_id)
            if key is None and begins:
                key, new_key = self._keys.make(owner_id)
                made[owner_id] = key
            key = key or self._keys.get(owner_id)
            if key is None and not kind.OUTLIVES_PERSON:
                raise PersonErased
            for field in kind.PERSONAL_FIELDS:
                if state[field] is not None:
                    state[field] = key and encrypt_field(
                        key, state[field], stream_id=domain_event.originator_id, field=field
                    )
        version = getattr(kind, "class_version", 1)
        if version > 1:
            state["class_version"] = version
        stored = StoredEvent(
            originator_id=domain_event.originator_id,
            originator_version=domain_event.originator_version,
            topic=kind.TOPIC,
            state=orjson.dumps(state),
        )
        return stored, new_key

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        return next(self.to_domain_events([stored_event]))

    def to_domain_events(self, stored_events: Iterable[StoredEvent]) -> Iterator[Any]:
        """Decode many; the keys of all the people in them are read in one round trip."""
        decoded = [
            (stored, upcast(stored.topic, orjson.loads(stored.state))) for stored in stored_events
        ]
        owners = {
            key_owner(EVENTS[stored.topic], state, cast("UUID", stored.originator_id))
            for stored, state in decoded
            if EVENTS[stored.topic].PERSONAL_FIELDS
        }
        keys = self._keys.get_many(owners) if owners else {}
        for stored, state in decoded:
            yield self._event(stored, state, keys)

    def _event(
        self, stored_event: StoredEvent, state: dict[str, Any], keys: Mapping[UUID, AESGCM | None]
    ) -> Any:
        stream_id = cast("UUID", stored_event.originator_id)
        kind = EVENTS[stored_event.topic]
        if kind.PERSONAL_FIELDS:
            key = keys[key_owner(kind, state, stream_id)]
            open_fields(kind, state, stream_id=stream_id, key=key)
        if issubclass(kind, Created):
            state["originator_topic"] = stored_event.topic.partition(".")[0]
        state["originator_id"] = stream_id
        state["originator_version"] = stored_event.originator_version
        state["timestamp"] = NO_CLOCK
        domain_event = object.__new__(kind)
        object.__setattr__(domain_event, "__dict__", state)
        return domain_event


def key_owner(kind: type[Event], state: dict[str, Any], stream_id: UUID) -> UUID:
    """Under whose key the personal fields of an event are encrypted."""
    named = state.get(kind.KEY_OWNER_FIELD) if kind.KEY_OWNER_FIELD else None
    return UUID(named) if named else stream_id


def open_fields(
    kind: type[Event], state: dict[str, Any], *, stream_id: UUID, key: AESGCM | None
) -> None:
    """Put personal fields in clear, or None in their place once the person is erased."""
    for field in kind.PERSONAL_FIELDS:
        sealed = state.get(field)
        if sealed is not None:
            state[field] = (
                decrypt_field(key, sealed, stream_id=stream_id, field=field) if key else None
            )


def upcast(topic: str, state: dict[str, Any]) -> dict[str, Any]:
    """Bring an old payload to the shape of today's class."""
    kind = EVENTS[topic]
    version = state.pop("class_version", 1)
    while version < getattr(kind, "class_version", 1):
        getattr(kind, f"upcast_v{version}_v{version + 1}")(state)
        version += 1
    return state
