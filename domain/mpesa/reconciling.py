"""What is done about each difference, and how a run is recorded.

What can be put right by itself is: money that Safaricom has and we lack is posted, a payout that
the statement proves is settled, a charge is booked. All else waits as a case for two persons.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.dates import text_from_moment
from domain.identities import receipt_id, reconciliation_case_id, reconciliation_run_id
from domain.mpesa.commands import RecordReceipt
from domain.mpesa.matching import MovementKind
from domain.mpesa.outcome import Outcome
from domain.mpesa.payout import Payout
from domain.mpesa.payout_settling import ToldPaid, settle_paid
from domain.mpesa.receipt import Receipt
from domain.mpesa.receipts import record_receipt
from domain.mpesa.reconciliation import Difference, DifferenceKind
from domain.mpesa.reconciliation_case import Decision, Ending, ReconciliationCase, Source
from domain.mpesa.reconciliation_errors import CannotBePosted, CaseNotFound, StatementKnown
from domain.mpesa.reconciliation_run import ReconciliationRun, Standing
from domain.mpesa.statement import LineKind
from domain.principals.deciding import check_may_decide
from domain.store import AggregateStore
from domain.words import one_line

REASON_LENGTH_MAX = 200
OF_STATEMENT = "statement"
"""The basis of a charge that a statement tells, and the source of a payout's end."""


@dataclass(frozen=True)
class BeginRun:
    """Hold something of Safaricom's against our books for the first time."""

    short_code: str
    source: Source
    subject: str
    first_at: datetime
    last_at: datetime
    lines: int
    begun_by: str
    now: datetime
    file_sha256: str | None = None


@dataclass(frozen=True)
class RecordStanding:
    """Note how a run stands."""

    run_id: UUID
    standing: Standing
    by: str
    now: datetime


@dataclass(frozen=True)
class TakeUpDifference:
    """Put a difference right, or open its case. `receipt` is the payment its line tells of."""

    short_code: str
    difference: Difference
    source: Source
    run_id: UUID
    receipt: RecordReceipt | None
    by: str
    now: datetime


@dataclass(frozen=True)
class EndCase:
    """The difference is no more: they and we agree by now."""

    case_id: UUID
    by: str
    now: datetime


@dataclass(frozen=True)
class ProposeDecision:
    """Say what is to become of a case, and why."""

    case_id: UUID
    decision: Decision
    reason: str
    principal_id: str
    now: datetime


@dataclass(frozen=True)
class ConfirmDecision:
    """Agree to what another proposed. `receipt` is what is posted, where that is decided."""

    case_id: UUID
    principal_id: str
    receipt: RecordReceipt | None
    now: datetime


def begin_run(command: BeginRun, store: AggregateStore) -> ReconciliationRun:
    """Begin a run. Raises StatementKnown: it was begun before, and nothing is changed."""
    run_id = reconciliation_run_id(command.short_code, command.source, command.subject)
    if store.find(ReconciliationRun, run_id) is not None:
        raise StatementKnown(run_id)
    run: ReconciliationRun = ReconciliationRun.begin(
        ReconciliationRun.Begun,
        stream_id=run_id,
        short_code=command.short_code,
        source=str(command.source),
        subject=command.subject,
        file_sha256=command.file_sha256,
        first_at=text_from_moment(command.first_at),
        last_at=text_from_moment(command.last_at),
        lines=command.lines,
        begun_by=command.begun_by,
        begun_at=text_from_moment(command.now),
    )
    store.save(run)
    return run


def record_standing(command: RecordStanding, store: AggregateStore) -> ReconciliationRun:
    """Note how a run stands, where that is new."""
    run = store.get(ReconciliationRun, command.run_id)
    run.compare(command.standing, by=command.by, at=text_from_moment(command.now))
    store.save(run)
    return run


def take_up_difference(
    command: TakeUpDifference, store: AggregateStore
) -> ReconciliationCase | None:
    """Do what can be done by itself; answer the case, or None where there was no difference."""
    difference = command.difference
    if _is_missed_payment(command):
        return _post(command, store)
    case = _case(command, store)
    if not case.is_open:
        return case
    if difference.kind is DifferenceKind.STATUS and difference.theirs_cents < 0:
        _settle(command, case, store)
    elif difference.kind is DifferenceKind.CHARGE and difference.ours is not None:
        _book_charge(command, case, store)
    store.save(case)
    return case


def end_case(command: EndCase, store: AggregateStore) -> None:
    """Close a case whose difference is gone."""
    case = _case_of(command.case_id, store)
    reason = "A later look finds no difference."
    case.end(Ending.AGREES_NOW, reason=reason, by=command.by, at=text_from_moment(command.now))
    store.save(case)


def propose_decision(command: ProposeDecision, store: AggregateStore) -> ReconciliationCase:
    """Say what is to become of a case."""
    reason = one_line(command.reason, "reason", length_max=REASON_LENGTH_MAX)
    case = _case_of(command.case_id, store)
    if command.decision is Decision.POST and not _can_be_posted(case):
        raise CannotBePosted
    case.propose(
        decision=command.decision,
        reason=reason,
        by=command.principal_id,
        at=text_from_moment(command.now),
    )
    store.save(case)
    return case


def confirm_decision(command: ConfirmDecision, store: AggregateStore) -> ReconciliationCase:
    """Do what another proposed, by a person within their band."""
    case = _case_of(command.case_id, store)
    proposal = case.decided()
    check_may_decide(
        command.principal_id,
        asked_by=proposal["by"],
        member_id=None,
        amount_cents=case.stake_cents,
        store=store,
    )
    if proposal["decision"] == Decision.POST:
        if command.receipt is None:
            raise CannotBePosted
        record_receipt(command.receipt, store)
    case.confirm(by=command.principal_id, at=text_from_moment(command.now))
    store.save(case)
    return case


def _is_missed_payment(command: TakeUpDifference) -> bool:
    """Money from a customer, by a word of Safaricom's that we know: no person need look first."""
    difference = command.difference
    if difference.kind is not DifferenceKind.ONLY_THERE or command.receipt is None:
        return False
    is_payment = difference.line is not None and difference.line.kind is LineKind.PAYMENT
    return is_payment or command.source is Source.PULL


def _post(command: TakeUpDifference, store: AggregateStore) -> ReconciliationCase | None:
    """Record the payment; only whether that brought something new tells if it was missing."""
    payment = command.receipt
    assert payment is not None
    stream_id = receipt_id(payment.receipt_number)
    known = store.find(Receipt, stream_id)
    outcome = record_receipt(payment, store)
    if known is None and store.find(Receipt, stream_id) is not None:
        case = _case(command, store)
        case.end(Ending.POSTED, reason=outcome, by=command.by, at=text_from_moment(command.now))
    elif known is not None and known.amount_cents != payment.amount_cents:
        case = _case(command, store, kind=DifferenceKind.AMOUNT, ours_cents=known.amount_cents)
    elif known is None:
        case = _case(command, store)
    else:
        return None
    store.save(case)
    return case


def _settle(command: TakeUpDifference, case: ReconciliationCase, store: AggregateStore) -> None:
    """The line proves that the money left; what contradicts it is for a person."""
    ours, line = command.difference.ours, command.difference.line
    if ours is None or line is None or ours.kind is not MovementKind.PAYOUT:
        return
    told = ToldPaid(
        source=OF_STATEMENT,
        receipt_number=line.receipt_number,
        completed_at=line.completed_at,
        amount_cents=line.amount_cents,
    )
    outcome = settle_paid(store.get(Payout, ours.id), told, now=command.now, store=store)
    if outcome in (Outcome.APPLIED, Outcome.ALREADY_KNOWN):
        case.end(Ending.SETTLED, reason=outcome, by=command.by, at=text_from_moment(command.now))


def _book_charge(
    command: TakeUpDifference, case: ReconciliationCase, store: AggregateStore
) -> None:
    """What the statement's own rows tell of the charge goes before what the tariff said."""
    assert command.difference.ours is not None
    payout = store.get(Payout, command.difference.ours.id)
    told_cents = -command.difference.theirs_cents
    if not command.difference.ours.moved or told_cents <= 0:
        return
    at = text_from_moment(command.now)
    payout.book_charge(amount_cents=told_cents, basis=OF_STATEMENT, at=at)
    store.save(payout)
    case.end(Ending.CHARGE_BOOKED, reason="As the statement tells it.", by=command.by, at=at)


def _case(
    command: TakeUpDifference,
    store: AggregateStore,
    *,
    kind: DifferenceKind | None = None,
    ours_cents: int | None = None,
) -> ReconciliationCase:
    """The case of the difference, opened if nobody has before."""
    difference = command.difference
    kind = kind or difference.kind
    case_id = reconciliation_case_id(command.short_code, kind, difference.key)
    case = store.find(ReconciliationCase, case_id)
    if case is not None:
        return case
    line, ours = difference.line, difference.ours
    held = difference.ours_cents if ours_cents is None else ours_cents
    effect = difference.effect_cents
    opened: ReconciliationCase = ReconciliationCase.begin(
        ReconciliationCase.Opened,
        stream_id=case_id,
        short_code=command.short_code,
        kind=str(kind),
        key=difference.key,
        receipt_number=difference.receipt_number,
        reason_type=line.reason_type if line else None,
        movement_kind=str(ours.kind) if ours else None,
        movement_id=str(ours.id) if ours else None,
        their_status=str(line.status) if line else None,
        our_status=ours.status if ours else None,
        theirs_cents=difference.theirs_cents,
        ours_cents=held,
        effect_cents=effect if ours_cents is None else difference.theirs_cents - held,
        occurred_at=text_from_moment(difference.at),
        source=str(command.source),
        run_id=str(command.run_id),
        opened_at=text_from_moment(command.now),
    )
    return opened


def _can_be_posted(case: ReconciliationCase) -> bool:
    """Only money that came in, and that we know nothing of."""
    return case.kind == DifferenceKind.ONLY_THERE and case.effect_cents > 0


def _case_of(case_id: UUID, store: AggregateStore) -> ReconciliationCase:
    case = store.find(ReconciliationCase, case_id)
    if case is None:
        raise CaseNotFound
    return case
