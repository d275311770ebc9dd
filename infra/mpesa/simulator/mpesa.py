"""The simulated M-Pesa itself: one merchant, put together from its desks and its books.

The Flask app is its door; this is what stands behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from threading import Event
from typing import Any

from infra.mpesa.simulator.behaviours import BehaviourBook
from infra.mpesa.simulator.credential_check import CredentialCheck
from infra.mpesa.simulator.decisions import Decisions
from infra.mpesa.simulator.initiator_desk import InitiatorDesk
from infra.mpesa.simulator.initiator_requests import RequestKind
from infra.mpesa.simulator.ledger import Kind, Ledger, LedgerRow, Movement
from infra.mpesa.simulator.pace import Pace
from infra.mpesa.simulator.paybill_behaviours import paybill_book
from infra.mpesa.simulator.paybill_desk import PaybillDesk
from infra.mpesa.simulator.push_behaviours import push_book
from infra.mpesa.simulator.push_desk import PushDesk
from infra.mpesa.simulator.pushes import PushMemory
from infra.mpesa.simulator.request_behaviours import request_book
from infra.mpesa.simulator.settings import SimulatorSettings
from infra.mpesa.simulator.taken_requests import TakenRequests
from infra.mpesa.simulator.timetable import Timetable
from infra.mpesa.simulator.tokens import Tokens


class SimulatedMpesa:
    """One merchant's M-Pesa. Safe to share between threads; `stop` ends its own."""

    def __init__(self, settings: SimulatorSettings, *, clock: Callable[[], datetime]) -> None:
        self.settings = settings
        self.stopping = Event()
        self.tokens = Tokens(clock=clock)
        self.ledger = Ledger(
            clock=clock,
            rows_max=settings.remembered_max,
            working=settings.working_shillings,
            utility=settings.utility_shillings,
        )
        self._timetable = Timetable()
        self.pace = Pace.of(settings, self._timetable)
        self.credentials = CredentialCheck(settings)
        pushes, queries, payments, self.pulls = (
            push_book(),
            push_book(),
            paybill_book(),
            request_book(),
        )
        requests = {kind: request_book() for kind in RequestKind}
        self.books: Mapping[str, BehaviourBook[Any]] = {
            "push": pushes,
            "query": queries,
            "paybill": payments,
            "pull": self.pulls,
            **{kind.value: book for kind, book in requests.items()},
        }
        self.paybill = PaybillDesk(settings, self.ledger, payments, self.pace)
        memory = PushMemory(self.ledger, clock=clock, remembered_max=settings.remembered_max)
        self.pushes = PushDesk(memory, pushes, queries, self.pace, paid=self.paybill.tell_twin)
        taken = TakenRequests(clock=clock, remembered_max=settings.remembered_max)
        decisions = Decisions(settings, self.ledger, taken)
        self.requests = InitiatorDesk(requests, taken, decisions, self.credentials, self.pace)

    def stop(self) -> None:
        """End the waiting: nothing is posted after this."""
        self.stopping.set()
        self._timetable.stop()

    def reset(self) -> None:
        """Back to the tables alone, and the initiator unlocked."""
        for book in self.books.values():
            book.reset()
        self.credentials.unlock()

    def top_up(self, shillings: int) -> LedgerRow | None:
        """Move money between the Utility account and a bank; None where there is too little."""
        kind = Kind.TOP_UP if shillings > 0 else Kind.SETTLEMENT
        return self.ledger.move(Movement(kind=kind, amount=abs(shillings)))

    def moved(self) -> list[dict[str, object]]:
        """The money that moved, oldest first."""
        return [asdict(row) for row in self.ledger.rows()]
