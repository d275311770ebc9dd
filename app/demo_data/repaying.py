"""How one loan is repaid: in time, late, early, more than asked, anew, or not."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from random import Random
from uuid import UUID

from app.demo_data.agenda import Agenda
from app.demo_data.memory import MemoryStore
from app.demo_data.mpesa import Phone
from domain.contributions.rules import PaymentMethod
from domain.loans.commands import (
    AssessLoan,
    ChargeFee,
    RecordRepayment,
    RestructureLoan,
    ReverseRepayment,
    WriteOffLoan,
)
from domain.loans.loan import DUE_SOON_DAYS, Loan, LoanStatus
from domain.loans.schedule import months_after
from domain.loans.standing import Line, open_cents
from domain.members.member import Member, MemberStatus
from domain.money import whole_shillings_up
from domain.mpesa.handlers import PUSH_SHILLINGS_MAX
from domain.mpesa.stk_push import PushPurpose


class Manner(StrEnum):
    """How a borrower goes about it."""

    IN_TIME = "in time"
    LATE = "late"
    SETTLES_EARLY = "settles early"
    PAYS_MORE = "pays more"
    RESTRUCTURED = "restructured"
    WRITTEN_OFF = "written off"
    STOPS = "stops"


_STOPPING = (Manner.RESTRUCTURED, Manner.WRITTEN_OFF, Manner.STOPS)
_TOLD_LATE = 0.01
_ENTERED_TWICE = 0.01
_CHEQUE_BOUNCES = 0.1
_ONE_DAY = timedelta(days=1)


class Repaying:
    """One loan from the day it was paid out."""

    def __init__(
        self,
        loan_id: UUID,
        manner: Manner,
        approver_id: str,
        pays_by: str,
        rng: Random,
        store: MemoryStore,
        agenda: Agenda,
        phone: Phone,
    ) -> None:
        self._loan_id = loan_id
        self._manner = manner
        self._approver_id = approver_id
        self._pays_by = pays_by
        self._rng = rng
        self._store = store
        self._agenda = agenda
        self._phone = phone
        self._payments = 0
        self._turns_after = 0

    def begin(self) -> None:
        """Enter what is to happen with the first instalment; each leads to the next."""
        self._turns_after = self._rng.randint(0, max(len(self._loan.lines) - 1, 0))
        self._next_instalment()

    @property
    def _loan(self) -> Loan:
        return self._store.get(Loan, self._loan_id)

    def _next_instalment(self) -> None:
        line = next((line for line in self._loan.lines if open_cents(line)), None)
        if line is None or not self._loan.is_open:
            return
        due_on = date.fromisoformat(line["due_on"])
        self._agenda.at(due_on - timedelta(days=DUE_SOON_DAYS), self._assess)
        turned = self._payments >= self._turns_after
        if turned and self._manner in _STOPPING:
            self._fall_behind(due_on)
        elif turned and self._manner is Manner.SETTLES_EARLY:
            self._agenda.at(due_on - timedelta(days=self._rng.randint(1, 20)), self._settle)
        elif self._manner is Manner.LATE and self._rng.random() < 0.4:
            self._pay_late(due_on)
        elif self._rng.random() < _TOLD_LATE:
            self._pay_told_late(line, due_on)
        else:
            pays_on = due_on - timedelta(days=self._rng.choice((0, 0, 0, 1, 2)))
            self._agenda.at(pays_on, self._pay_due)

    def _assess(self, day: date) -> None:
        self._store.dispatch(AssessLoan(self._loan_id, day))

    def _pay_due(self, day: date) -> None:
        """Pay what is due up to the next due day, perhaps something more."""
        line = next((line for line in self._loan.lines if open_cents(line)), None)
        if line is None or not self._loan.is_open:
            return
        cents = max(self._due_cents(day), open_cents(line))
        if self._manner is Manner.PAYS_MORE:
            cents += self._rng.choice((0, 500_00, 2_000_00))
        self._pay(day, cents)
        self._next_instalment()

    def _due_cents(self, day: date) -> int:
        return self._loan.overdue_cents(day + _ONE_DAY)

    def _pay(self, day: date, cents: int, *, paid_on: date | None = None) -> UUID | None:
        self._payments += 1
        member_id = UUID(self._loan.member_id)
        is_active = self._store.get(Member, member_id).status == MemberStatus.ACTIVE
        by_phone = self._pays_by == "mpesa" and paid_on is None and is_active
        if (
            by_phone
            and whole_shillings_up(cents) <= PUSH_SHILLINGS_MAX
            and self._phone.pay(
                day,
                purpose=PushPurpose.LOAN_REPAYMENT,
                amount_cents=cents,
                loan_id=self._loan_id,
            )
        ):
            return None
        repayment_id = self._record(day, cents, paid_on=paid_on or day)
        if self._rng.random() < _ENTERED_TWICE and self._loan.is_open:
            self._undo_later(day, self._record(day, cents, paid_on=paid_on or day, again="-2"))
        return repayment_id

    def _record(
        self, day: date, cents: int, *, paid_on: date, again: str = "", settles: bool = False
    ) -> UUID:
        method = "bank" if self._pays_by == "mpesa" else self._pays_by
        repayment_id = UUID(int=self._rng.getrandbits(128), version=4)
        self._store.dispatch(
            RecordRepayment(
                repayment_id=repayment_id,
                loan_id=self._loan_id,
                amount_cents=cents,
                payment_method=PaymentMethod(method),
                payment_reference=f"LOAN-{day:%Y%m%d}-{self._payments}{again}",
                paid_on=paid_on,
                today=day,
                settles=settles,
            )
        )
        return repayment_id

    def _undo_later(self, day: date, repayment_id: UUID) -> None:
        def undo(on: date) -> None:
            state = self._loan.repayments[str(repayment_id)]["state"]
            was_completed = self._loan.status == LoanStatus.COMPLETED
            if state == "counted" and self._loan.status != LoanStatus.WRITTEN_OFF:
                self._store.dispatch(
                    ReverseRepayment(self._loan_id, repayment_id, "entered twice", on)
                )
                if was_completed:
                    self._next_instalment()

        self._agenda.at(day + _ONE_DAY, undo)

    def _settle(self, day: date) -> None:
        if not self._loan.is_open:
            return
        total_cents = self._loan.settlement(day, today=day).total_cents
        self._payments += 1
        self._record(day, total_cents, paid_on=day, settles=True)

    def _pay_late(self, due_on: date) -> None:
        grace = self._loan.terms.penalty_grace_days
        self._agenda.at(due_on + _ONE_DAY, self._assess)
        self._agenda.at(due_on + timedelta(days=grace + 1), self._assess)
        if self._rng.random() < _CHEQUE_BOUNCES:
            self._agenda.at(due_on + timedelta(days=3), self._bounce)
        self._agenda.at(due_on + timedelta(days=self._rng.randint(4, 40)), self._pay_due)

    def _bounce(self, day: date) -> None:
        if self._loan.is_open:
            fee_id = UUID(int=self._rng.getrandbits(128), version=4)
            due_on = day + timedelta(days=7)
            self._store.dispatch(
                ChargeFee(self._loan_id, fee_id, 1_000_00, "cheque bounced", due_on, day)
            )

    def _pay_told_late(self, line: Line, due_on: date) -> None:
        """Paid in time, entered after its penalty: the penalty is taken back."""
        entered_on = due_on + timedelta(days=self._loan.terms.penalty_grace_days + 3)
        self._agenda.at(entered_on - timedelta(days=2), self._assess)

        def enter(on: date) -> None:
            if self._loan.is_open:
                paid_on = max(due_on, date.fromisoformat(self._loan.opened_on))
                self._pay(on, open_cents(line), paid_on=paid_on)
                self._next_instalment()

        self._agenda.at(entered_on, enter)

    def _fall_behind(self, due_on: date) -> None:
        self._agenda.at(due_on + timedelta(days=12), self._assess_monthly)
        if self._manner is Manner.RESTRUCTURED:
            self._agenda.at(due_on + timedelta(days=45), self._restructure)
        elif self._manner is Manner.WRITTEN_OFF:
            self._agenda.at(due_on + timedelta(days=200), self._write_off)

    def _assess_monthly(self, day: date) -> None:
        """As the daily round would, though not as often."""
        if self._loan.is_open and self._manner in _STOPPING:
            self._assess(day)
            self._agenda.at(months_after(day, 1), self._assess_monthly)

    def _restructure(self, day: date) -> None:
        if not self._loan.is_open:
            return
        self._store.dispatch(
            RestructureLoan(
                loan_id=self._loan_id,
                principal_id=self._approver_id,
                term_months=self._rng.choice((6, 12, 18)),
                rate_percent=None,
                first_due_on=None,
                reason="wages were delayed",
                today=day,
            )
        )
        self._manner = Manner.IN_TIME
        self._next_instalment()

    def _write_off(self, day: date) -> None:
        if not self._loan.is_open:
            return
        self._store.dispatch(WriteOffLoan(self._loan_id, self._approver_id, "cannot be found", day))
        for months in range(1, self._rng.randint(1, 3)):
            self._agenda.at(months_after(day, months), self._recover)

    def _recover(self, day: date) -> None:
        recoverable_cents = self._loan.recoverable_cents
        if recoverable_cents:
            self._payments += 1
            cents = min(recoverable_cents, self._rng.randint(2, 20) * 1_000_00)
            self._record(day, cents, paid_on=day)
