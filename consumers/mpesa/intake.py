"""From stored callback to decision: read it, dispatch it, note what became of it.

Callbacks are decided in batches, one append for many: that is what makes it fast. Whatever goes
wrong in a batch is done again one by one, so no callback suffers for another.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import psycopg
import structlog
from psycopg_pool import PoolTimeout
from structlog.contextvars import bound_contextvars

from consumers.mpesa.callback_kind import CallbackKind, SetAside
from domain.command_handlers import COMMAND_HANDLERS
from domain.errors import DomainError
from domain.mpesa.outcome import Outcome
from infra.callbacks import ATTEMPTS_MAX, CallbackStore, Settlement, StoredCallback
from infra.event_store.dispatch import dispatch
from infra.event_store.unit_of_work import Cause, EventStore, UnitOfWork
from infra.mpesa.unreadable import UnreadableCallback

BATCH_CALLBACKS = 60  # each makes at most seven events, and a commit holds 500
POLL_SECONDS_BUSY = 0.02  # a little patience makes larger batches, and those cost far less
POLL_SECONDS_IDLE = 0.1
_POLL_GROWTH = 1.15
_RETRY_SECONDS = 1.0
_ACTOR = "system:mpesa-intake"

Readable = tuple[StoredCallback, Any]
"""A callback, and the command it was read into."""

_log = structlog.get_logger()


class Intake:
    """Works the table of stored callbacks. Any number of them may run."""

    def __init__(
        self, store: EventStore, callbacks: CallbackStore, kinds: Mapping[str, CallbackKind]
    ) -> None:
        self._store = store
        self._callbacks = callbacks
        self._kinds = kinds

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop. A database that is away is waited for."""
        pause = POLL_SECONDS_BUSY
        while not stop.wait(pause):
            try:
                worked = self.work_once()
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("database_away", error=type(error).__name__)
                pause = _RETRY_SECONDS
                continue
            if worked == BATCH_CALLBACKS:
                pause = 0.0
            elif worked:
                pause = POLL_SECONDS_BUSY
            else:
                pause = min(max(pause, POLL_SECONDS_BUSY) * _POLL_GROWTH, POLL_SECONDS_IDLE)

    def work_once(self) -> int:
        """Take up one batch. Answers how many callbacks were taken up."""
        claimed = self._callbacks.claim(BATCH_CALLBACKS)
        if not claimed:
            return 0
        readable: list[Readable] = []
        settlements: list[Settlement] = []
        for callback in claimed:
            try:
                readable.append(self._read(callback))
            except UnreadableCallback as error:
                with _named(callback):
                    _log.warning("callback_unreadable")
                note = f"unreadable: {error.reason}"
                settlements.append(Settlement(callback.callback_id, note, set_aside=True))
            except SetAside as error:
                note = str(error.outcome)
                settlements.append(Settlement(callback.callback_id, note, set_aside=True))
        settlements.extend(self._decide_together(readable))
        self._callbacks.settle(settlements)
        _tell(claimed, settlements)
        return len(claimed)

    def _read(self, callback: StoredCallback) -> Readable:
        """From here on everything says what the callback is about."""
        kind = self._kinds[callback.kind]
        command = kind.read(callback)
        about = kind.correlation(command)
        if about is not None:
            callback = replace(callback, correlation_id=str(about))
        return callback, command

    def _decide_together(self, readable: list[Readable]) -> list[Settlement]:
        if len(readable) > 1:
            try:
                return self._decide_batch(readable)
            except Exception as error:  # noqa: BLE001 - whatever it is, each is then tried alone
                _log.info("batch_taken_apart", error=type(error).__name__, size=len(readable))
        settlements = []
        for callback, command in readable:
            with _named(callback):
                settlement = self._decide_one(callback, command)
            if settlement is not None:
                settlements.append(settlement)
        return settlements

    def _decide_batch(self, readable: list[Readable]) -> list[Settlement]:
        unit = UnitOfWork(self._store, _cause(readable[0][0]))
        kinds = [(self._kinds[callback.kind], command) for callback, command in readable]
        unit.prefetch_keys(key for kind, command in kinds for key in kind.keys(command))
        unit.prefetch(stream for kind, command in kinds for stream in kind.streams(command))
        unit.prefetch_keys(
            key for kind, command in kinds for key in kind.further_keys(command, unit)
        )
        for further in ("further_streams", "last_streams"):
            unit.prefetch(
                stream
                for kind, command in kinds
                for stream in getattr(kind, further)(command, unit)
            )
        settlements = []
        for callback, command in readable:
            unit.cause = _cause(callback)
            outcome: Outcome = COMMAND_HANDLERS[type(command)](command, unit)
            settlements.append(
                _settlement(callback, str(outcome), set_aside=outcome.needs_a_person)
            )
        unit.commit()
        return settlements

    def _decide_one(self, callback: StoredCallback, command: Any) -> Settlement | None:
        try:
            outcome = dispatch(self._store, command, _cause(callback))
        except DomainError as error:
            return _settlement(callback, error.code, set_aside=True)
        except (psycopg.OperationalError, PoolTimeout):
            raise
        except Exception as error:  # noqa: BLE001 - the edge of a loop: one bad callback holds up no other
            _log.exception("callback_failed")
            note = f"failed: {type(error).__name__}"
            if callback.attempts >= ATTEMPTS_MAX:
                return _settlement(callback, note, set_aside=True)
            self._callbacks.postpone(callback, note=note)
            return None
        return _settlement(callback, str(outcome), set_aside=outcome.needs_a_person)


def _cause(callback: StoredCallback) -> Cause:
    return Cause(_ACTOR, callback.correlation_id, f"callback:{callback.callback_id}")


def _settlement(callback: StoredCallback, note: str, *, set_aside: bool) -> Settlement:
    return Settlement(callback.callback_id, note, set_aside, callback.correlation_id)


def _named(callback: StoredCallback) -> AbstractContextManager[None]:
    """Every log line inside tells which callback it is about, and in the course of what."""
    return bound_contextvars(callback=callback.callback_id, correlation_id=callback.correlation_id)


def _tell(claimed: list[StoredCallback], settlements: list[Settlement]) -> None:
    """Say what became of each, once it is done and noted."""
    correlations = {callback.callback_id: callback.correlation_id for callback in claimed}
    for settlement in settlements:
        _log.info(
            "callback_settled",
            callback=settlement.callback_id,
            correlation_id=settlement.correlation_id or correlations[settlement.callback_id],
            outcome=settlement.note,
            set_aside=settlement.set_aside,
        )
