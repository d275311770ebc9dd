"""What a kind of callback is: how it is read, and what its decision begins with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain.store import AggregateStore
from infra.callbacks import StoredCallback


@dataclass(frozen=True)
class CallbackKind:
    """One kind. `read` raises UnreadableCallback; the command's handler answers an Outcome."""

    read: Callable[[StoredCallback], Any]
    streams: Callable[[Any], Iterable[UUID]]
    further_streams: Callable[[Any, AggregateStore], Iterable[UUID]]
