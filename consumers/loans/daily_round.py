"""The daily round: each morning every loan on which something may be new is looked at once.

The round walks the loans in the order of their ids and remembers how far it came, after each slice
and never before: a process that dies repeats its slice. Looking again says nothing new, so any
number of processes may walk, and a round that fell out is made up for by the next.
"""

from __future__ import annotations

import threading
from datetime import date
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import ConnectionPool, PoolTimeout

from domain.dates import business_day
from domain.errors import DomainError
from domain.loans.commands import AssessLoan
from domain.loans.loan import DUE_SOON_DAYS
from infra import clock
from infra.event_store.dispatch import dispatch
from infra.event_store.errors import Contention
from infra.event_store.unit_of_work import Cause, EventStore
from infra.postgres.pool import borrowed

POLL_SECONDS = 60.0
SLICE_LOANS = 200
_LOOKS_MAX = 50
_FIRST = UUID(int=0)

_WHERE = """
SELECT day, last_seen, is_over FROM loans.daily_round
"""
_SLICE = """
SELECT loan_id FROM read_loans.loans
WHERE loan_id > %(last_seen)s AND status IN ('active', 'defaulted')
  AND oldest_open_due <= %(day)s::date + %(days)s
ORDER BY loan_id LIMIT %(limit)s
"""
_NOTE = """
INSERT INTO loans.daily_round AS round (day, last_seen, is_over)
VALUES (%(day)s, %(last_seen)s, %(is_over)s)
ON CONFLICT (only_one) DO UPDATE
SET day = excluded.day, last_seen = excluded.last_seen, is_over = excluded.is_over
WHERE (round.day, round.is_over, round.last_seen)
    < (excluded.day, excluded.is_over, excluded.last_seen)
"""
_log = structlog.get_logger()


class DailyRound:
    """Records what a new day brings to loans: penalties, lateness, instalments due soon."""

    def __init__(self, store: EventStore, pool: ConnectionPool) -> None:
        self._store = store
        self._pool = pool

    def run(self, stop: threading.Event) -> None:
        """Walk the round of each day until told to stop."""
        while not stop.is_set():
            try:
                while not stop.is_set() and self.work_once(business_day(clock.now())):
                    pass
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("database_away", error=type(error).__name__)
            except Exception:  # noqa: BLE001 - the edge of a loop: the next slice begins where it did
                _log.exception("daily_round_failed")
            stop.wait(POLL_SECONDS)

    def work_once(self, day: date) -> int:
        """Look at one slice. Answers how many loans it held; none means that the round is over."""
        with borrowed(self._pool) as connection:
            row = connection.execute(_WHERE).fetchone()
            known_day, last_seen, is_over = row or (None, _FIRST, False)
            if known_day is not None and known_day > day:
                return 0
            if known_day != day:
                last_seen, is_over = _FIRST, False
            if is_over:
                return 0
            found = connection.execute(
                _SLICE,
                {
                    "last_seen": last_seen,
                    "day": day,
                    "days": DUE_SOON_DAYS,
                    "limit": SLICE_LOANS,
                },
            ).fetchall()
        for (loan_id,) in found:
            self._assess(loan_id, day)
        seen = found[-1][0] if found else last_seen
        with borrowed(self._pool) as connection:
            connection.execute(_NOTE, {"day": day, "last_seen": seen, "is_over": not found})
        return len(found)

    def _assess(self, loan_id: UUID, day: date) -> None:
        cause = Cause("system:schedule", str(loan_id), f"daily-round:{day}")
        try:
            for _ in range(_LOOKS_MAX):
                if dispatch(self._store, AssessLoan(loan_id, day), cause):
                    break
        except (DomainError, Contention) as error:
            # One loan holds up no other; tomorrow's round looks at it again.
            _log.warning("loan_not_assessed", loan_id=str(loan_id), error=type(error).__name__)
