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
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
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
from tests.support.pure_store import PureCoOperative
from tests.support.read_models import dumped, emptied

SHORT_CODE = "600992"
SAFARICOM_REMEMBERS = timedelta(minutes=15)
TAKEN = ("taken", "answer lost", "turned away though taken")
FATES = (*TAKEN, "lost", "turned away", "refused")
DEPOSITS_CENTS = 20_000_00
STEPS = (
    *("send", "send", "send", "start", "hand_over", "record", "every_process_dies"),
    *("time_passes", "safaricom_tells", "safaricom_tells", "safaricom_tells_nothing"),
    *("a_credential_is_refused", "watch", "persons_look", "pay_the_loan_anew"),
)
ROUNDS = 7  # two parts, each sent, asked about three times, and looked at
Draw = Callable[[st.SearchStrategy[Any]], Any]


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
    """In memory, where the domain can be tried often."""

    def __init__(self) -> None:
        super().__init__()
        self.house: CoOperative = self.open_house()
        self.safaricom = Safaricom()
        self.now = NOW
        self.is_paid_at_counter = False
        self.in_hand: list[tuple[UUID, int]] = []  # started; its sender has not handed it over
        self.answers: list[Callable[[], object]] = []  # what a sender heard, and has not recorded

    def open_house(self) -> CoOperative:
        return PureCoOperative()

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

    @rule(data=st.data(), what=st.sampled_from(STEPS))
    def step(self, data: st.DataObject, what: str) -> None:
        """One rule with all steps in it: rules of their own would be left out at random."""
        getattr(self, what)(data.draw)

    # Senders. Each may die between any two steps; most do not.

    def send(self, draw: Draw) -> None:
        self.start(draw)
        self.hand_over(draw)
        self.record(draw)

    def start(self, draw: Draw) -> None:
        payout = self._any(draw)
        free = draw(st.sampled_from([told.PLENTY_CENTS] * 4 + [0, None]))
        started = told.sending_started(self.house, payout, free_cents=free, now=self.now)
        if isinstance(started, Payout):
            assert not self._earlier_under_review(payout)
            self.in_hand.append((payout, started.attempts))

    def hand_over(self, draw: Draw) -> None:
        if not self.in_hand:
            return
        payout, attempt = self.in_hand.pop(draw(st.integers(0, len(self.in_hand) - 1)))
        fate, now = draw(st.sampled_from(FATES)), self.now
        if fate in TAKEN:  # known before, it answers "duplicate"
            pays = draw(st.sampled_from([True, True, False]))
            self.safaricom.take(payout, now, pays=pays)
        if fate == "taken":
            self.answers.append(lambda: told.taken(self.house, payout, now=now))
        elif fate == "refused":
            self.answers.append(lambda: told.refused(self.house, payout, n=attempt))
        elif fate.startswith("turned away"):
            self.answers.append(lambda: told.not_sent(self.house, payout, now=now, n=attempt))
        else:
            self.answers.append(lambda: told.doubted(self.house, payout))

    def record(self, draw: Draw) -> None:
        if self.answers:
            self.answers.pop(draw(st.integers(0, len(self.answers) - 1)))()

    def every_process_dies(self, _: Draw | None = None) -> None:
        self.in_hand.clear()
        self.answers.clear()

    def time_passes(self, draw: Draw) -> None:
        if not self.in_hand:  # nobody holds a request for long
            self.now += timedelta(minutes=draw(st.sampled_from([1, 16])))

    # Safaricom.

    def safaricom_tells(self, draw: Draw) -> None:
        if not self.safaricom.pays:
            return
        payout = draw(st.sampled_from(list(self.safaricom.pays)))
        lies = draw(st.sampled_from([False, False, True]))
        is_paid = self.safaricom.pays[payout] is not lies
        self._tell(payout, is_paid=is_paid, status=draw(st.booleans()))

    def safaricom_tells_nothing(self, draw: Draw) -> None:
        if not self.safaricom.pays:
            return
        payout = draw(st.sampled_from(list(self.safaricom.pays)))
        what = draw(st.sampled_from(["busy", "timeout", "pending", "no question"]))
        if what in ("busy", "timeout"):
            told.result(self.house, payout, "26", is_timeout=what == "timeout")
        else:
            told.status(self.house, payout, "Pending" if what == "pending" else None)

    def a_credential_is_refused(self, draw: Draw) -> None:
        unpaid = [payout for payout, pays in self.safaricom.pays.items() if not pays]
        if unpaid:
            told.result(self.house, draw(st.sampled_from(unpaid)), "2001")
        if draw(st.booleans()):
            self._resume()

    # The watch, and persons.

    def watch(self, draw: Draw) -> None:
        step = draw(st.sampled_from([told.doubted, told.doubted, told.given_up]))
        step(self.house, self._any(draw))

    def persons_look(self, _: Draw) -> None:
        for payout in self.payouts():
            self._look(payout)

    def pay_the_loan_anew(self, draw: Draw) -> None:
        try:
            if draw(st.sampled_from([False, False, True])):
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
        if hasattr(self, "loan"):
            self._all_is_settled_in_the_end()
            self._the_books_say_what_left()

    def _all_is_settled_in_the_end(self) -> None:
        """Every process works again, Safaricom tells the truth, persons look at their list."""
        self.every_process_dies()
        for _ in range(ROUNDS):
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
            for status in (False, True):
                self._tell(payout, is_paid=self.safaricom.pays[payout], status=status)
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

    def _any(self, draw: Draw) -> UUID:
        return draw(st.sampled_from(self.payouts()))

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


class PayoutsInTheHouse(Payouts):
    """The same over PostgreSQL; and the read models, made anew, are what they were."""

    databases: Databases

    def open_house(self) -> CoOperative:
        self.closing = ExitStack()
        self.url = self.closing.enter_context(self.databases.fresh())
        pool = self.closing.enter_context(open_pool(self.url, size_max=3))
        with pool.connection() as connection:
            keyring = Keyring.open(connection, MASTER_KEY)
        return CoOperative(EventStore.open(pool, keyring))

    def teardown(self) -> None:
        try:
            super().teardown()
            self.house.follower().catch_up()
            live = dumped(self.url)
            emptied(self.url)
            self.house.follower().catch_up()
            assert dumped(self.url) == live
        finally:
            self.closing.close()


def as_often_as(examples: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.slow
def test_money_leaves_at_most_once_for_each_payout():
    run_state_machine_as_test(Payouts, settings=as_often_as(400))


@pytest.mark.slow
def test_nor_does_it_in_a_real_house(databases, monkeypatch):
    monkeypatch.setattr(MemberAccount, "SNAPSHOT_EVERY", 3)
    monkeypatch.setattr(Loan, "SNAPSHOT_EVERY", 3)
    monkeypatch.setattr(PayoutsInTheHouse, "databases", databases, raising=False)
    run_state_machine_as_test(PayoutsInTheHouse, settings=as_often_as(10))
