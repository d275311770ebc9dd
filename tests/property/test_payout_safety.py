"""Money leaves at most once for each payout, whatever Safaricom and our own crashes do.

Safaricom is a model of ten lines: it takes a request or loses it, answers or not, decides in its
own time, tells the truth or its opposite, twice, late or never, and forgets an id after a while.
Ours are the real commands over a real store, interleaved in any order, each process dying at any
step. In the end, once Safaricom has told the truth and persons have looked at what is on their
list, the books say what left.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from domain.contributions.account import MemberAccount
from domain.errors import BrokenRule
from domain.identities import account_id, payout_id, short_code_id
from domain.loans.commands import DisburseLoan
from domain.loans.loan import Loan
from domain.mpesa.payout import Payout
from domain.mpesa.payout_lane import PayoutLane, ResumeLane
from infra.event_store.unit_of_work import EventStore
from infra.keyring import Keyring
from infra.postgres.pool import open_pool
from tests.conftest import MASTER_KEY
from tests.support import payout_states as told
from tests.support.co_operative import NOW, TODAY, CoOperative
from tests.support.databases import Databases
from tests.support.read_models import dumped, emptied

SHORT_CODE = "600992"
SAFARICOM_REMEMBERS = timedelta(minutes=15)
TAKEN = ("taken", "answer lost", "turned away though taken")
FATES = (*TAKEN, "lost", "turned away", "refused")
DEPOSITS_CENTS = 20_000_00


@dataclass
class Safaricom:
    """What it has taken, when, whether it pays it, and how often money left."""

    taken_at: dict[UUID, datetime] = field(default_factory=dict)
    pays: dict[UUID, bool] = field(default_factory=dict)
    left: dict[UUID, int] = field(default_factory=dict)

    def take(self, payout: UUID, now: datetime, *, pays: bool) -> None:
        """An id that it remembers pays nothing again."""
        known = self.taken_at.get(payout)
        if known is not None and now - known < SAFARICOM_REMEMBERS:
            return
        self.taken_at[payout] = now
        self.pays.setdefault(payout, pays)
        self.left[payout] = self.left.get(payout, 0) + self.pays[payout]


class Payouts(RuleBasedStateMachine):
    databases: Databases

    def __init__(self) -> None:
        super().__init__()
        self.closing = ExitStack()
        self.url = self.closing.enter_context(self.databases.fresh())
        pool = self.closing.enter_context(open_pool(self.url, size_max=3))
        with pool.connection() as connection:
            keyring = Keyring.open(connection, MASTER_KEY)
        self.house = CoOperative(EventStore.open(pool, keyring))
        self.safaricom = Safaricom()
        self.now = NOW
        self.is_paid_at_counter = False
        self.in_hand: list[tuple[UUID, int]] = []  # started; its sender has not handed it over
        self.answers: list[Callable[[], object]] = []  # what a sender heard, and has not recorded

    @initialize(amount_cents=st.sampled_from([30_000_50, 300_000_00]))
    def somebody_is_paid(self, amount_cents: int) -> None:
        self.checker = self.house.principal()
        self.member = self.house.borrower()
        self.refund = told.refund_confirmed(
            self.house,
            told.refund_proposed(self.house, self.member),
            principal_id=self.checker,
            short_code=SHORT_CODE,
        )
        self.loan = told.loan_paid_out(self.house, amount_cents=amount_cents, code=SHORT_CODE)

    # Senders. Each may die between any two steps; most do not.

    @rule(data=st.data(), fate=st.sampled_from(FATES), pays=st.sampled_from([True, True, False]))
    def send(self, data: st.DataObject, fate: str, *, pays: bool) -> None:
        self.start(data, told.PLENTY_CENTS)
        if self.in_hand:
            self.hand_over(data, fate, pays=pays)
            self.record(data)

    @rule(data=st.data(), free=st.sampled_from([told.PLENTY_CENTS, 0, None]))
    def start(self, data: st.DataObject, free: int | None) -> None:
        payout = self._any(data)
        started = told.sending_started(self.house, payout, free_cents=free, now=self.now)
        if isinstance(started, Payout):
            assert not self._earlier_under_review(payout)
            self.in_hand.append((payout, started.attempts))

    @precondition(lambda self: self.in_hand)
    @rule(data=st.data(), fate=st.sampled_from(FATES), pays=st.booleans())
    def hand_over(self, data: st.DataObject, fate: str, *, pays: bool) -> None:
        payout, attempt = self.in_hand.pop(data.draw(st.integers(0, len(self.in_hand) - 1)))
        now = self.now
        if fate in TAKEN:
            self.safaricom.take(payout, now, pays=pays)  # known before, it answers "duplicate"
        if fate == "taken":
            self.answers.append(lambda: told.taken(self.house, payout, now=now))
        elif fate == "refused":
            self.answers.append(lambda: told.refused(self.house, payout, n=attempt))
        elif fate.startswith("turned away"):
            self.answers.append(lambda: told.not_sent(self.house, payout, now=now, n=attempt))
        else:
            self.answers.append(lambda: told.doubted(self.house, payout))

    @precondition(lambda self: self.answers)
    @rule(data=st.data())
    def record(self, data: st.DataObject) -> None:
        self.answers.pop(data.draw(st.integers(0, len(self.answers) - 1)))()

    @rule()
    def every_process_dies(self) -> None:
        self.in_hand.clear()
        self.answers.clear()

    @precondition(lambda self: not self.in_hand)  # nobody holds a request for long
    @rule(minutes=st.sampled_from([1, 16]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    # Safaricom.

    @precondition(lambda self: self.safaricom.pays)
    @rule(data=st.data(), lies=st.sampled_from([False, False, True]), by_status=st.booleans())
    def safaricom_tells(self, data: st.DataObject, *, lies: bool, by_status: bool) -> None:
        payout = data.draw(st.sampled_from(list(self.safaricom.pays)))
        self._tell(payout, is_paid=self.safaricom.pays[payout] is not lies, status=by_status)

    @precondition(lambda self: self.safaricom.pays)
    @rule(data=st.data(), what=st.sampled_from(["busy", "timeout", "pending", "no question"]))
    def safaricom_tells_nothing(self, data: st.DataObject, what: str) -> None:
        payout = data.draw(st.sampled_from(list(self.safaricom.pays)))
        if what in ("busy", "timeout"):
            told.result(self.house, payout, "26", is_timeout=what == "timeout")
        else:
            told.status(self.house, payout, "Pending" if what == "pending" else None)

    @precondition(lambda self: not all(self.safaricom.pays.values()))
    @rule(data=st.data(), resumes=st.booleans())
    def a_credential_is_refused(self, data: st.DataObject, *, resumes: bool) -> None:
        unpaid = [payout for payout, pays in self.safaricom.pays.items() if not pays]
        told.result(self.house, data.draw(st.sampled_from(unpaid)), "2001")
        if resumes:
            self._resume()

    # The watch, and persons.

    @rule(data=st.data(), gives_up=st.booleans())
    def watch(self, data: st.DataObject, *, gives_up: bool) -> None:
        (told.given_up if gives_up else told.doubted)(self.house, self._any(data))

    @rule()
    def persons_look(self) -> None:
        for payout in self.payouts():
            self._look(payout)

    @rule(at_counter=st.sampled_from([False, False, True]))
    def pay_the_loan_anew(self, *, at_counter: bool) -> None:
        try:
            if at_counter:
                self.house.dispatch(DisburseLoan(self.loan, "cash", "V-1", TODAY, None, TODAY))
                self.is_paid_at_counter = True
            else:
                told.paid_out_again(self.house, self.loan, code=SHORT_CODE)
        except BrokenRule:
            return

    # What must hold.

    @invariant()
    def money_leaves_at_most_once(self) -> None:
        assert all(times <= 1 for times in self.safaricom.left.values())

    def teardown(self) -> None:
        try:
            if hasattr(self, "loan"):
                self._all_is_settled_in_the_end()
                self._the_books_say_what_left()
                self._rebuilt_read_models_are_the_live_ones()
        finally:
            self.closing.close()

    def _all_is_settled_in_the_end(self) -> None:
        """Every process works again, Safaricom tells the truth, persons look at their list."""
        self.every_process_dies()
        for _ in range(12):
            self._resume()
            for payout in self.payouts():
                self._work_on(payout)
        states = [self._load(payout).state for payout in self.payouts()]
        assert set(states) <= {"succeeded", "failed"}, states

    def _work_on(self, payout: UUID) -> None:
        state = self._load(payout).state
        if state in ("requested", "held"):
            if isinstance(told.sending_started(self.house, payout, now=self.now), Payout):
                self.safaricom.take(payout, self.now, pays=True)
                told.taken(self.house, payout)
        elif state == "sending":
            told.doubted(self.house, payout)
        elif payout in self.safaricom.pays:
            self._tell(payout, is_paid=self.safaricom.pays[payout], status=False)
        elif state in ("accepted", "in_doubt"):
            told.status(self.house, payout, None)
        self._look(payout)

    def _the_books_say_what_left(self) -> None:
        self.money_leaves_at_most_once()
        out_cents = 0
        for payout in self.payouts():
            settled, left = self._load(payout), self.safaricom.left.get(payout, 0)
            assert (settled.state == "succeeded") == (left == 1), payout
            counted = settled.source_was_told == "paid"
            out_cents += settled.amount_cents * counted * (payout != self.refund)
            assert counted <= left or payout == self.refund
        loan = self.house.load(Loan, self.loan)
        assert loan.paid_out_cents >= out_cents  # what proved unpaid is in the deposits
        is_whole = self.is_paid_at_counter or loan.unpaid_cents < 100
        assert (loan.status == "active") == is_whole
        account: MemberAccount = self.house.load(MemberAccount, account_id(self.member))
        left = self.safaricom.left.get(self.refund, 0)
        assert account.contributed_cents == DEPOSITS_CENTS - 1_000_00 * left
        assert account.contributed_cents == sum(account.balances_cents.values())

    def _rebuilt_read_models_are_the_live_ones(self) -> None:
        self.house.follower().catch_up()
        live = dumped(self.url)
        emptied(self.url)
        self.house.follower().catch_up()
        assert dumped(self.url) == live

    def _tell(self, payout: UUID, *, is_paid: bool, status: bool) -> None:
        if status:
            told.status(self.house, payout, "Completed" if is_paid else "Failed")
        elif is_paid:
            told.result_paid(self.house, payout)
        else:
            told.result(self.house, payout, "2040")

    def _look(self, payout: UUID) -> None:
        """Two persons read Safaricom's statement, once no sender can still be at work on it."""
        if self._load(payout).state != "review" or payout in [each for each, _ in self.in_hand]:
            return
        others_may_have_left = self.is_paid_at_counter or any(
            self._load(each).state not in ("requested", "held", "failed")
            for each in self.payouts()
            if each not in (payout, self.refund)
        )
        is_paid = self.safaricom.pays.get(payout, False)
        told.settled_by_persons(self.house, payout, is_paid=is_paid)
        if is_paid and not others_may_have_left:
            assert self._load(payout).source_was_told == "paid"

    def _resume(self) -> None:
        lane = self.house.load(PayoutLane, short_code_id(SHORT_CODE))
        if lane.is_stopped:
            self.house.dispatch(ResumeLane(SHORT_CODE, self.checker, self.now))

    def _any(self, data: st.DataObject) -> UUID:
        return data.draw(st.sampled_from(self.payouts()))

    def payouts(self) -> list[UUID]:
        return [self.refund, *self._payouts_of_loan()]

    def _payouts_of_loan(self) -> list[UUID]:
        begun = self.house.load(Loan, self.loan).payouts_begun
        return [payout_id(self.loan, number=number) for number in range(1, begun + 1)]

    def _earlier_under_review(self, payout: UUID) -> bool:
        others = [each for each in self._payouts_of_loan() if each != payout]
        is_of_loan = payout != self.refund
        return is_of_loan and any(self._load(each).state == "review" for each in others)

    def _load(self, payout: UUID) -> Payout:
        found: Payout = self.house.load(Payout, payout)
        return found


@pytest.mark.slow
def test_money_leaves_at_most_once_for_each_payout(databases, monkeypatch):
    monkeypatch.setattr(MemberAccount, "SNAPSHOT_EVERY", 3)
    monkeypatch.setattr(Loan, "SNAPSHOT_EVERY", 3)
    monkeypatch.setattr(Payouts, "databases", databases, raising=False)
    run_state_machine_as_test(
        Payouts,
        settings=settings(
            max_examples=60,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
