"""The clock's part of reconciliation: each hour's pull, and statements that wait to be matched."""

from __future__ import annotations

import threading

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from consumers.mpesa.books import BooksBehind
from consumers.mpesa.pulling import NotPulled, Pulling
from consumers.mpesa.reconciliation_report import Report
from consumers.mpesa.statement_matching import StatementMatching
from infra.mpesa.pull_times import PullTimes
from infra.mpesa.short_codes import NoCredentials, ShortCodes
from infra.mpesa.statement_store import StatementStore

POLL_SECONDS = 2.0
RETRY_SECONDS = 300.0
_ACTOR = "system:schedule"
_log = structlog.get_logger()


class ReconciliationRound:
    """Does what is due. Any number may run: a pull and a statement are taken up by one."""

    def __init__(
        self,
        *,
        short_codes: ShortCodes,
        times: PullTimes,
        pulling: Pulling,
        statements: StatementStore,
        matching: StatementMatching,
        pull_seconds: float,
    ) -> None:
        self._short_codes = short_codes
        self._times = times
        self._pulling = pulling
        self._statements = statements
        self._matching = matching
        self._pull_seconds = pull_seconds

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop."""
        while not stop.wait(POLL_SECONDS):
            try:
                self.work_once()
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("database_away", error=type(error).__name__)
            except Exception:  # noqa: BLE001 - the edge of a loop: what is due stays due
                _log.exception("reconciliation_failed")

    def work_once(self) -> None:
        """Do what is due at this moment: one statement at most, and every pull."""
        self._match_one()
        if self._pull_seconds:
            for short_code in list(self._short_codes.all()):
                if self._times.take(short_code):
                    self._pull(short_code)

    def _pull(self, short_code: str) -> None:
        try:
            report = self._pulling.pull(short_code, by=_ACTOR)
        except NotPulled as error:
            seconds = max(error.retry_after_seconds, RETRY_SECONDS)
            self._times.later(short_code, seconds=seconds, note=str(error))
            _log.warning("not_pulled", short_code=short_code, reason=str(error))
        except (BooksBehind, NoCredentials) as error:
            self._times.later(short_code, seconds=RETRY_SECONDS, note=str(error))
            _log.warning("not_pulled", short_code=short_code, reason=str(error))
        else:
            note = report.problem or None
            self._times.done(short_code, next_seconds=self._pull_seconds, note=note)
            _tell(report)

    def _match_one(self) -> None:
        due = self._statements.claim()
        if due is None:
            return
        try:
            report = self._matching.match(due.statement_id, by=due.kept_by)
        except BooksBehind as error:
            self._statements.postpone(due, note=str(error))
            _log.warning("statement_waits", run=str(due.statement_id), reason=str(error))
        else:
            self._statements.done(due.statement_id, again=report.has_open_cases)
            _tell(report)


def _tell(report: Report) -> None:
    assert report.standing is not None, "a run that came to its end stands somewhere"
    _log.info(
        "reconciled",
        run=str(report.run_id),
        short_code=report.short_code,
        source=str(report.source),
        lines=report.standing.lines,
        open_cases=sum(report.standing.open_cases.values()),
        unexplained_cents=report.standing.unexplained_cents,
    )
