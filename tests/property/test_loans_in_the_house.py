"""Loans, deposits and pushes in any order, through the real store and the real read models.

After every step: nothing is below zero, parts sum to wholes, every shilling that came in is in
exactly one place, and the accounting API's rows say what the streams say. At the end a rebuild
from the log comes to the same rows.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from domain.errors import BrokenRule
from domain.identities import receipt_id
from domain.loans.commands import ChargeFee, RestructureLoan, WriteOffLoan
from domain.loans.loan import Loan, LoanStatus
from domain.loans.standing import SURPLUS
from domain.loans.terms import Component
from domain.mpesa.receipt import Receipt
from domain.mpesa.stk_push import PushPurpose
from infra.event_store.unit_of_work import EventStore
from infra.keyring import Keyring
from infra.postgres.pool import open_pool
from tests.conftest import MASTER_KEY
from tests.support.co_operative import TODAY, CoOperative
from tests.support.push_states import account
from tests.support.read_models import dumped, emptied

START = TODAY - timedelta(days=300)
some_cents = st.one_of(
    st.integers(1, 60).map(lambda hundreds: hundreds * 500_00 + 37),
    st.just(40_000_37),  # more than a loan ever takes
)
a_while_ago = st.integers(0, 290).map(lambda days: TODAY - timedelta(days=days))


class LoansInTheHouse(RuleBasedStateMachine):
    """Two members borrow; clerks, officers and Safaricom do what they do."""

    databases: object
    loans = Bundle("loans")
    repayments = Bundle("repayments")

    def __init__(self) -> None:
        super().__init__()
        self.opened = ExitStack()
        self.owner_url = self.opened.enter_context(self.databases.fresh())
        self.pool = self.opened.enter_context(open_pool(self.owner_url, size_max=4))
        with self.pool.connection() as connection:
            keyring = Keyring.open(connection, MASTER_KEY)
        self.house = CoOperative(EventStore.open(self.pool, keyring))
        self.follower = self.house.follower()
        self.paid_in = 0  # all that members paid, less what was undone at the counter
        self.receipts: list[UUID] = []

    def teardown(self) -> None:
        try:
            live = dumped(self.owner_url)
            emptied(self.owner_url)
            self.house.follower().catch_up()
            assert dumped(self.owner_url) == live
        finally:
            self.opened.close()

    @initialize(target=loans, grace=st.integers(0, 20))
    def two_borrowers(self, grace):
        code = self.house.product(
            penalty_grace_days=grace, amount_cents_min=1_000_00, contributed_cents_min=0
        )
        self.officer = self.house.principal(approval_limit_cents=10**12)
        self.members = [self.house.member(registered_on=START) for _ in range(2)]
        made = []
        for member in self.members:
            self.house.contribution(member, amount_cents=20_000_00, contributed_on=START)
            self.paid_in += 20_000_00
            made.append(
                self.house.loan(
                    member, product_code=code, disbursed_on=START, term_months=4, applied_on=START
                )
            )
        return multiple(*made)

    @rule(target=repayments, loan=loans, cents=some_cents, day=a_while_ago)
    def pay_at_the_counter(self, loan, cents, day):
        try:
            repayment = self.house.repayment(loan, cents, paid_on=day)
        except BrokenRule:
            return multiple()
        self.paid_in += cents
        return (loan, repayment)

    @rule(target=repayments, loan=loans, cents=some_cents, queried_first=st.booleans())
    def pay_by_mpesa(self, loan, cents, queried_first):
        member = UUID(self.house.load(Loan, loan).member_id)
        try:
            push = self.house.accepted_push(
                member,
                purpose=PushPurpose.LOAN_REPAYMENT,
                loan_id=loan,
                amount_cents=min(cents, 250_000_00),
            )
        except BrokenRule:
            return multiple()
        if queried_first:
            self.house.queried(push, "0")
        self.house.paid(push)
        self.house.paid(push)
        receipt = self.house.load(Receipt, receipt_id(push.hex[:10].upper()))
        self.receipts.append(receipt.id)
        self.paid_in += receipt.amount_cents
        [posted] = [
            UUID(key)
            for key, each in self.house.load(Loan, loan).repayments.items()
            if each["source_id"] in (str(receipt.id), str(push))
        ]
        return (loan, posted)

    @rule(known=consumes(repayments))
    def undo(self, known):
        loan_id, repayment = known
        before = self.house.load(Loan, loan_id).repayments[str(repayment)]
        try:
            self.house.undo_repayment(loan_id, repayment)
        except BrokenRule:
            return
        if before["method"] != "mpesa":
            self.paid_in -= before["amount_cents"]

    @rule(loan=loans, cents=st.integers(1, 1_000_00))
    def charge(self, loan, cents):
        with suppress(BrokenRule):
            fee = ChargeFee(loan, UUID(int=cents), cents, "copies", TODAY, TODAY)
            self.house.dispatch(fee)

    @rule(loan=loans, months=st.integers(1, 24))
    def restructure(self, loan, months):
        command = RestructureLoan(loan, self.officer, months, None, None, "lost her income", TODAY)
        with suppress(BrokenRule):
            self.house.dispatch(command)

    @rule(loan=loans)
    def write_off(self, loan):
        with suppress(BrokenRule):
            self.house.dispatch(WriteOffLoan(loan, self.officer, "left the country", TODAY))

    @rule(loan=loans, days=st.integers(0, 60))
    def a_day_passes(self, loan, days):
        self.house.assess(loan, TODAY + timedelta(days=days))

    @invariant()
    def every_shilling_is_in_one_place(self):
        if not hasattr(self, "members"):
            return
        loans = [self.house.load(Loan, loan) for loan in self._loan_ids()]
        on_loans = sum(
            each["amount_cents"]
            for loan in loans
            for each in loan.repayments.values()
            if each["state"] != "reversed"
        )
        surplus = sum(parts[SURPLUS] for loan in loans for parts in loan.parts.values())
        deposits = 0
        for member in self.members:
            balances = account(self.house, member).balances_cents
            assert min(balances.values()) >= 0
            deposits += sum(balances.values())
        suspended = sum(self.house.load(Receipt, each).suspended_cents for each in self.receipts)
        assert on_loans - surplus + deposits + suspended == self.paid_in

    @invariant()
    def loans_hold_together(self):
        for loan_id in self._loan_ids():
            loan = self.house.load(Loan, loan_id)
            for line in loan.lines:
                for component in Component:
                    due = (
                        sum(each["cents"] for each in line["penalties"])
                        if component == Component.PENALTY
                        else line[component]
                    )
                    assert 0 <= line["paid"][component] <= due
            for key, parts in loan.parts.items():
                assert sum(parts.values()) == loan.repayments[key]["amount_cents"]
                assert min(parts.values()) >= 0
            for component in Component:
                paid = sum(line["paid"][component] for line in loan.lines)
                assert paid == sum(parts[component] for parts in loan.parts.values())
            if not loan.restructured_on and loan.lines:
                assert sum(line["principal"] for line in loan.lines) == loan.amount_cents
            if loan.status == LoanStatus.COMPLETED:
                assert loan.balance_cents == 0

    @invariant()
    def replay_is_what_is_live(self):
        """With whatever snapshot there is, and from the first event."""
        mapper, log = self.house.store.mapper, self.house.store.log
        for loan_id in self._loan_ids():
            replayed = None
            for stored in log.select_events(loan_id):
                replayed = mapper.to_domain_event(stored).mutate(replayed)
            assert vars(replayed) == vars(self.house.load(Loan, loan_id))

    @invariant()
    def the_books_say_what_the_streams_say(self):
        if not hasattr(self, "members"):
            return
        self.follower.catch_up()
        with psycopg.connect(self.owner_url) as connection:
            rows = connection.execute(
                "SELECT loan_id, status, balance * 100, paid_amount * 100,"
                " (SELECT coalesce(sum(principal + interest + fee + penalty - principal_paid"
                "  - interest_paid - fee_paid - penalty_paid), 0) * 100"
                "  FROM read_loans.instalments AS i WHERE i.loan_id = l.loan_id),"
                " (SELECT coalesce(sum(amount), 0) * 100 FROM read_loans.repayments AS r"
                "  WHERE r.loan_id = l.loan_id AND r.status = 'completed')"
                " FROM read_loans.loans AS l"
            ).fetchall()
        for loan_id, status, balance, paid, unpaid, repaid in rows:
            loan = self.house.load(Loan, loan_id)
            assert status == loan.status
            if loan.status == LoanStatus.WRITTEN_OFF:
                assert balance == 0
                continue
            assert balance == loan.balance_cents == unpaid
            assert paid == repaid

    def _loan_ids(self):
        with self.pool.connection() as connection:
            rows = connection.execute(
                "SELECT stream_id FROM event_store.events WHERE topic = 'loan.applied'"
            ).fetchall()
        return [row[0] for row in rows]


@pytest.mark.parametrize("examples", [12])
def test_loans_and_accounts_hold_together_whatever_happens(databases, monkeypatch, examples):
    monkeypatch.setattr(Loan, "SNAPSHOT_EVERY", 3)
    LoansInTheHouse.databases = databases
    run_state_machine_as_test(
        LoansInTheHouse,
        settings=settings(
            max_examples=examples,
            stateful_step_count=14,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
