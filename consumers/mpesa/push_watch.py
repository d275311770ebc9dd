"""What is done about pushes that nobody has answered: doubt them, ask about them, stop waiting."""

from __future__ import annotations

import structlog

from consumers.mpesa.due_requests import DueRequest, DueRequests
from consumers.mpesa.watch import (
    DOUBTS_A_ROUND_MAX,
    QUERIES_A_ROUND_MAX,
    Step,
    Watch,
    backoff,
)
from domain.mpesa.commands import RecordQueryAnswer
from domain.mpesa.outcome import Outcome
from domain.mpesa.sending import RecordDoubt, StopWaiting
from domain.mpesa.stk_push import Push
from infra import clock
from infra.event_store.unit_of_work import Cause, EventStore, UnitOfWork
from infra.mpesa.outcomes import NotAnswered, QueryAnswer, QueryOutcome
from infra.mpesa.settings import MpesaPatience
from infra.mpesa.short_codes import ShortCodes

_log = structlog.get_logger()


class PushWatch(Watch):
    """Watches over pushes that wait."""

    def __init__(
        self,
        store: EventStore,
        due: DueRequests,
        short_codes: ShortCodes,
        patience: MpesaPatience,
    ) -> None:
        steps = (
            Step("doubt", patience.answer_seconds, DOUBTS_A_ROUND_MAX),
            Step("verify", patience.failure_query_seconds, QUERIES_A_ROUND_MAX),
            Step("query", patience.first_query_seconds, QUERIES_A_ROUND_MAX),
        )
        super().__init__(store, due, steps)
        self._short_codes = short_codes
        self._patience = patience

    def do(self, due: DueRequest, action: str, cause: Cause) -> None:
        if action == "doubt":
            reason = "The answer to the request never came."
            self._dispatch(RecordDoubt(due.request_id, reason, clock.now()), cause)
        else:
            self._ask(due, action, cause)

    def _ask(self, due: DueRequest, action: str, cause: Cause) -> None:
        push = UnitOfWork(self._store, cause).get(Push, due.request_id)
        if not push.is_open or push.checkout_request_id is None:
            return
        client = self._short_codes.client(push.short_code)
        answer = client.query(checkout_request_id=push.checkout_request_id)
        _log.info("push_asked_about", action=action, answer=type(answer).__name__)
        if isinstance(answer, QueryAnswer) and self._record(due, answer, cause):
            return
        if (clock.now() - due.since).total_seconds() > self._patience.give_up_seconds:
            self._dispatch(StopWaiting(due.request_id, clock.now()), cause)
            return
        self._due.postpone(due.request_id, action, seconds=self._pause(due, answer))

    def _record(self, due: DueRequest, answer: QueryAnswer, cause: Cause) -> bool:
        """Whether the answer was definite."""
        command = RecordQueryAnswer(
            due.request_id, answer.result_code, answer.result_description, clock.now()
        )
        return self._dispatch(command, cause) is not Outcome.STILL_PENDING

    def _pause(self, due: DueRequest, answer: QueryOutcome) -> float:
        pause = backoff(self._patience.query_backoff_seconds, due.attempts)
        return max(pause, answer.retry_after_seconds) if isinstance(answer, NotAnswered) else pause
