"""Who decides how the simulated M-Pesa behaves towards one request.

Each product has a table of behaviours and a book of what was set through the simulator's own API. A
request takes the first that fits: a queued behaviour ("next"), one set for its payer, one set for
its amount, the row whose number the payer's number ends in (`99` and the number: 0712 349 902 is
row 02), the row whose number the amount ends in (99,902), one drawn from the mix, the default.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from threading import Lock
from typing import Generic, TypeVar

OVERRIDES_MAX = 10_000
_TAIL = 9_900  # numbers 01 to 99 follow it
_AMOUNT_BASE = 99_900
_CODE = "code_"


class Acknowledgement(Enum):
    """What the caller sees of a request that M-Pesa took."""

    GIVEN = "given"
    AFTER_CALLBACK = "after_callback"
    LOST = "lost"  # the connection is dropped in place of an answer
    WITHHELD = "withheld"  # the connection stays open, and silent
    BUSY = "busy"  # it is said to be too busy, and has taken it all the same


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """What all tables say of a request, before the product's own."""

    number: int
    name: str
    meaning: str
    refusal: str | None = None  # a row of `refusals.REFUSALS`, answered instead of taking it
    refused_calls: int = 1  # how many calls are refused before one is taken
    acknowledgement: Acknowledgement = Acknowledgement.GIVEN


ROW = TypeVar("ROW", bound=Behaviour)


class TooManyOverrides(Exception):
    """The simulator remembers a bounded number of set behaviours."""


@dataclass
class _Set(Generic[ROW]):
    default: ROW
    mix: dict[str, int] = field(default_factory=dict)
    by_phone: dict[str, ROW] = field(default_factory=dict)
    by_amount: dict[int, ROW] = field(default_factory=dict)
    queued: deque[ROW] = field(default_factory=deque)
    refused: dict[tuple[str, str], int] = field(default_factory=dict)

    def count(self) -> int:
        return len(self.by_phone) + len(self.by_amount) + len(self.queued)


class BehaviourBook(Generic[ROW]):
    """A product's table, and what has been set. Safe to share between threads."""

    def __init__(
        self, table: Mapping[str, ROW], *, with_code: Callable[[str], ROW | None] | None = None
    ) -> None:
        self.table = table
        self._with_code = with_code
        self._by_tail = {f"{_TAIL + row.number}": row for row in table.values()}
        self._by_amount = {_AMOUNT_BASE + row.number: row for row in table.values()}
        self._lock = Lock()
        self._set = _Set(self._default())

    def row(self, name: str) -> ROW | None:
        """A row by its name; `code_2001` is the one that fails with this code."""
        if name.startswith(_CODE) and self._with_code is not None:
            return self._with_code(name.removeprefix(_CODE))
        return self.table.get(name)

    def reset(self) -> None:
        with self._lock:
            self._set = _Set(self._default())

    def set_default(self, behaviour: ROW) -> None:
        with self._lock:
            self._set.default, self._set.mix = behaviour, {}

    def set_mix(self, weights: Mapping[str, int]) -> None:
        """Draw the behaviour of each request, by these weights."""
        with self._lock:
            self._set.mix = dict(weights)

    def set_for_phone(self, phone: str, behaviour: ROW) -> None:
        with self._lock:
            self._make_room(1)
            self._set.by_phone[phone] = behaviour

    def set_for_amount(self, amount: int, behaviour: ROW) -> None:
        with self._lock:
            self._make_room(1)
            self._set.by_amount[amount] = behaviour

    def queue(self, count: int, behaviour: ROW) -> None:
        with self._lock:
            self._make_room(count)
            self._set.queued.extend([behaviour] * count)

    def chosen(self, *, phone: str = "", amount: int = 0) -> tuple[ROW, str | None]:
        """The behaviour of this request, and the refusal to answer this very call with, if any."""
        with self._lock:
            if self._set.queued:
                queued = self._set.queued.popleft()
                return queued, queued.refusal
            behaviour = self._fitting(phone=phone, amount=amount)
            return behaviour, self._refusal(behaviour, phone)

    def described(self) -> dict[str, object]:
        """All that is set, for `GET /simulator/behaviours`."""
        with self._lock:
            return {
                "default": self._set.default.name,
                "mix": dict(self._set.mix),
                "by_phone": {phone: row.name for phone, row in self._set.by_phone.items()},
                "by_amount": {str(amount): row.name for amount, row in self._set.by_amount.items()},
                "next": [row.name for row in self._set.queued],
            }

    def _default(self) -> ROW:
        return next(iter(self.table.values()))

    def _fitting(self, *, phone: str, amount: int) -> ROW:
        return (
            self._set.by_phone.get(phone)
            or self._set.by_amount.get(amount)
            or self._by_tail.get(phone[-4:])
            or self._by_amount.get(amount)
            or self._drawn()
            or self._set.default
        )

    def _drawn(self) -> ROW | None:
        if not self._set.mix:
            return None
        [name] = random.choices(*zip(*self._set.mix.items(), strict=True))  # noqa: S311 - a game
        return self.row(name)

    def _refusal(self, behaviour: ROW, phone: str) -> str | None:
        if behaviour.refusal is None:
            return None
        key = (behaviour.name, phone)
        refused = self._set.refused.pop(key, 0)
        if refused >= behaviour.refused_calls:
            return None  # and the count begins anew with the next one
        if len(self._set.refused) >= OVERRIDES_MAX:
            self._set.refused.clear()
        self._set.refused[key] = refused + 1
        return behaviour.refusal

    def _make_room(self, count: int) -> None:
        if self._set.count() + count > OVERRIDES_MAX:
            raise TooManyOverrides
