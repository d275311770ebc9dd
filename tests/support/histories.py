"""Random histories of a small co-operative, by real commands; what is refused does not happen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random
from uuid import UUID, uuid4

from domain.contributions.rules import ContributionType
from domain.errors import DomainError
from domain.loans.commands import (
    Arrears,
    ChargeFee,
    RestructureLoan,
    TakeOverLoan,
    WriteOffLoan,
)
from domain.members.commands import ChangeContact, ReactivateMember, SuspendMember
from domain.mpesa.stk_push import PushPurpose
from tests.support.co_operative import TODAY, CoOperative


class History:
    """Two members, two loans, and whatever a sequence of random choices makes happen to them."""

    def __init__(self, co_operative: CoOperative, seed: int) -> None:
        self.co_operative = co_operative
        self.random = Random(seed)
        self.product = co_operative.product(penalty_grace_days=3)
        self.members: list[UUID] = []
        self.loans: list[UUID] = []
        self.contributions: list[tuple[UUID, UUID]] = []
        self.repayments: list[tuple[UUID, UUID]] = []
        self.pushes: list[UUID] = []
        self.today = TODAY
        self._approver = co_operative.principal()

    def begin(self, then: Callable[[], None]) -> None:
        """What every history has; `then` is called after each commit or few."""
        for _ in range(2):
            member_id = self.co_operative.member()
            self.members.append(member_id)
            then()
            self.co_operative.contribution(member_id, amount_cents=20_000_00)
            then()
            self._lend(member_id)
            then()
        self._take_over(self.members[0])
        then()

    def go_on(self) -> str:
        """One more act, refused or not. Answers what it was."""
        acts = [
            *([self._pay_in] * 2),
            *([self._repay] * 5),
            *([self._undo_repayment] * 2),
            self._reverse_contribution,
            self._change_contact,
            self._suspend_or_not,
            self._a_day_comes,
            self._charge,
            self._restructure,
            self._lend_again,
            self._write_off,
            *([self._push] * 2),
            *([self._push_is_told] * 3),
        ]
        act = self.random.choice(acts)
        try:
            act()
        except DomainError as refusal:
            return f"{act.__name__}: {type(refusal).__name__}"
        return act.__name__

    def _lend(self, member_id: UUID) -> None:
        loan_id = self.co_operative.loan(member_id, product_code=self.product, term_months=3)
        self.loans.append(loan_id)

    def _take_over(self, member_id: UUID) -> None:
        """A loan that older books began, half repaid."""
        loan_id = uuid4()
        command = TakeOverLoan(
            loan_id=loan_id,
            loan_number=f"OLD-{loan_id.hex[:8]}",
            member_id=member_id,
            product_code=self.product,
            rate_percent=None,
            amount_cents=120_000_00,
            term_months=12,
            disbursed_on=TODAY - timedelta(days=197),
            paid_cents=64_000_00,
            principal_cents=60_000_00,
            next_due_on=TODAY + timedelta(days=17),
            remaining_months=6,
            interest_to_come_cents=None,
            arrears=Arrears(),
            as_of=TODAY,
            today=TODAY,
        )
        self.co_operative.dispatch(command)
        self.loans.append(loan_id)

    def _lend_again(self) -> None:
        member_id = self.random.choice(self.members)
        self.loans.append(self.co_operative.application(member_id, product_code=self.product))

    def _pay_in(self) -> None:
        member_id = self.random.choice(self.members)
        kind = self.random.choice([ContributionType.MONTHLY, ContributionType.SHARE_CAPITAL])
        contribution_id = self.co_operative.contribution(
            member_id, contribution_type=kind, amount_cents=self.random.randint(1_000_00, 9_000_00)
        )
        self.contributions.append((member_id, contribution_id))

    def _reverse_contribution(self) -> None:
        if self.contributions:
            self.co_operative.reverse(*self.random.choice(self.contributions))

    def _repay(self) -> None:
        loan_id = self.random.choice(self.loans)
        late = timedelta(days=self.random.randint(0, (self.today - TODAY).days))
        repayment_id = self.co_operative.repayment(
            loan_id,
            self.random.choice([50_00, 1_000_00, 9_000_00, 40_000_00]),
            paid_on=self.today - late,
            today=self.today,
        )
        self.repayments.append((loan_id, repayment_id))

    def _undo_repayment(self) -> None:
        if self.repayments:
            self.co_operative.undo_repayment(*self.random.choice(self.repayments), self.today)

    def _change_contact(self) -> None:
        phone = f"07{self.random.randint(50_000_000, 99_999_999)}"
        member_id = self.random.choice(self.members)
        self.co_operative.dispatch(ChangeContact(member_id, phone=phone, email="a@example.org"))

    def _suspend_or_not(self) -> None:
        member_id = self.random.choice(self.members)
        act = self.random.choice([SuspendMember, ReactivateMember])
        self.co_operative.dispatch(act(member_id, "a reason", TODAY))

    def _a_day_comes(self) -> None:
        self.today += timedelta(days=self.random.randint(1, 45))
        for loan_id in self.loans:
            self.co_operative.assess(loan_id, self.today)

    def _charge(self) -> None:
        loan_id = self.random.choice(self.loans)
        fee = ChargeFee(loan_id, uuid4(), 500_00, "a cheque", self.today, self.today)
        self.co_operative.dispatch(fee)

    def _restructure(self) -> None:
        loan_id = self.random.choice(self.loans)
        command = RestructureLoan(loan_id, self._approver, 4, "9", None, "lost a job", self.today)
        self.co_operative.dispatch(command)

    def _write_off(self) -> None:
        loan_id = self.random.choice(self.loans)
        if self.random.random() < 0.3:
            self.co_operative.dispatch(
                WriteOffLoan(loan_id, self._approver, "gone away", self.today)
            )

    def _push(self) -> None:
        fields = {}
        if self.random.random() < 0.7:
            loan_id = self.random.choice(self.loans)
            fields = {"purpose": PushPurpose.LOAN_REPAYMENT, "loan_id": loan_id}
        push_id = self.co_operative.accepted_push(
            self.random.choice(self.members), amount_cents=2_000_50, **fields
        )
        self.pushes.append(push_id)

    def _push_is_told(self) -> None:
        if not self.pushes:
            return
        push_id = self.random.choice(self.pushes)
        if self.random.random() < 0.6:
            self.co_operative.queried(push_id, "0")
        else:
            self.co_operative.paid(push_id)
