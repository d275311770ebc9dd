"""The loop that watches over requests that wait: what is due of each step, taken up and done."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass

import psycopg
import structlog
from psycopg_pool import PoolTimeout
from structlog.contextvars import bound_contextvars

from consumers.mpesa.due_requests import DueRequest, DueRequests
from infra.event_store.dispatch import dispatch
from infra.event_store.errors import Contention
from infra.event_store.unit_of_work import Cause, EventStore

POLL_SECONDS = 0.5
QUERIES_A_ROUND_MAX = 5  # Safaricom slows down those who ask faster than some five a second
DOUBTS_A_ROUND_MAX = 100
ACTOR = "system:schedule"

_log = structlog.get_logger()


@dataclass(frozen=True)
class Step:
    """What is done about a request that has waited so long for it."""

    action: str
    wait_seconds: float
    a_round_max: int


class Watch(ABC):
    """Watches over requests of one kind. Any number of them may run."""

    def __init__(self, store: EventStore, due: DueRequests, steps: tuple[Step, ...]) -> None:
        self._store = store
        self._due = due
        self._steps = steps

    @abstractmethod
    def do(self, due: DueRequest, action: str, cause: Cause) -> None:
        """Take one step of one request."""

    def run(self, stop: threading.Event) -> None:
        """Watch until told to stop."""
        while not stop.wait(POLL_SECONDS):
            try:
                self.work_once()
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("database_away", error=type(error).__name__)
            except Exception:  # noqa: BLE001 - the edge of a loop: what is due stays due
                _log.exception("watch_failed")

    def work_once(self) -> None:
        """Do what is due at this moment."""
        for step in self._steps:
            claimed = self._due.claim(
                step.action, wait_seconds=step.wait_seconds, limit=step.a_round_max
            )
            for due in claimed:
                self._do_guarded(due, step.action)

    def _do_guarded(self, due: DueRequest, action: str) -> None:
        with bound_contextvars(correlation_id=str(due.request_id)):
            cause = Cause(ACTOR, str(due.request_id), f"due:{action}/{due.attempts}")
            try:
                self.do(due, action, cause)
            except (psycopg.OperationalError, PoolTimeout):
                raise
            except Exception:  # noqa: BLE001 - the edge of a loop: one request holds up no other
                _log.exception("watch_failed", action=action)

    def _dispatch(self, command: object, cause: Cause) -> object:
        try:
            return dispatch(self._store, command, cause)
        except Contention:
            return None  # whoever was faster has moved it on


def backoff(pauses: tuple[float, ...], attempts: int) -> float:
    """How long to wait after so many attempts; the last pause repeats."""
    return pauses[min(attempts, len(pauses)) - 1]
