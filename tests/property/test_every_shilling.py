"""Contributions, reversals, pushes, callbacks and queries in any order, against a small model.

The model knows nothing of events: for each push whether its money may still come, and for the
house how many cents are in the accounts and how many in suspense.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from domain.contributions.account import MemberAccount
from domain.contributions.errors import AlreadyReversed
from domain.contributions.rules import ContributionType
from domain.identities import account_id, receipt_id
from domain.mpesa.errors import PaymentRequestAlreadyWaiting, ReceiptStillAwaited
from domain.mpesa.receipt import Receipt
from domain.mpesa.stk_push import Push
from infra.event_store.unit_of_work import EventStore, UnitOfWork
from infra.keyring import Keyring
from infra.postgres.pool import open_pool
from tests.conftest import MASTER_KEY
from tests.support import push_states as told
from tests.support.co_operative import CAUSE, CoOperative
from tests.support.databases import Databases
from tests.support.read_models import dumped, emptied

AMOUNTS = st.sampled_from([1_000_00, 1_000_25, 1_999_99, 3_500_00])
FAILURES = {"1": "closed", "1032": "closed", "1037": "perhaps", "31415": "perhaps"}
MAY_BE_PAID = ("open", "expired", "perhaps")
FREES_THE_PHONE = ("perhaps", "closed", "expired", "posted", "paid")


@dataclass
class ModelledPush:
    """What the model knows of a push."""

    member_id: UUID
    cents: int
    status: str = "open"  # expired | perhaps | closed | posted (no receipt yet) | paid
    holds_phone: bool = True
    receipt: str | None = None


class House(RuleBasedStateMachine):
    databases: Databases

    contributions = Bundle("contributions")
    pushes = Bundle("pushes")

    def __init__(self) -> None:
        super().__init__()
        self.closing = ExitStack()
        self.url = self.closing.enter_context(self.databases.fresh())
        pool = self.closing.enter_context(open_pool(self.url, size_max=3))
        with pool.connection() as connection:
            keyring = Keyring.open(connection, MASTER_KEY)
        self.co_operative = CoOperative(EventStore.open(pool, keyring))
        self.follower = self.co_operative.follower()
        self.by_hand: dict[UUID, tuple[UUID, int, bool]] = {}
        self.modelled: dict[UUID, ModelledPush] = {}
        self.received: dict[str, int] = {}
        self.in_accounts = self.in_suspense = self.posted_without_money = 0

    @initialize()
    def two_members(self) -> None:
        self.members = [self.co_operative.member() for _ in range(2)]

    # Money put in and taken back by people.

    @rule(target=contributions, who=st.integers(0, 1), amount_cents=AMOUNTS)
    def contribute(self, who: int, amount_cents: int) -> UUID:
        member_id = self.members[who]
        made = self.co_operative.contribution(member_id, amount_cents=amount_cents)
        self.by_hand[made] = (member_id, amount_cents, False)
        self.in_accounts += amount_cents
        return made

    @rule(contribution_id=contributions)
    def reverse_by_hand(self, contribution_id: UUID) -> None:
        member_id, amount_cents, is_reversed = self.by_hand[contribution_id]
        if is_reversed:
            with pytest.raises(AlreadyReversed):
                self.co_operative.reverse(member_id, contribution_id)
            return
        self.co_operative.reverse(member_id, contribution_id)
        self.by_hand[contribution_id] = (member_id, amount_cents, True)
        self.in_accounts -= amount_cents

    @precondition(lambda self: self.modelled)
    @rule(data=st.data())
    def reverse_mpesa_money(self, data: st.DataObject) -> None:
        account = told.account(self.co_operative, data.draw(st.sampled_from(self.members)))
        live = [
            key
            for key, kept in account.contributions.items()
            if kept["method"] == "mpesa" and not kept["reversed"]
        ]
        if not live:
            return
        undone = UUID(data.draw(st.sampled_from(live)))
        kept = account.contributions[str(undone)]
        push = self.modelled.get(UUID(kept["source_id"]))
        if push is not None and push.status == "posted":
            with pytest.raises(ReceiptStillAwaited):
                self.co_operative.reverse(UUID(account.member_id), undone)
            return
        self.co_operative.reverse(UUID(account.member_id), undone)
        self.in_accounts -= kept["amount_cents"]
        self.in_suspense += kept["amount_cents"]

    # Pushes, and what becomes of them.

    @rule(
        target=pushes,
        who=st.integers(0, 1),
        amount_cents=AMOUNTS,
        purpose=st.sampled_from(ContributionType),
        sent=st.booleans(),
    )
    def ask(self, who: int, amount_cents: int, purpose: ContributionType, *, sent: bool):
        member_id = self.members[who]
        waiting = [p for p in self.modelled.values() if p.member_id == member_id and p.holds_phone]
        if waiting:
            with pytest.raises(PaymentRequestAlreadyWaiting):
                self.co_operative.push(member_id, amount_cents=amount_cents, purpose=purpose)
            return multiple()
        push_id = self.co_operative.push(member_id, amount_cents=amount_cents, purpose=purpose)
        self.modelled[push_id] = ModelledPush(member_id, -(-amount_cents // 100) * 100)
        if sent:
            told.sending_started(self.co_operative, push_id)
        return push_id

    @rule(
        push_id=pushes,
        step=st.sampled_from(
            [told.sending_started, told.acknowledged, told.not_sent, told.doubted, told.refused]
        ),
    )
    def sender_tells(self, push_id: UUID, step: told.Step) -> None:
        step(self.co_operative, push_id)
        push = self.modelled[push_id]
        state = told.state_of(self.co_operative, push_id)
        if state == "rejected":
            push.status, push.holds_phone = "closed", False
        if state == "in_doubt":
            push.holds_phone = False

    @rule(push_id=pushes)
    def stop_waiting(self, push_id: UUID) -> None:
        told.given_up(self.co_operative, push_id)
        if told.state_of(self.co_operative, push_id) == "expired":
            self._settle(push_id, "expired")

    @rule(
        push_id=pushes,
        amount=st.sampled_from(["as asked", "more"]),
        is_payer=st.booleans(),
        receipt=st.sampled_from(["its own", "its own", "its own", "another", "a stranger's"]),
        times=st.integers(1, 3),
    )
    def told_paid(
        self, push_id: UUID, amount: str, receipt: str, times: int, *, is_payer: bool
    ) -> None:
        push = self.modelled[push_id]
        number = {"its own": push_id.hex[:10].upper(), "another": push_id.hex[10:20].upper()}.get(
            receipt, next(iter(self.received), uuid4().hex[:10].upper())
        )
        cents = push.cents + (123_00 if amount == "more" else 0)
        fields = {} if is_payer else {"payer_phone": "254799999999"}
        for _ in range(times):
            self.co_operative.paid(push_id, receipt_number=number, amount_cents=cents, **fields)
        if number in self.received:
            return
        if push.receipt is not None:
            self.received[number] = cents
            self.in_suspense += cents
            return
        self.received[number], push.receipt = cents, number
        if push.status == "posted":
            self.in_suspense += cents - push.cents
            self.posted_without_money -= push.cents
        elif push.status in MAY_BE_PAID and cents == push.cents and is_payer:
            self.in_accounts += cents
        else:
            self.in_suspense += cents
        self._settle(push_id, "paid")

    @rule(push_id=pushes, code=st.sampled_from([*FAILURES, "4999"]), by_query=st.booleans())
    def told_failed(self, push_id: UUID, code: str, *, by_query: bool) -> None:
        (self.co_operative.queried if by_query else self.co_operative.failed)(push_id, code)
        push = self.modelled[push_id]
        becomes = FAILURES.get(code)
        definite = becomes == "closed"
        if push.status == "open" and (definite or (by_query and becomes)):
            self._settle(push_id, str(becomes))
        elif push.status == "expired" and definite:
            self._settle(push_id, "closed")

    @rule(push_id=pushes, receipt_follows=st.sampled_from(["", "as asked", "more"]))
    def query_says_paid(self, push_id: UUID, receipt_follows: str) -> None:
        self.co_operative.queried(push_id, "0")
        push = self.modelled[push_id]
        if push.status in MAY_BE_PAID:
            self.in_accounts += push.cents
            self.posted_without_money += push.cents
            self._settle(push_id, "posted")
        if receipt_follows:
            self.told_paid(push_id, receipt_follows, "its own", times=1, is_payer=True)

    def _settle(self, push_id: UUID, status: str) -> None:
        push = self.modelled[push_id]
        push.status = status
        push.holds_phone = push.holds_phone and status not in FREES_THE_PHONE

    # Machinery that must make no difference.

    @rule()
    def follow(self) -> None:
        self.follower.catch_up_once()

    @rule()
    def lose_the_snapshots(self) -> None:
        with self.co_operative.store.pool.connection() as connection:
            connection.execute("DELETE FROM event_store.snapshots")

    # What must hold at every moment.

    @invariant()
    def every_shilling_is_in_one_place(self) -> None:
        accounts, receipts = self._accounts(), self._receipts()
        assert sum(account.contributed_cents for account in accounts) == self.in_accounts
        assert sum(receipt.suspended_cents for receipt in receipts) == self.in_suspense
        by_hand = sum(cents for _, cents, is_reversed in self.by_hand.values() if not is_reversed)
        came_in = by_hand + sum(self.received.values()) + self.posted_without_money
        assert self.in_accounts + self.in_suspense == came_in

    @invariant()
    def each_receipt_is_posted_once(self) -> None:
        posted: dict[str, int] = {}
        for account in self._accounts():
            for kept in account.contributions.values():
                if kept["source_id"] and not kept["reversed"]:
                    source = kept["source_id"]
                    posted[source] = posted.get(source, 0) + kept["amount_cents"]
        for receipt in self._receipts():
            if receipt.push_id is None:  # a second one for a push that was paid already
                assert receipt.suspended_cents == receipt.amount_cents
                continue
            ways = [posted.get(str(receipt.id), 0), posted.get(receipt.push_id, 0)]
            assert 0 in ways, "posted by receipt or under the push, never both"
            assert sum(ways) + receipt.suspended_cents == receipt.amount_cents
            assert receipt.unplaced_cents == 0

    @invariant()
    def balances_add_up_and_none_is_below_zero(self) -> None:
        for account in self._accounts():
            live = [kept for kept in account.contributions.values() if not kept["reversed"]]
            for kind, balance_cents in account.balances_cents.items():
                assert balance_cents >= 0
                assert balance_cents == sum(k["amount_cents"] for k in live if k["type"] == kind)
            assert sum(account.balances_cents.values()) == account.contributed_cents

    @invariant()
    def replay_is_what_is_live(self) -> None:
        """With whatever snapshot there is, and from the first event."""
        mapper, log = self.co_operative.store.mapper, self.co_operative.store.log
        for account in self._accounts():
            replayed = None
            for stored in log.select_events(account.id):
                replayed = mapper.to_domain_event(stored).mutate(replayed)
            assert vars(replayed) == vars(account)

    def teardown(self) -> None:
        try:
            if hasattr(self, "members"):
                self._rebuilt_read_models_are_the_live_ones()
        finally:
            self.closing.close()

    def _rebuilt_read_models_are_the_live_ones(self) -> None:
        self.follower.catch_up()
        live = dumped(self.url)
        emptied(self.url)
        self.co_operative.follower().catch_up()
        assert dumped(self.url) == live
        with psycopg.connect(self.url) as connection:
            query = "SELECT coalesce(sum(total_contributions), 0) FROM read_members.members"
            members = connection.execute(query).fetchone()
            query = "SELECT coalesce(sum(suspended), 0) FROM read_mpesa_transactions.receipts"
            suspended = connection.execute(query).fetchone()
        assert members[0] * 100 == self.in_accounts
        assert suspended[0] * 100 == self.in_suspense

    def _accounts(self) -> list[MemberAccount]:
        unit = UnitOfWork(self.co_operative.store, CAUSE)
        return [unit.get(MemberAccount, account_id(member)) for member in self.members]

    def _receipts(self) -> list[Receipt]:
        unit = UnitOfWork(self.co_operative.store, CAUSE)
        unit.prefetch(receipt_id(number) for number in self.received)
        return [unit.get(Receipt, receipt_id(number)) for number in self.received]


@pytest.mark.slow
def test_every_shilling_is_in_exactly_one_place(databases, monkeypatch):
    monkeypatch.setattr(MemberAccount, "SNAPSHOT_EVERY", 3)
    monkeypatch.setattr(Push, "SNAPSHOT_EVERY", 2)
    monkeypatch.setattr(House, "databases", databases, raising=False)
    run_state_machine_as_test(
        House,
        settings=settings(
            max_examples=30,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
