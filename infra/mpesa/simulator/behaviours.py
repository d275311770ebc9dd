"""How the simulated M-Pesa may behave, as one table, and who decides which row applies.

A push takes the first that fits: a queued behaviour ("next"), one set for its payer, one set for
its amount, the row whose number the payer's number ends in (`99` and the number: 0712 349 902 is
row 02), the row whose number the amount ends in (99,902), the default.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from threading import Lock
from types import MappingProxyType

OVERRIDES_MAX = 10_000
_TAIL = 9_900  # numbers 01 to 99 follow it
_AMOUNT_BASE = 99_900


class Acknowledgement(Enum):
    """What the caller sees of a push that M-Pesa took."""

    GIVEN = "given"
    AFTER_CALLBACK = "after_callback"
    LOST = "lost"  # the connection is dropped in place of an answer
    WITHHELD = "withheld"  # the connection stays open, and silent


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """One row: what happens to a push, from the request to the last callback."""

    number: int
    name: str
    meaning: str
    refusal: str | None = None  # a row of `refusals.REFUSALS`, answered instead of taking the push
    refused_calls: int = 1  # how many calls are refused before one is taken
    acknowledgement: Acknowledgement = Acknowledgement.GIVEN
    results: tuple[str, ...] = ("0",)  # the truth, step by step; money moves when it becomes "0"
    callbacks_per_result: int = 1
    pending_polls: int = 0  # queries that are answered "pending" before the truth
    pending_form: str = "4999"  # "4999", or "500" for the error envelope that means the same


_ROWS = (
    Behaviour(number=1, name="success", meaning="Paid; one callback."),
    Behaviour(number=2, name="cancelled", meaning="The payer declines.", results=("1032",)),
    Behaviour(number=3, name="wrong_pin", meaning="The PIN is wrong.", results=("2001",)),
    Behaviour(number=4, name="no_balance", meaning="The balance is too low.", results=("1",)),
    Behaviour(number=5, name="unreachable", meaning="The phone is off.", results=("1037",)),
    Behaviour(
        number=6, name="no_callback", meaning="Paid; nobody is told.", callbacks_per_result=0
    ),
    Behaviour(number=7, name="callback_twice", meaning="Paid; told twice.", callbacks_per_result=2),
    Behaviour(
        number=8,
        name="callback_before_acknowledgement",
        meaning="Paid; the callback overtakes the answer.",
        acknowledgement=Acknowledgement.AFTER_CALLBACK,
    ),
    Behaviour(
        number=9,
        name="late_success",
        meaning="First unreachable, later paid after all.",
        results=("1037", "0"),
    ),
    Behaviour(
        number=10,
        name="acknowledgement_lost",
        meaning="Paid; the connection breaks before the answer.",
        acknowledgement=Acknowledgement.LOST,
    ),
    Behaviour(
        number=11,
        name="acknowledgement_withheld",
        meaning="Paid; the answer never comes.",
        acknowledgement=Acknowledgement.WITHHELD,
    ),
    Behaviour(
        number=12,
        name="request_lost",
        meaning="The connection breaks and nothing happens.",
        acknowledgement=Acknowledgement.LOST,
        results=(),
    ),
    Behaviour(
        number=13,
        name="still_processing",
        meaning="Paid without callback; three queries say 4999.",
        callbacks_per_result=0,
        pending_polls=3,
    ),
    Behaviour(
        number=14,
        name="processing_500",
        meaning="Paid without callback; three queries say HTTP 500, being processed.",
        callbacks_per_result=0,
        pending_polls=3,
        pending_form="500",
    ),
    Behaviour(
        number=15,
        name="token_killed",
        meaning="The token dies; the next call with a new one is taken.",
        refusal="invalid_token",
    ),
    Behaviour(
        number=16,
        name="spike_arrest",
        meaning="Three calls are too many, the fourth is taken.",
        refusal="spike_arrest",
        refused_calls=3,
    ),
    Behaviour(
        number=17, name="html_503", meaning="A web page, HTTP 503, once.", refusal="html_503"
    ),
    Behaviour(
        number=18, name="html_200", meaning="A web page, HTTP 200, once.", refusal="html_200"
    ),
    Behaviour(
        number=19,
        name="subscriber_locked",
        meaning="The payer is busy, once.",
        refusal="subscriber_locked",
    ),
    Behaviour(
        number=20,
        name="internal_error",
        meaning="A bare 500.003.1001, once.",
        refusal="internal_error",
    ),
    Behaviour(
        number=21, name="empty_error", meaning="An error without words, once.", refusal="empty"
    ),
    Behaviour(
        number=22, name="soap_fault", meaning="A SOAP fault as JSON, once.", refusal="soap_fault"
    ),
)

BEHAVIOURS: Mapping[str, Behaviour] = MappingProxyType({row.name: row for row in _ROWS})
_BY_TAIL = MappingProxyType({f"{_TAIL + row.number}": row for row in _ROWS})
_BY_AMOUNT = MappingProxyType({_AMOUNT_BASE + row.number: row for row in _ROWS})


class TooManyOverrides(Exception):
    """The simulator remembers a bounded number of set behaviours."""


@dataclass
class _Overrides:
    default: Behaviour = BEHAVIOURS["success"]
    by_phone: dict[str, Behaviour] = field(default_factory=dict)
    by_amount: dict[int, Behaviour] = field(default_factory=dict)
    next_pushes: deque[Behaviour] = field(default_factory=deque)
    next_queries: deque[Behaviour] = field(default_factory=deque)
    refused: dict[tuple[str, str], int] = field(default_factory=dict)

    def count(self) -> int:
        queued = len(self.next_pushes) + len(self.next_queries)
        return len(self.by_phone) + len(self.by_amount) + queued


class BehaviourBook:
    """What has been set through the simulator's own API. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._set = _Overrides()

    def reset(self) -> None:
        with self._lock:
            self._set = _Overrides()

    def set_default(self, behaviour: Behaviour) -> None:
        with self._lock:
            self._set.default = behaviour

    def set_for_phone(self, phone: str, behaviour: Behaviour) -> None:
        with self._lock:
            self._make_room(1)
            self._set.by_phone[phone] = behaviour

    def set_for_amount(self, amount: int, behaviour: Behaviour) -> None:
        with self._lock:
            self._make_room(1)
            self._set.by_amount[amount] = behaviour

    def queue_pushes(self, count: int, behaviour: Behaviour) -> None:
        with self._lock:
            self._make_room(count)
            self._set.next_pushes.extend([behaviour] * count)

    def queue_queries(self, count: int, behaviour: Behaviour) -> None:
        with self._lock:
            self._make_room(count)
            self._set.next_queries.extend([behaviour] * count)

    def for_push(self, *, phone: str, amount: int) -> tuple[Behaviour, str | None]:
        """The behaviour of this push, and the refusal to answer this very call with, if any."""
        with self._lock:
            if self._set.next_pushes:
                queued = self._set.next_pushes.popleft()
                return queued, queued.refusal
            behaviour = self._chosen(phone=phone, amount=amount)
            return behaviour, self._refusal(behaviour, phone)

    def for_query(self) -> str | None:
        """The refusal to answer this query with, if any."""
        with self._lock:
            return self._set.next_queries.popleft().refusal if self._set.next_queries else None

    def described(self) -> dict[str, object]:
        """All that is set, for `GET /simulator/behaviours`."""
        with self._lock:
            by_phone, by_amount = self._set.by_phone, self._set.by_amount
            return {
                "default": self._set.default.name,
                "by_phone": {phone: row.name for phone, row in by_phone.items()},
                "by_amount": {str(amount): row.name for amount, row in by_amount.items()},
                "next": [row.name for row in self._set.next_pushes],
                "next_query": [row.name for row in self._set.next_queries],
            }

    def _chosen(self, *, phone: str, amount: int) -> Behaviour:
        return (
            self._set.by_phone.get(phone)
            or self._set.by_amount.get(amount)
            or _BY_TAIL.get(phone[-4:])
            or _BY_AMOUNT.get(amount)
            or self._set.default
        )

    def _refusal(self, behaviour: Behaviour, phone: str) -> str | None:
        if behaviour.refusal is None:
            return None
        key = (behaviour.name, phone)
        refused = self._set.refused.pop(key, 0)
        if refused >= behaviour.refused_calls:
            return None  # and the count begins anew with the next push
        if len(self._set.refused) >= OVERRIDES_MAX:
            self._set.refused.clear()
        self._set.refused[key] = refused + 1
        return behaviour.refusal

    def _make_room(self, count: int) -> None:
        if self._set.count() + count > OVERRIDES_MAX:
            raise TooManyOverrides
