"""How much of one process each endpoint may take up at once."""

from __future__ import annotations

import threading
from collections import Counter
from uuid import UUID

from consumers.webhooks.claiming import Rooms

ROOM_UNKNOWN = 2
ROOM_TRUSTED = 8  # whose last answer was good
ROOM_FAILING = 1
_REMEMBERED_MAX = 10_000


class EndpointRooms:
    """Counts what is under way, and remembers how the last attempt at each endpoint went."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: Counter[UUID] = Counter()
        self._went_well: dict[UUID, bool] = {}
        self._taken = 0

    @property
    def taken(self) -> int:
        """How many are under way at all endpoints together."""
        return self._taken

    def left(self) -> Rooms:
        """How many more may set out to each."""
        with self._lock:
            known = self._went_well.keys() | self._under_way.keys()
            return Rooms({each: self._left(each) for each in known}, otherwise=ROOM_UNKNOWN)

    def enter(self, endpoint_id: UUID) -> None:
        with self._lock:
            self._under_way[endpoint_id] += 1
            self._taken += 1

    def leave(self, endpoint_id: UUID, *, went_well: bool) -> None:
        with self._lock:
            self._taken -= 1
            self._under_way[endpoint_id] -= 1
            if not self._under_way[endpoint_id]:
                del self._under_way[endpoint_id]
            if len(self._went_well) >= _REMEMBERED_MAX:
                self._went_well.clear()
            self._went_well[endpoint_id] = went_well

    def _left(self, endpoint_id: UUID) -> int:
        match self._went_well.get(endpoint_id):
            case None:
                room = ROOM_UNKNOWN
            case True:
                room = ROOM_TRUSTED
            case _:
                room = ROOM_FAILING
        return max(room - self._under_way[endpoint_id], 0)
