"""The small demo's loans: one of each state that a newcomer would look for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

from app.wiring import Services
from domain.contributions.rules import PaymentMethod
from domain.dates import business_day
from domain.loans.commands import (
    ApplyForLoan,
    ApproveLoan,
    AssessLoan,
    DisburseLoan,
    RecordRepayment,
)
from domain.loans.loan import Loan
from domain.loans.schedule import months_after
from infra import clock
from infra.event_store.dispatch import dispatch
from infra.event_store.unit_of_work import Cause
from infra.numbers import next_loan_number

_LENT_MONTHS_AGO = 4


def load_loans(
    services: Services, cause: Cause, members: Sequence[UUID], *, clerk: str, approver: str
) -> None:
    """A loan repaid in time, one that is late, one settled, one approved, one that waits."""
    lending = _Lending(services, cause, clerk, approver)
    in_time, late, settled, approved, waiting, *_ = members
    loan = lending.paid_out(in_time, "development", 30_000_00, 12)
    for line in loan.lines[:_LENT_MONTHS_AGO]:
        cents = line["principal"] + line["interest"]
        lending.repay(loan.id, cents, on=date.fromisoformat(line["due_on"]))
    loan = lending.paid_out(late, "school_fees", 20_000_00, 6)
    [first, *_] = loan.lines
    cents = first["principal"] + first["interest"]
    lending.repay(loan.id, cents, on=date.fromisoformat(first["due_on"]))
    loan = lending.paid_out(settled, "emergency", 10_000_00, 6)
    on = lending.lent_on + timedelta(days=40)
    lending.repay(loan.id, loan.settlement(on, today=on).total_cents, on=on)
    lending.approved(approved, "instant", 5_000_00, 3)
    lending.waiting(waiting, "development", 40_000_00, 24)
    lending.look_at_all()


class _Lending:
    """What a clerk and an approver do, on the days on which they do it."""

    def __init__(self, services: Services, cause: Cause, clerk: str, approver: str) -> None:
        self._services = services
        self._cause = cause
        self._clerk = clerk
        self._approver = approver
        self._today = business_day(clock.now())
        self.lent_on = months_after(self._today, -_LENT_MONTHS_AGO)
        self._payments = 0
        self._lent: list[UUID] = []

    def waiting(
        self, member_id: UUID, product: str, cents: int, months: int, *, on: date | None = None
    ) -> UUID:
        """An application."""
        on = on or self._today
        loan_id = uuid4()
        self._do(
            ApplyForLoan(
                loan_id=loan_id,
                loan_number=next_loan_number(self._services.pool),
                member_id=member_id,
                product_code=product,
                amount_cents=cents,
                term_months=months,
                purpose="a water tank",
                applied_on=on,
                principal_id=self._clerk,
                today=on,
            )
        )
        return loan_id

    def approved(
        self, member_id: UUID, product: str, cents: int, months: int, *, on: date | None = None
    ) -> UUID:
        """A loan that may be paid out."""
        loan_id = self.waiting(member_id, product, cents, months, on=on)
        self._do(ApproveLoan(loan_id, self._approver, None, on or self._today))
        return loan_id

    def paid_out(self, member_id: UUID, product: str, cents: int, months: int) -> Loan:
        """A loan that is being repaid."""
        loan_id = self.approved(member_id, product, cents, months, on=self.lent_on)
        self._lent.append(loan_id)
        reference = f"FT-{len(self._lent)}"
        loan: Loan = self._do(
            DisburseLoan(loan_id, "bank", reference, self.lent_on, None, self.lent_on)
        )
        return loan

    def repay(self, loan_id: UUID, cents: int, *, on: date) -> None:
        """A payment by check-off."""
        self._payments += 1
        self._do(
            RecordRepayment(
                repayment_id=uuid4(),
                loan_id=loan_id,
                amount_cents=cents,
                payment_method=PaymentMethod.CHECK_OFF,
                payment_reference=f"PAYROLL-LOAN-{self._payments}",
                paid_on=min(on, self._today),
                today=min(on, self._today),
            )
        )

    def look_at_all(self) -> None:
        """What today brings: penalties, lateness."""
        for loan_id in self._lent:
            self._do(AssessLoan(loan_id, self._today))

    def _do(self, command: Any) -> Any:
        return dispatch(self._services.store, command, self._cause)
