"""Handing pushes to Safaricom: claim, send once, record what came of it.

A push counts as sent from the moment before its request leaves. If this process dies in between,
the push is left in doubt, never sent twice: a member is not charged for our crash.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import PoolTimeout
from structlog.contextvars import bound_contextvars

from consumers.mpesa.due_pushes import DuePush, DuePushes
from domain.mpesa.sending import (
    RecordAcknowledgement,
    RecordDoubt,
    RecordNotSent,
    RecordRefusal,
    StartSending,
)
from domain.mpesa.stk_push import Push
from infra import clock
from infra.event_store.dispatch import dispatch
from infra.event_store.errors import Contention
from infra.event_store.unit_of_work import Cause, EventStore
from infra.mpesa.outcomes import Accepted, Ambiguous, NotSent, PushOutcome, Refused
from infra.mpesa.short_codes import NoCredentials, ShortCodes

SENDING_AT_ONCE = 8
POLL_SECONDS = 0.05
RECORD_ATTEMPTS_MAX = 20
_RETRY_SECONDS = 1.0
_ACTOR = "system:mpesa-sender"

_log = structlog.get_logger()


class PushSender:
    """Sends due pushes. Any number of them may run; each push is sent by one."""

    def __init__(
        self,
        store: EventStore,
        due: DuePushes,
        short_codes: ShortCodes,
        *,
        callback_url: Callable[[UUID], str],
    ) -> None:
        self._store = store
        self._due = due
        self._short_codes = short_codes
        self._callback_url = callback_url

    def run(self, stop: threading.Event) -> None:
        """Send until told to stop; what is under way is finished first."""
        free = threading.Semaphore(SENDING_AT_ONCE)
        with ThreadPoolExecutor(SENDING_AT_ONCE, thread_name_prefix="send") as threads:
            pause = POLL_SECONDS
            while not stop.wait(pause):
                pause = POLL_SECONDS
                if not free.acquire(timeout=POLL_SECONDS):
                    continue
                try:
                    claimed = self._due.claim("send", wait_seconds=0.0, limit=1)
                except (psycopg.OperationalError, PoolTimeout) as error:
                    _log.warning("database_away", error=type(error).__name__)
                    claimed, pause = [], _RETRY_SECONDS
                if not claimed:
                    free.release()
                    continue
                pause = 0.0
                threads.submit(self._send_guarded, claimed[0]).add_done_callback(
                    lambda _: free.release()
                )

    def send(self, push_id: UUID, *, attempt: int = 1) -> None:
        """Send one push, unless another sender was first or it is settled."""
        cause = Cause(_ACTOR, str(push_id), f"due:send/{attempt}")
        push = dispatch(self._store, StartSending(push_id, clock.now()), cause)
        if push is None:
            return
        outcome = self._push(push)
        self._record(_command(push, outcome), cause)
        _log.info("push_sent", outcome=type(outcome).__name__)

    def _push(self, push: Push) -> PushOutcome:
        assert push.phone is not None, "a push whose member was erased is not sent"
        try:
            client = self._short_codes.client(push.short_code)
        except NoCredentials as error:
            return Refused("no_credentials", str(error))
        return client.push(
            phone=push.phone,
            amount_shillings=push.push_shillings,
            account_reference=push.account_reference,
            description=_DESCRIPTIONS.get(push.purpose, "Payment"),
            callback_url=self._callback_url(push.id),
        )

    def _record(self, command: Any, cause: Cause) -> None:
        """What Safaricom answered is told once: a database that is away is waited for."""
        for _ in range(RECORD_ATTEMPTS_MAX):
            try:
                dispatch(self._store, command, cause)
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("database_away", error=type(error).__name__)
                time.sleep(_RETRY_SECONDS)
            else:
                return
        dispatch(self._store, command, cause)

    def _send_guarded(self, due: DuePush) -> None:
        with bound_contextvars(correlation_id=str(due.push_id)):
            try:
                self.send(due.push_id, attempt=due.attempts)
            except (Contention, psycopg.OperationalError, PoolTimeout) as error:
                # The lease runs out and the push is taken up again, or doubted if it was sent.
                _log.warning("push_not_recorded", error=type(error).__name__)
            except Exception:  # noqa: BLE001 - the edge of a loop: one push holds up no other
                _log.exception("push_failed")


_DESCRIPTIONS = {
    "monthly": "Deposit",
    "share_capital": "Shares",
    "registration_fee": "Registration",
    "loan_repayment": "Loan",
}


def _command(
    push: Push, outcome: PushOutcome
) -> RecordAcknowledgement | RecordNotSent | RecordRefusal | RecordDoubt:
    now = clock.now()
    match outcome:
        case Accepted(merchant_request_id, checkout_request_id):
            return RecordAcknowledgement(push.id, merchant_request_id, checkout_request_id, now)
        case NotSent(reason, retry_after_seconds):
            return RecordNotSent(push.id, reason, retry_after_seconds, now, push.attempts)
        case Refused(code, reason):
            return RecordRefusal(push.id, code, reason, now)
        case Ambiguous(reason):
            return RecordDoubt(push.id, reason, now)
