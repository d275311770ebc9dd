"""Many threads' rows in one write: who comes while one is under way waits for the next.

A write to the database costs much the same for one row as for ten. Under load each thread's row
goes with the others' that came meanwhile; without load it goes at once, alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Row = TypeVar("Row")
ROWS_MAX = 50


class _Waiting(Generic[Row]):
    """One thread's row: written, failed, or the one to lead the next write."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.woken = threading.Event()
        self.is_settled = False
        self.error: Exception | None = None

    def settle(self, error: Exception | None) -> None:
        self.error = error
        self.is_settled = True
        self.woken.set()


class Gathering(Generic[Row]):
    """`write` takes rows and raises for all of them; nobody returns before their row is written."""

    def __init__(self, write: Callable[[list[Row]], None]) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._waiting: list[_Waiting[Row]] = []
        self._is_writing = False

    def add(self, row: Row) -> None:
        """Have the row written. Raises what `write` raised."""
        mine = _Waiting(row)
        with self._lock:
            self._waiting.append(mine)
            leads = not self._is_writing
            self._is_writing = True
        if not leads:
            mine.woken.wait()
        if not mine.is_settled:
            self._lead()
        if mine.error is not None:
            raise mine.error

    def _lead(self) -> None:
        with self._lock:
            batch, self._waiting = self._waiting[:ROWS_MAX], self._waiting[ROWS_MAX:]
        error = None
        try:
            self._write([each.row for each in batch])
        except Exception as raised:  # noqa: BLE001 - each thread raises it for its own row
            error = raised
        with self._lock:
            successor = self._waiting[0] if self._waiting else None
            self._is_writing = successor is not None
        if successor is not None:
            successor.woken.set()
        for each in batch:
            each.settle(error)
