"""Run a command: load, decide, append; and decide again when somebody else was first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from domain.command_handlers import COMMAND_HANDLERS
from infra.event_store.errors import Contention
from infra.event_store.log import Answer
from infra.event_store.unit_of_work import Cause, EventStore, UnitOfWork

ATTEMPTS_MAX = 5
_log = structlog.get_logger()


def dispatch(
    store: EventStore,
    command: Any,
    cause: Cause,
    *,
    answer: Callable[[Any], Answer | None] | None = None,
) -> Any:
    """Run one command and answer what its handler answered.

    `answer` is told the handler's result just before the append; the idempotency answer that it
    makes of it, if any, is stored by the same append.

    Raises:
        DomainError: the command was refused; nothing was changed.
        Contention: it lost the race five times over; nothing was changed.
    """
    handler = COMMAND_HANDLERS[type(command)]
    for attempt in range(1, ATTEMPTS_MAX + 1):
        unit = UnitOfWork(store, cause)
        result = handler(command, unit)
        try:
            unit.commit(answer(result) if answer else None)
        except Contention:
            _log.info("contention", command=type(command).__name__, attempt=attempt)
            if attempt == ATTEMPTS_MAX:
                raise
        else:
            return result
    raise AssertionError("unreachable: the last attempt returns or raises")
