"""What is done about pushes that nobody has answered: doubt them, ask about them, stop waiting."""

from __future__ import annotations

import threading

import psycopg
import structlog
from psycopg_pool import PoolTimeout
from structlog.contextvars import bound_contextvars

from consumers.mpesa.due_pushes import DuePush, DuePushes
from domain.mpesa.commands import RecordQueryAnswer
from domain.mpesa.outcome import Outcome
from domain.mpesa.sending import RecordDoubt, StopWaiting
from domain.mpesa.stk_push import Push
from infra import clock
from infra.event_store.dispatch import dispatch
from infra.event_store.errors import Contention
from infra.event_store.unit_of_work import Cause, EventStore, UnitOfWork
from infra.mpesa.outcomes import NotAnswered, QueryAnswer, QueryOutcome
from infra.mpesa.settings import MpesaPatience
from infra.mpesa.short_codes import ShortCodes

POLL_SECONDS = 0.5
QUERIES_A_ROUND_MAX = 5  # Safaricom slows down those who ask faster than some five a second
DOUBTS_A_ROUND_MAX = 100
_ACTOR = "system:schedule"

_log = structlog.get_logger()


class PushWatch:
    """Watches over pushes that wait. Any number of them may run."""

    def __init__(
        self,
        store: EventStore,
        due: DuePushes,
        short_codes: ShortCodes,
        patience: MpesaPatience,
    ) -> None:
        self._store = store
        self._due = due
        self._short_codes = short_codes
        self._patience = patience

    def run(self, stop: threading.Event) -> None:
        """Watch until told to stop."""
        while not stop.wait(POLL_SECONDS):
            try:
                self.work_once()
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("database_away", error=type(error).__name__)
            except Exception:  # noqa: BLE001 - the edge of a loop: what is due stays due
                _log.exception("push_watch_failed")

    def work_once(self) -> None:
        """Do what is due at this moment."""
        patience = self._patience
        steps = (
            ("doubt", patience.answer_seconds, DOUBTS_A_ROUND_MAX),
            ("verify", patience.failure_query_seconds, QUERIES_A_ROUND_MAX),
            ("query", patience.first_query_seconds, QUERIES_A_ROUND_MAX),
        )
        for action, wait_seconds, limit in steps:
            for due in self._due.claim(action, wait_seconds=wait_seconds, limit=limit):
                self._do_guarded(due, action)

    def _do_guarded(self, due: DuePush, action: str) -> None:
        with bound_contextvars(correlation_id=str(due.push_id)):
            try:
                self._do(due, action)
            except (psycopg.OperationalError, PoolTimeout):
                raise
            except Exception:  # noqa: BLE001 - the edge of a loop: one push holds up no other
                _log.exception("push_watch_failed", action=action)

    def _do(self, due: DuePush, action: str) -> None:
        cause = Cause(_ACTOR, str(due.push_id), f"due:{action}/{due.attempts}")
        if action == "doubt":
            reason = "The answer to the request never came."
            self._dispatch(RecordDoubt(due.push_id, reason, clock.now()), cause)
        else:
            self._ask(due, action, cause)

    def _ask(self, due: DuePush, action: str, cause: Cause) -> None:
        push = UnitOfWork(self._store, cause).get(Push, due.push_id)
        if not push.is_open or push.checkout_request_id is None:
            return
        client = self._short_codes.client(push.short_code)
        answer = client.query(checkout_request_id=push.checkout_request_id)
        _log.info("push_asked_about", action=action, answer=type(answer).__name__)
        if isinstance(answer, QueryAnswer) and self._record(due, answer, cause):
            return
        if (clock.now() - due.since).total_seconds() > self._patience.give_up_seconds:
            self._dispatch(StopWaiting(due.push_id, clock.now()), cause)
            return
        self._due.postpone(due.push_id, action, seconds=self._pause(due, answer))

    def _record(self, due: DuePush, answer: QueryAnswer, cause: Cause) -> bool:
        """Whether the answer was definite."""
        command = RecordQueryAnswer(
            due.push_id, answer.result_code, answer.result_description, clock.now()
        )
        return self._dispatch(command, cause) is not Outcome.STILL_PENDING

    def _dispatch(self, command: object, cause: Cause) -> object:
        try:
            return dispatch(self._store, command, cause)
        except Contention:
            return None  # whoever was faster has moved the push on

    def _pause(self, due: DuePush, answer: QueryOutcome) -> float:
        backoff = self._patience.query_backoff_seconds
        pause = backoff[min(due.attempts, len(backoff)) - 1]
        return max(pause, answer.retry_after_seconds) if isinstance(answer, NotAnswered) else pause
