"""Handing requests to Safaricom: claim, send once, record what came of it.

A request counts as sent from the moment before it leaves. If this process dies in between, it is
left in doubt, never sent twice: nobody is charged, or paid, for our crash.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import PoolTimeout
from structlog.contextvars import bound_contextvars

from consumers.mpesa.due_requests import DueRequest, DueRequests
from infra.event_store.dispatch import dispatch
from infra.event_store.errors import Contention
from infra.event_store.unit_of_work import Cause, EventStore

SENDING_AT_ONCE = 8
POLL_SECONDS = 0.05
RECORD_ATTEMPTS_MAX = 20
ACTOR = "system:mpesa-sender"
_RETRY_SECONDS = 1.0

_log = structlog.get_logger()


class Sender(ABC):
    """Sends due requests of one kind. Any number of them may run; each is sent by one."""

    def __init__(self, store: EventStore, due: DueRequests) -> None:
        self._store = store
        self._due = due

    @abstractmethod
    def send(self, request_id: UUID, *, attempt: int = 1) -> None:
        """Send one, unless another sender was first or it is settled."""

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

    def _send_guarded(self, due: DueRequest) -> None:
        with bound_contextvars(correlation_id=str(due.request_id)):
            try:
                self.send(due.request_id, attempt=due.attempts)
            except (Contention, psycopg.OperationalError, PoolTimeout) as error:
                # The lease runs out and it is taken up again, or doubted if it was sent.
                _log.warning("request_not_recorded", error=type(error).__name__)
            except Exception:  # noqa: BLE001 - the edge of a loop: one request holds up no other
                _log.exception("request_failed")
