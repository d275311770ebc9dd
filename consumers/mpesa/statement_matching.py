"""A kept statement held against our books, and what follows from it, until nothing follows more.

Each look compares all of it; what can be put right by itself is, and then it is looked again, since
what was posted may explain something else. What remains is a case for a person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import UUID

from consumers.mpesa.books import Books
from consumers.mpesa.differences import payment_of, take_up_all
from consumers.mpesa.reconciliation_report import Report
from domain.identities import receipt_id, reconciliation_case_id
from domain.mpesa.account_numbers import AccountRules
from domain.mpesa.matching import Match, MovementKind
from domain.mpesa.outcome import Outcome
from domain.mpesa.receipt import Channel
from domain.mpesa.reconciliation import (
    Comparison,
    Difference,
    DifferenceKind,
    compare,
)
from domain.mpesa.reconciliation_case import Ending, ReconciliationCase, Source
from domain.mpesa.reconciliation_errors import StatementKnown
from domain.mpesa.reconciliation_run import Standing
from domain.mpesa.reconciling import BeginRun, EndCase, RecordStanding, TakeUpDifference
from domain.mpesa.statement import GRACE, Window, certain, digest
from infra import clock
from infra.event_store.dispatch import dispatch
from infra.event_store.unit_of_work import Cause, EventStore
from infra.mpesa.statement_store import KeptStatement, StatementStore
from projections.movements import movements
from projections.reconciliation import open_cases, resolved_cases

LOOKS_MAX = 6


@dataclass(frozen=True)
class _Look:
    """One comparison, and the case of each of its differences."""

    comparison: Comparison
    cases: dict[Difference, ReconciliationCase]


class StatementMatching:
    """Holds kept statements against our books. Any number may: the same case is opened once."""

    def __init__(
        self, store: EventStore, statements: StatementStore, books: Books, rules: AccountRules
    ) -> None:
        self._store = store
        self._statements = statements
        self._books = books
        self._rules = rules

    def match(self, statement_id: UUID, *, by: str) -> Report:
        """Compare, put right, open cases, and note how it stands.

        Raises:
            StatementNotKept, BooksBehind.
        """
        kept = self._statements.load(statement_id)
        self._begin(kept)
        report = Report(statement_id, kept.short_code, Source.STATEMENT, by)
        look = self._look_until_nothing_follows(kept, report)
        self._end_what_is_gone(kept, look, report)
        self._books.bring_up()
        report.standing = self._standing(kept, look)
        command = RecordStanding(statement_id, report.standing, by, clock.now())
        dispatch(self._store, command, self._cause(report))
        return report

    def _begin(self, kept: KeptStatement) -> None:
        """Whoever imported it has begun the run, unless their process died in between."""
        command = BeginRun(
            short_code=kept.short_code,
            source=Source.STATEMENT,
            subject=digest(kept.lines),
            file_sha256=kept.file_sha256,
            first_at=kept.first_at,
            last_at=kept.last_at,
            lines=len(kept.lines),
            begun_by=kept.kept_by,
            now=clock.now(),
        )
        with suppress(StatementKnown):
            dispatch(self._store, command, Cause(kept.kept_by, str(kept.statement_id)))

    def _look_until_nothing_follows(self, kept: KeptStatement, report: Report) -> _Look:
        for _ in range(LOOKS_MAX):
            comparison = self._compare(kept)
            told = self._tell_receipts(kept, comparison.matches, report)
            ready = [each for each in comparison.differences if not _is_premature(each)]
            cases = self._take_up(kept, ready, report)
            if not told and not report.put_right_now and len(cases) == len(ready):
                break  # where a difference has no case, somebody put it right meanwhile
        late = [each for each in comparison.differences if _is_premature(each)]
        return _Look(comparison, cases | self._take_up(kept, late, report))

    def _compare(self, kept: KeptStatement) -> Comparison:
        self._books.bring_up()
        others = self._statements.periods(kept.short_code, without=kept.statement_id)
        spoken_of = {line.receipt_number for line in kept.lines}
        linked = {line.linked_receipt for line in kept.lines if line.linked_receipt}
        ours = movements(
            self._store.pool,
            kept.short_code,
            window=Window(kept.first_at - GRACE, kept.last_at + GRACE),
            receipt_numbers=spoken_of | linked,
        )
        silent = {each.receipt_number for each in ours if each.receipt_number} - spoken_of
        elsewhere = self._statements.told_elsewhere(
            silent, short_code=kept.short_code, without=kept.statement_id
        )
        ours = [each for each in ours if each.receipt_number not in elsewhere]
        return compare(kept.lines, ours, certain=certain(kept.period, others))

    def _tell_receipts(self, kept: KeptStatement, matches: Iterable[Match], report: Report) -> int:
        """Tell the pushes that were found by their particulars of their receipts."""
        told = 0
        for match in matches:
            if match.ours.kind is not MovementKind.PUSH:
                continue
            line = replace(match.line, account_number=match.ours.account_number)
            payment = payment_of(
                line, short_code=kept.short_code, channel=Channel.STATEMENT, rules=self._rules
            )
            if payment is not None:
                about = str(receipt_id(payment.receipt_number))
                outcome = dispatch(self._store, payment, self._cause(report, about))
                told += outcome is Outcome.APPLIED
        report.receipts_told += told
        return told

    def _take_up(
        self, kept: KeptStatement, differences: Iterable[Difference], report: Report
    ) -> dict[Difference, ReconciliationCase]:
        commands = [self._command(kept, each, report.started_by) for each in differences]
        cases = {
            command.difference: case
            for command, case in take_up_all(self._store, commands)
            if case is not None
        }
        report.note(cases.values())
        return cases

    def _command(self, kept: KeptStatement, difference: Difference, by: str) -> TakeUpDifference:
        payment = None
        if difference.kind is DifferenceKind.ONLY_THERE and difference.line is not None:
            payment = payment_of(
                difference.line,
                short_code=kept.short_code,
                channel=Channel.STATEMENT,
                rules=self._rules,
            )
        return TakeUpDifference(
            short_code=kept.short_code,
            difference=difference,
            source=Source.STATEMENT,
            run_id=kept.statement_id,
            receipt=payment,
            by=by,
            now=clock.now(),
        )

    def _end_what_is_gone(self, kept: KeptStatement, look: _Look, report: Report) -> None:
        """Close the cases of this run that are no more, and what it shows and others missed.

        What else another statement says is that one's to end: two may contradict each other.
        """
        still = {
            reconciliation_case_id(kept.short_code, each.kind, each.key)
            for each in look.comparison.differences
        }
        waiting = open_cases(
            self._store.pool,
            short_code=kept.short_code,
            run_id=kept.statement_id,
            keys=_keys(look.comparison),
        )
        for case_id in (case_id for case_id in waiting if case_id not in still):
            command = EndCase(case_id, report.started_by, clock.now())
            dispatch(self._store, command, self._cause(report, str(case_id)))
            report.ended += 1

    def _standing(self, kept: KeptStatement, look: _Look) -> Standing:
        found = look.comparison
        accepted = {
            difference for difference, case in look.cases.items() if case.ending == Ending.ACCEPTED
        }
        explained_cents = sum(difference.effect_cents for difference in accepted)
        unlike = {each.line.key for each in found.differences if each.line is not None}
        waiting = Counter(str(each.kind) for each in found.differences if each not in accepted)
        return Standing(
            lines=len(kept.lines),
            agreed=len({line.key for line in kept.lines} - unlike),
            open_cases=dict(waiting),
            resolved_cases=resolved_cases(self._store.pool, kept.statement_id),
            theirs_cents=found.theirs,
            ours_cents=found.ours,
            unexplained_cents=found.unlike_cents - explained_cents,
            opening_cents=found.balances.opening_cents,
            came_in_cents=found.balances.came_in_cents,
            went_out_cents=found.balances.went_out_cents,
            closing_cents=found.balances.closing_cents,
        )

    @staticmethod
    def _cause(report: Report, about: str | None = None) -> Cause:
        return Cause(report.started_by, about or str(report.run_id), f"run:{report.run_id}")


def _is_premature(difference: Difference) -> bool:
    """The charge of a payout is looked at once it is known whether the payout left."""
    ours = difference.ours
    return difference.kind is DifferenceKind.CHARGE and ours is not None and not ours.moved


def _keys(comparison: Comparison) -> Iterator[str]:
    for match in comparison.matches:
        yield f"{match.ours.known_as}|{match.ours.side}"
