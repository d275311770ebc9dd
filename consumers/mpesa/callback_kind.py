"""What a kind of callback is: how it is read, and what its decision begins with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain.mpesa.outcome import Outcome
from domain.store import AggregateStore, Key
from infra.callbacks import StoredCallback


class SetAside(Exception):
    """It can be read, and no decision is to be made of it: a person is to look at it."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(str(outcome))
        self.outcome = outcome


def _nothing(*_: Any) -> Iterable[Any]:
    return ()


@dataclass(frozen=True)
class CallbackKind:
    """One kind. `read` raises UnreadableCallback, SetAside; the handler answers an Outcome.

    `correlation` names what a callback turned out to be about, where its address did not say it.
    """

    read: Callable[[StoredCallback], Any]
    streams: Callable[[Any], Iterable[UUID]]
    further_streams: Callable[[Any, AggregateStore], Iterable[UUID]]
    last_streams: Callable[[Any, AggregateStore], Iterable[UUID]] = _nothing
    keys: Callable[[Any], Iterable[Key]] = _nothing
    further_keys: Callable[[Any, AggregateStore], Iterable[Key]] = _nothing
    correlation: Callable[[Any], UUID | None] = lambda _: None
