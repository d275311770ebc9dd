"""A receipt through anything that may befall it, against a model of six purses.

Whatever happens, each shilling is in exactly one of them, nothing is placed twice, and what is
decided twice has one effect.
"""

from __future__ import annotations

from uuid import UUID, uuid4

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

from domain.mpesa.receipt import Receipt, Resolution, SuspenseReason
from domain.mpesa.receipt_errors import (
    NoSuchProposal,
    NotAllInSuspense,
    NotSoMuchInSuspense,
    ProposalWaits,
    SettledOtherwise,
)

AMOUNT_CENTS = 1_000_00
PARTS = st.sampled_from([1, 250_00, 999_99, 1_000_00])
MAKER, CHECKER, AT = str(uuid4()), str(uuid4()), "2026-11-23T09:00:00+00:00"


class OneReceipt(RuleBasedStateMachine):
    @initialize(member_id=st.sampled_from([None, str(uuid4())]))
    def received(self, member_id: str | None) -> None:
        self.events: list[object] = []
        self.receipt: Receipt = Receipt.begin(
            Receipt.Received,
            stream_id=uuid4(),
            receipt_number="SKP0000001",
            amount_cents=AMOUNT_CENTS,
            paid_at=AT,
            channel="paybill",
            member_id=member_id,
            payer_phone="254722000111",
            short_code="600992",
            account_number="NOBODY",
            payer_name=None,
            payer_hint=None,
        )
        self.placed = self.suspended = self.refunding = self.refunded = 0
        self.reversing = self.reversed = 0
        self.unplaced = AMOUNT_CENTS
        self.payouts: dict[UUID, tuple[int, str]] = {}
        self.proposal: tuple[UUID, int, Resolution] | None = None
        self.gone: list[UUID] = []

    # What a decision does with money that has no place yet.

    @precondition(lambda self: self.unplaced)
    @rule(cents=PARTS, on_loan=st.booleans())
    def place(self, cents: int, *, on_loan: bool) -> None:
        cents = min(cents, self.unplaced)
        if on_loan:
            self.receipt.place_on_loan(
                repayment_id=uuid4(), loan_id="L", member_id="M", amount_cents=cents
            )
        else:
            self.receipt.place(contribution_id=uuid4(), member_id="M", amount_cents=cents)
        self.placed, self.unplaced = self.placed + cents, self.unplaced - cents

    @precondition(lambda self: self.receipt.push_id is None)
    @rule(cents=PARTS)
    def attach(self, cents: int) -> None:
        posted = min(cents, self.unplaced)
        self.receipt.attach_to_push(uuid4(), member_id="M", posted_cents=posted)
        self.placed, self.unplaced = self.placed + posted, self.unplaced - posted

    @precondition(lambda self: self.unplaced)
    @rule()
    def suspend(self) -> None:
        self.receipt.suspend(SuspenseReason.ACCOUNT_NUMBER_UNKNOWN)
        self.suspended, self.unplaced = self.suspended + self.unplaced, 0

    @precondition(lambda self: not self.unplaced)
    @rule(cents=PARTS)
    def take_back(self, cents: int) -> None:
        self.receipt.take_back(amount_cents=cents)
        returned = min(cents, self.placed)
        self.placed, self.suspended = self.placed - returned, self.suspended + returned

    @precondition(lambda self: self.suspended and not self.unplaced)
    @rule(cents=PARTS)
    def release(self, cents: int) -> None:
        cents = min(cents, self.suspended)
        self.receipt.release(amount_cents=cents, because="push_found")
        self.suspended, self.unplaced = self.suspended - cents, self.unplaced + cents

    # What people say.

    @rule(resolution=st.sampled_from(Resolution))
    def propose(self, resolution: Resolution) -> None:
        proposal_id = uuid4()

        def ask() -> None:
            self.receipt.propose(
                proposal_id=proposal_id, resolution=resolution, note="so", by=MAKER, at=AT
            )

        whole = resolution is not Resolution.REVERSE or self.suspended == AMOUNT_CENTS
        if self.proposal is not None:
            refusal: type[Exception] | None = ProposalWaits
        elif not self.suspended:
            refusal = NotSoMuchInSuspense
        else:
            refusal = None if whole else NotAllInSuspense
        if refusal is not None:
            with pytest.raises(refusal):
                ask()
            return
        ask()
        self.proposal = (proposal_id, self.suspended, resolution)

    @precondition(lambda self: self.proposal and not self.unplaced)
    @rule(how=st.sampled_from(["withdraw", "reject", "confirm"]))
    def decide(self, how: str) -> None:
        assert self.proposal is not None
        proposal_id, cents, resolution = self.proposal
        if how == "confirm" and cents != self.suspended:
            with pytest.raises(NotSoMuchInSuspense):
                self.receipt.confirm(proposal_id=proposal_id, by=CHECKER, at=AT)
            return
        if how == "withdraw":
            self.receipt.withdraw(proposal_id=proposal_id, by=MAKER, at=AT)
        elif how == "reject":
            self.receipt.reject(proposal_id=proposal_id, note="no", by=CHECKER, at=AT)
        else:
            self.receipt.confirm(proposal_id=proposal_id, by=CHECKER, at=AT)
        self.proposal = None
        self.gone.append(proposal_id)
        if how == "confirm":
            self._do(resolution, cents)

    def _do(self, resolution: Resolution, cents: int) -> None:
        if resolution is Resolution.ASSIGN:
            self.receipt.release(amount_cents=cents, because="assigned")
            self.receipt.place(contribution_id=uuid4(), member_id="M", amount_cents=cents)
            self.suspended, self.placed = self.suspended - cents, self.placed + cents
        elif resolution is Resolution.REFUND:
            self.start_refund(cents)
        else:
            self.start_reversal()

    @precondition(lambda self: self.gone)
    @rule(data=st.data())
    def decide_again(self, data: st.DataObject) -> None:
        with pytest.raises(NoSuchProposal):
            self.receipt.confirm(proposal_id=data.draw(st.sampled_from(self.gone)), by=MAKER, at=AT)

    # Money that goes back.

    @rule(cents=PARTS, again=st.booleans())
    def refund(self, cents: int, *, again: bool) -> None:
        if again and self.payouts:
            self._start_again(next(iter(self.payouts)))
        elif cents > self.suspended:
            with pytest.raises(NotSoMuchInSuspense):
                self.receipt.start_refund(payout_id=uuid4(), amount_cents=cents)
        else:
            self.start_refund(cents)

    def _start_again(self, payout_id: UUID) -> None:
        """Only one that was returned starts anew: it turned out to have paid after all."""
        cents, state = self.payouts[payout_id]
        if state == "returned" and cents > self.suspended:
            with pytest.raises(NotSoMuchInSuspense):
                self.receipt.start_refund(payout_id=payout_id, amount_cents=cents)
        elif state == "returned":
            self.start_refund(cents, payout_id)
        else:
            self.receipt.start_refund(payout_id=payout_id, amount_cents=cents)

    def start_refund(self, cents: int, payout_id: UUID | None = None) -> None:
        payout_id = payout_id or uuid4()
        self.receipt.start_refund(payout_id=payout_id, amount_cents=cents)
        self.payouts[payout_id] = (cents, "started")
        self.suspended, self.refunding = self.suspended - cents, self.refunding + cents

    @precondition(lambda self: self.payouts)
    @rule(data=st.data(), arrived=st.booleans())
    def payout_ends(self, data: st.DataObject, *, arrived: bool) -> None:
        payout_id = data.draw(st.sampled_from(list(self.payouts)))
        cents, state = self.payouts[payout_id]
        tell = self.receipt.finish_refund if arrived else self.receipt.return_refund
        becomes = "finished" if arrived else "returned"
        if state not in ("started", becomes):
            with pytest.raises(SettledOtherwise):
                tell(payout_id=payout_id)
            return
        tell(payout_id=payout_id)
        if state == "started":
            self.payouts[payout_id] = (cents, becomes)
            self.refunding -= cents
            self.refunded += cents * arrived
            self.suspended += cents * (not arrived)

    @precondition(lambda self: self.payouts)
    @rule(data=st.data())
    def payout_never_left(self, data: st.DataObject) -> None:
        payout_id = data.draw(st.sampled_from(list(self.payouts)))
        cents, state = self.payouts[payout_id]
        self.receipt.undo_refund(payout_id=payout_id)
        if state == "finished":
            self.payouts[payout_id] = (cents, "returned")
            self.refunded, self.suspended = self.refunded - cents, self.suspended + cents

    @rule()
    def reversal_never_left(self) -> None:
        self.receipt.undo_reversal()
        self.reversed, self.suspended = 0, self.suspended + self.reversed

    @rule()
    def start_reversal(self) -> None:
        if self.reversing or self.reversed:
            self.receipt.start_reversal()
        elif self.suspended != AMOUNT_CENTS:
            with pytest.raises(NotAllInSuspense):
                self.receipt.start_reversal()
        else:
            self.receipt.start_reversal()
            self.suspended, self.reversing = 0, AMOUNT_CENTS

    @rule(arrived=st.booleans())
    def reversal_ends(self, *, arrived: bool) -> None:
        tell = self.receipt.finish_reversal if arrived else self.receipt.return_reversal
        if (arrived and not self.reversing and not self.reversed) or (
            not arrived and self.reversed
        ):
            with pytest.raises(SettledOtherwise):
                tell()
            return
        tell()
        if arrived:
            self.reversing, self.reversed = 0, self.reversed + self.reversing
        else:
            self.reversing, self.suspended = 0, self.suspended + self.reversing

    # What must hold at every moment.

    @invariant()
    def each_shilling_is_in_the_purse_that_the_model_says(self) -> None:
        receipt = self.receipt
        purses = {
            "placed": receipt.placed_cents,
            "suspended": receipt.suspended_cents,
            "refunding": receipt.refunding_cents,
            "refunded": receipt.refunded_cents,
            "reversing": receipt.reversing_cents,
            "reversed": receipt.reversed_cents,
            "unplaced": receipt.unplaced_cents,
        }
        assert purses == {name: getattr(self, name) for name in purses}
        assert all(cents >= 0 for cents in purses.values())
        assert sum(purses.values()) == AMOUNT_CENTS
        assert (receipt.proposal is None) == (self.proposal is None)

    @invariant()
    def replay_is_what_is_live(self) -> None:
        self.events += self.receipt.collect_events()
        replayed = None
        for happened in self.events:
            replayed = happened.mutate(replayed)  # type: ignore[attr-defined]
        assert vars(replayed) == vars(self.receipt)


def test_every_shilling_of_a_receipt_is_in_exactly_one_place():
    run_state_machine_as_test(
        OneReceipt,
        settings=settings(
            max_examples=120,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
