"""The requests that the simulated M-Pesa took from an initiator, by each of their names.

All of it lives in memory under one lock, and all of it is bounded.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

from domain.dates import NAIROBI
from infra.mpesa.simulator.initiator_requests import InitiatorRequest
from infra.mpesa.simulator.ledger import LedgerRow
from infra.mpesa.simulator.refusals import request_id
from infra.mpesa.simulator.request_behaviours import RequestBehaviour

Parameters = list[tuple[str, object]]


@dataclass(frozen=True)
class Decision:
    """What a request came to: a code, what is told beside it, and the money that it was about."""

    code: str
    parameters: Parameters = field(default_factory=list)
    movement: LedgerRow | None = None  # also of a payout that failed


@dataclass
class TakenRequest:
    """One of them. Its decision is set once."""

    request: InitiatorRequest
    behaviour: RequestBehaviour
    conversation_id: str
    originator_conversation_id: str
    taken_at: str  # as Safaricom writes it
    decision: Decision | None = None
    statuses_asked: int = 0


class TakenRequests:
    """Safe to share between threads."""

    def __init__(self, *, clock: Callable[[], datetime], remembered_max: int) -> None:
        self._clock = clock
        self._remembered_max = remembered_max
        self._lock = Lock()
        self._by_originator: OrderedDict[str, TakenRequest] = OrderedDict()

    def take(self, request: InitiatorRequest, behaviour: RequestBehaviour) -> TakenRequest | None:
        """Take a request, or None where one of this id was taken before."""
        now = self._clock().astimezone(NAIROBI)
        taken = TakenRequest(
            request=request,
            behaviour=behaviour,
            conversation_id=f"AG_{now:%Y%m%d}_{secrets.token_hex(10)}",
            originator_conversation_id=request.originator_conversation_id or request_id(),
            taken_at=f"{now:%Y%m%d%H%M%S}",
        )
        with self._lock:
            if taken.originator_conversation_id in self._by_originator:
                return None
            self._by_originator[taken.originator_conversation_id] = taken
            if len(self._by_originator) > self._remembered_max:
                self._by_originator.popitem(last=False)
        return taken

    def find(self, originator_conversation_id: str) -> TakenRequest | None:
        """By the originator's id; Safaricom's own conversation id serves as well."""
        with self._lock:
            found = self._by_originator.get(originator_conversation_id)
            if found is None and originator_conversation_id.startswith("AG_"):
                every = self._by_originator.values()
                found = next(
                    (one for one in every if one.conversation_id == originator_conversation_id),
                    None,
                )
            return found

    def paid_by(self, receipt: str) -> TakenRequest | None:
        """The request whose money moved (or failed to) under this receipt."""
        with self._lock:
            return next(
                (one for one in self._by_originator.values() if _moved(one) == receipt), None
            )

    def status_asked(self, taken: TakenRequest) -> bool:
        """Count a status question about it. Whether the truth is told this time."""
        with self._lock:
            taken.statuses_asked += 1
            return (
                taken.decision is not None
                and taken.statuses_asked > taken.behaviour.unclear_statuses
            )


def _moved(taken: TakenRequest) -> str | None:
    decision = taken.decision
    return None if decision is None or decision.movement is None else decision.movement.receipt
