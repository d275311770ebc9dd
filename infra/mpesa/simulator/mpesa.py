"""The simulated M-Pesa itself: takes pushes, lets pretended payers decide, and tells the result.

The Flask app is its door; this is what stands behind it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from functools import partial
from threading import Event

from infra.mpesa.simulator.behaviours import Acknowledgement, BehaviourBook
from infra.mpesa.simulator.callbacks import Timetable, callback_body, deliver
from infra.mpesa.simulator.incoming import PushRequest
from infra.mpesa.simulator.refusals import REFUSALS, Refusal
from infra.mpesa.simulator.settings import SimulatorSettings
from infra.mpesa.simulator.state import Push, SimulatorState, Told


class SimulatedMpesa:
    """One merchant's M-Pesa. Safe to share between threads; `stop` ends its own."""

    def __init__(self, settings: SimulatorSettings, *, clock: Callable[[], datetime]) -> None:
        self.settings = settings
        self.behaviours = BehaviourBook()
        self.state = SimulatorState(clock=clock, remembered_max=settings.remembered_max)
        self.stopping = Event()
        self._timetable = Timetable()

    def stop(self) -> None:
        """End the waiting: no callback leaves after this."""
        self.stopping.set()
        self._timetable.stop()

    def push(self, request: PushRequest) -> Push | Refusal:
        """Take a push and set its future going, or refuse it."""
        behaviour, refusal = self.behaviours.for_push(phone=request.phone, amount=request.amount)
        if refusal is not None:
            return self.refuse(refusal)
        push = self.state.take(request, behaviour)
        if push is None:
            return REFUSALS["subscriber_locked"]
        if behaviour.acknowledgement is Acknowledgement.AFTER_CALLBACK:
            self._decide(push, 0)
        elif push.results:
            settings = self.settings
            delay = random.uniform(settings.delay_seconds_min, settings.delay_seconds_max)  # noqa: S311 - a pace, not a secret
            self._timetable.after(delay, partial(self._decide, push, 0))
        return push

    def refuse(self, refusal: str) -> Refusal:
        """A refusal by name, with the effect that goes with it."""
        if refusal == "invalid_token":
            self.state.kill_token()
        return REFUSALS[refusal]

    def query(self, checkout_request_id: str) -> Told | Refusal:
        """What a query learns."""
        refusal = self.behaviours.for_query()
        if refusal is not None:
            return self.refuse(refusal)
        told = self.state.polled(checkout_request_id)
        if told is None:
            return REFUSALS["no_such_push"]
        return REFUSALS["processing"] if told.pending_form == "500" else told

    def resend(self, told: Told) -> int | None:
        """Tell a result again; the status answered, or None."""
        return deliver(told.push.request.callback_url, callback_body(told))

    def ledger(self) -> list[dict[str, object]]:
        """The money that moved."""
        return [asdict(row) for row in self.state.ledger()]

    def _decide(self, push: Push, step: int) -> None:
        told = self.state.settle(push, push.results[step])
        if step + 1 < len(push.results):
            self._timetable.after(self.settings.late_seconds, partial(self._decide, push, step + 1))
        for _ in range(push.behaviour.callbacks_per_result):
            deliver(push.request.callback_url, callback_body(told))
