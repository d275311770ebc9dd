"""Taking up differences: many in one append, as it is faster; one by one where that fails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from uuid import UUID

import structlog

from domain.command_handlers import COMMAND_HANDLERS
from domain.errors import DomainError
from domain.identities import receipt_id, reconciliation_case_id
from domain.mpesa.account_numbers import AccountRules
from domain.mpesa.commands import RecordReceipt
from domain.mpesa.receipt import Channel
from domain.mpesa.reconciliation_case import ReconciliationCase, Source
from domain.mpesa.reconciliation_errors import CaseNotFound
from domain.mpesa.reconciling import TakeUpDifference
from domain.mpesa.statement import Line, Side
from infra import clock
from infra.event_store.dispatch import dispatch
from infra.event_store.errors import Contention
from infra.event_store.unit_of_work import Cause, EventStore, UnitOfWork
from infra.mpesa.statement_store import StatementStore

TOGETHER = 40  # each makes at most some ten events, and a commit holds 500
_log = structlog.get_logger()

TakenUp = tuple[TakeUpDifference, ReconciliationCase | None]
"""A difference, and its case where there is one."""


def payment_of(
    line: Line, *, short_code: str, channel: Channel, rules: AccountRules
) -> RecordReceipt | None:
    """The payment that a line tells of, where it may be one."""
    if line.side is not Side.IN or not line.moved_cents:
        return None
    return RecordReceipt(
        receipt_number=line.receipt_number,
        amount_cents=line.amount_cents,
        paid_at=line.completed_at,
        channel=channel,
        short_code=short_code,
        account_number=line.account_number,
        payer=line.payer,
        now=clock.now(),
        rules=rules,
    )


def payment_to_post(
    case_id: UUID, *, store: EventStore, statements: StatementStore, rules: AccountRules
) -> RecordReceipt | None:
    """The payment that a case is about, as its statement tells it; None where there is none.

    Raises:
        CaseNotFound: there is no such case.
    """
    unit = UnitOfWork(store, Cause("system:reading", str(case_id)))
    case = unit.find(ReconciliationCase, case_id)
    if case is None:
        raise CaseNotFound
    if case.source != Source.STATEMENT:
        return None
    kept = statements.load(UUID(case.run_id))
    line = next((line for line in kept.lines if line.key == case.key), None)
    if line is None:
        return None
    return payment_of(line, short_code=case.short_code, channel=Channel.STATEMENT, rules=rules)


def take_up_all(store: EventStore, commands: Iterable[TakeUpDifference]) -> Iterator[TakenUp]:
    """Take up each; what cannot be taken up now is logged, and found again by the next look."""
    waiting = iter(commands)
    while some := list(islice(waiting, TOGETHER)):
        try:
            taken = _together(store, some)
        except (DomainError, Contention) as error:
            _log.info("differences_taken_apart", error=type(error).__name__, size=len(some))
            taken = [(command, _alone(store, command)) for command in some]
        yield from taken


def _together(store: EventStore, commands: Sequence[TakeUpDifference]) -> list[TakenUp]:
    unit = UnitOfWork(store, _cause(commands[0]))
    unit.prefetch(stream for command in commands for stream in _streams(command))
    handle = COMMAND_HANDLERS[TakeUpDifference]
    taken = []
    for command in commands:
        unit.cause = _cause(command)
        taken.append((command, handle(command, unit)))
    unit.commit()
    return taken


def _alone(store: EventStore, command: TakeUpDifference) -> ReconciliationCase | None:
    try:
        case: ReconciliationCase | None = dispatch(store, command, _cause(command))
    except (DomainError, Contention) as error:
        receipt = command.difference.receipt_number
        _log.warning("difference_not_taken_up", receipt=receipt, error=type(error).__name__)
        return None
    return case


def _cause(command: TakeUpDifference) -> Cause:
    """What is told of a receipt goes under the receipt's id, whichever channel tells it."""
    about = next(_streams(command))
    if command.receipt is not None:
        about = receipt_id(command.receipt.receipt_number)
    return Cause(command.by, str(about), f"run:{command.run_id}")


def _streams(command: TakeUpDifference) -> Iterator[UUID]:
    difference = command.difference
    yield reconciliation_case_id(command.short_code, difference.kind, difference.key)
    if command.receipt is not None:
        yield receipt_id(command.receipt.receipt_number)
    if difference.ours is not None:
        yield difference.ours.id
