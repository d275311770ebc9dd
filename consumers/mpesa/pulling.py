"""Pulling what was paid in the last two days: Safaricom's own repair for lost callbacks.

Every payment is told as any other channel tells it; what was missing is posted by that alone, and a
case says that it was missing. What was paid a moment ago may still be on its way to us by callback,
and is left to the next pull.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import structlog

from consumers.mpesa.books import Books, books_begin
from consumers.mpesa.differences import payment_of, take_up_all
from consumers.mpesa.reconciliation_report import Report
from domain.dates import text_from_moment
from domain.identities import reconciliation_run_id
from domain.mpesa.account_numbers import AccountRules
from domain.mpesa.receipt import Channel
from domain.mpesa.reconciliation import Difference, DifferenceKind
from domain.mpesa.reconciliation_case import Ending, Source
from domain.mpesa.reconciliation_errors import StatementKnown
from domain.mpesa.reconciliation_run import Standing
from domain.mpesa.reconciling import BeginRun, RecordStanding, TakeUpDifference
from domain.mpesa.statement import Line, LineKind, LineStatus, Side
from infra import clock
from infra.errors import InfrastructureError
from infra.event_store.dispatch import dispatch
from infra.event_store.unit_of_work import Cause, EventStore
from infra.mpesa.outcomes import NotAnswered
from infra.mpesa.pulled import PulledTransaction
from infra.mpesa.short_codes import ShortCodes
from projections.reconciliation import cases_of_keys

PULL_SPAN = timedelta(hours=48)
"""As far back as Safaricom tells."""
ON_ITS_WAY = timedelta(minutes=5)
"""How long a payment may take to be told by callback before it is missed."""
PAGES_MAX = 500
_log = structlog.get_logger()


class NotPulled(InfrastructureError):
    """Safaricom did not answer."""

    def __init__(self, reason: str, retry_after_seconds: float) -> None:
        super().__init__(f"Safaricom did not tell what was paid: {reason}.")
        self.retry_after_seconds = retry_after_seconds


class Pulling:
    """Pulls the payments of a short code. Any number may: each payment is posted once."""

    def __init__(
        self,
        store: EventStore,
        short_codes: ShortCodes,
        books: Books,
        rules: AccountRules,
        *,
        since: date | None,
    ) -> None:
        self._since = since
        self._store = store
        self._short_codes = short_codes
        self._books = books
        self._rules = rules

    def pull(self, short_code: str, *, by: str, now: datetime | None = None) -> Report:
        """Take in all that was paid, and note how it stands.

        Raises:
            NoCredentials, NotPulled, BooksBehind.
        """
        now = now or clock.now()
        hour = now.replace(minute=0, second=0, microsecond=0)
        run = BeginRun(
            short_code=short_code,
            source=Source.PULL,
            subject=text_from_moment(hour),
            first_at=now - PULL_SPAN,
            last_at=now,
            lines=0,
            begun_by=by,
            now=now,
        )
        run_id = reconciliation_run_id(short_code, run.source, run.subject)
        report = Report(run_id, short_code, Source.PULL, by)
        told = list(self._paid(short_code, now, report))
        self._begin(run, report)
        commands = [self._command(line, report) for line in told]
        report.note(case for _, case in take_up_all(self._store, commands) if case is not None)
        self._books.bring_up()
        report.standing = self._standing(told, report)
        dispatch(self._store, RecordStanding(run_id, report.standing, by, now), _cause(report))
        return report

    def _paid(self, short_code: str, now: datetime, report: Report) -> Iterator[Line]:
        """Page by page. Pages that tell nothing new are the end, whatever the offset."""
        client = self._short_codes.client(short_code)
        begins = books_begin(self._store.pool, self._since)
        seen: set[str] = set()
        offset = unreadable = 0
        for _ in range(PAGES_MAX):
            page = client.pull(start=now - PULL_SPAN, end=now, offset=offset)
            if isinstance(page, NotAnswered):
                raise NotPulled(page.reason, page.retry_after_seconds)
            fresh = [each for each in page.transactions if each.receipt_number not in seen]
            unreadable += len(page.unreadable)
            offset += page.told
            for each in fresh:
                seen.add(each.receipt_number)
                if begins <= each.paid_at <= now - ON_ITS_WAY:
                    yield _line(each)
            if not fresh and not page.unreadable:
                break
        if unreadable:
            report.problem = f"{unreadable} of what was pulled could not be read"
            _log.warning("pull_partly_unreadable", short_code=short_code, unreadable=unreadable)

    def _begin(self, run: BeginRun, report: Report) -> None:
        try:
            dispatch(self._store, run, _cause(report))
        except StatementKnown:
            return  # pulled before in this hour

    def _command(self, line: Line, report: Report) -> TakeUpDifference:
        payment = payment_of(
            line, short_code=report.short_code, channel=Channel.PULL, rules=self._rules
        )
        return TakeUpDifference(
            short_code=report.short_code,
            difference=_perhaps_missing(line),
            source=Source.PULL,
            run_id=report.run_id,
            receipt=payment,
            by=report.started_by,
            now=clock.now(),
        )

    def _standing(self, told: list[Line], report: Report) -> Standing:
        theirs = sum(line.amount_cents for line in told)
        unlike = [case for case in report.cases.values() if case.ending not in _AGREED]
        waiting = Counter(case.kind for case in unlike if case.ending != Ending.ACCEPTED)
        explained = sum(case.explained_cents for case in unlike)
        effect = sum(case.effect_cents for case in unlike)
        resolved = cases_of_keys(
            self._store.pool, report.short_code, Source.PULL, [line.key for line in told]
        )
        return Standing(
            lines=len(told),
            agreed=len(told) - len(unlike),
            open_cases=dict(waiting),
            resolved_cases=resolved,
            theirs_cents={LineKind.PAYMENT: theirs},
            ours_cents={LineKind.PAYMENT: theirs - effect},
            unexplained_cents=effect - explained,
        )


_AGREED = frozenset({Ending.POSTED, Ending.AGREES_NOW})


def _perhaps_missing(line: Line) -> Difference:
    """Nobody has looked yet: the receipt itself tells whether we have it."""
    return Difference(
        kind=DifferenceKind.ONLY_THERE,
        key=line.key,
        at=line.completed_at,
        theirs_cents=line.amount_cents,
        ours_cents=0,
        effect_cents=line.amount_cents,
        line=line,
    )


def _line(told: PulledTransaction) -> Line:
    return Line(
        number=0,
        receipt_number=told.receipt_number,
        completed_at=told.paid_at,
        status=LineStatus.COMPLETED,
        side=Side.IN,
        amount_cents=told.amount_cents,
        balance_cents=None,
        reason_type=told.transaction_type or "pulled",
        account_number=told.account_number,
        payer=told.payer,
    )


def _cause(report: Report) -> Cause:
    return Cause(report.started_by, str(report.run_id), f"run:{report.run_id}")
