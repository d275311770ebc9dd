"""A receipt: money that reached us, known by its M-Pesa receipt number, whoever told us of it.

Every shilling of a receipt is in one place: it is placed (it became a contribution or a repayment,
or was posted under the push it is attached to), in suspense (a person must say what becomes of
it), or on its way back, or given back. Within a decision money may be unplaced for a moment; none
is when the decision is saved.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from uuid import UUID

from domain.aggregate import event
from domain.mpesa import receipt_events as events
from domain.mpesa.money_back import MoneyBack
from domain.mpesa.receipt_errors import (
    NoSuchProposal,
    NotAllInSuspense,
    NotSoMuchInSuspense,
    ProposalWaits,
)


class Channel(StrEnum):
    """Who told us of money."""

    STK_CALLBACK = "stk_callback"
    PAYBILL = "paybill"
    PULL = "pull"
    STATEMENT = "statement"


class SuspenseReason(StrEnum):
    """Why received money could not be placed."""

    AMOUNT_MISMATCH = "amount_mismatch"
    PAYER_MISMATCH = "payer_mismatch"
    NO_ACCOUNT = "no_account"
    MEMBER_NOT_ACTIVE = "member_not_active"
    PUSH_ALREADY_CLOSED = "push_already_closed"
    PUSH_ALREADY_PAID = "push_already_paid"
    CONTRIBUTION_REVERSED = "contribution_reversed"
    ACCOUNT_NUMBER_MISSING = "account_number_missing"
    ACCOUNT_NUMBER_UNKNOWN = "account_number_unknown"
    SEVERAL_MEMBERS = "several_members"
    SEVERAL_LOANS = "several_loans"
    SEVERAL_PUSHES = "several_pushes"


class Resolution(StrEnum):
    """What may become of money in suspense."""

    ASSIGN = "assign"
    REFUND = "refund"
    REVERSE = "reverse"


class Receipt(MoneyBack):
    """Money that Safaricom says reached one of our short codes."""

    TOPIC = "receipt"

    Received = events.Received
    Placed = events.Placed
    PlacedOnLoan = events.PlacedOnLoan
    Suspended = events.Suspended
    AttachedToPush = events.AttachedToPush
    Released = events.Released
    Proposed = events.Proposed
    ProposalWithdrawn = events.ProposalWithdrawn
    ProposalRejected = events.ProposalRejected
    ProposalConfirmed = events.ProposalConfirmed
    RefundStarted = events.RefundStarted
    RefundFinished = events.RefundFinished
    RefundReturned = events.RefundReturned
    RefundUndone = events.RefundUndone
    ReversalStarted = events.ReversalStarted
    ReversalFinished = events.ReversalFinished
    ReversalReturned = events.ReversalReturned
    ReversalUndone = events.ReversalUndone

    @event(Received)
    def __init__(
        self,
        *,
        receipt_number: str,
        amount_cents: int,
        paid_at: str,
        member_id: str | None,
        payer_phone: str | None,
        short_code: str | None,
    ) -> None:
        self.receipt_number = receipt_number
        self.amount_cents = amount_cents
        self.paid_at = paid_at
        self.key_owner_id = member_id  # under whose key the payer is encrypted; None: its own
        self.payer_phone = payer_phone
        self.short_code = short_code
        self.push_id: str | None = None
        self.unplaced_cents = amount_cents
        self.suspended_cents = 0
        self.nothing_goes_back()
        self.proposal: dict[str, Any] | None = None

    @property
    def placed_cents(self) -> int:
        """What became contributions and repayments, by this receipt or under its push."""
        elsewhere = self.unplaced_cents + self.suspended_cents + self.gone_cents
        return self.amount_cents - elsewhere

    @property
    def is_untouched(self) -> bool:
        """Whether all of it is in suspense and nobody has said what is to become of it."""
        return self.suspended_cents == self.amount_cents and self.proposal is None

    def place(self, *, contribution_id: UUID, member_id: str, amount_cents: int) -> None:
        """Say which contribution a part of the money became."""
        assert 0 < amount_cents <= self.unplaced_cents, "only money that is here can be placed"
        self.trigger_event(
            self.Placed,
            contribution_id=str(contribution_id),
            member_id=member_id,
            amount_cents=amount_cents,
            unplaced_cents=self.unplaced_cents - amount_cents,
        )

    @event(Placed)
    def _placed(self, *, unplaced_cents: int) -> None:
        self.unplaced_cents = unplaced_cents

    def place_on_loan(
        self, *, repayment_id: UUID, loan_id: str, member_id: str, amount_cents: int
    ) -> None:
        """Say which repayment of which loan a part of the money became."""
        assert 0 < amount_cents <= self.unplaced_cents, "only money that is here can be placed"
        self.trigger_event(
            self.PlacedOnLoan,
            repayment_id=str(repayment_id),
            loan_id=loan_id,
            member_id=member_id,
            amount_cents=amount_cents,
            unplaced_cents=self.unplaced_cents - amount_cents,
        )

    @event(PlacedOnLoan)
    def _placed_on_loan(self, *, unplaced_cents: int) -> None:
        self.unplaced_cents = unplaced_cents

    def suspend(self, reason: SuspenseReason) -> None:
        """Hold all that has no place."""
        self._hold(amount_cents=self.unplaced_cents, reason=reason)

    def take_back(self, *, amount_cents: int) -> None:
        """Hold what a reversed contribution gave back: no more than the receipt brought."""
        returned_cents = min(amount_cents, self.placed_cents)
        if returned_cents > 0:
            self._hold(amount_cents=returned_cents, reason=SuspenseReason.CONTRIBUTION_REVERSED)

    def _hold(self, *, amount_cents: int, reason: SuspenseReason) -> None:
        held = self.suspended_cents + amount_cents
        assert amount_cents > 0 and held <= self.amount_cents, "money is held once"  # noqa: PT018
        self.trigger_event(
            self.Suspended, amount_cents=amount_cents, reason=str(reason), suspended_cents=held
        )

    @event(Suspended)
    def _suspended(self, *, suspended_cents: int) -> None:
        self.suspended_cents = suspended_cents
        self.unplaced_cents = 0

    def attach_to_push(self, push_id: UUID, *, member_id: str, posted_cents: int = 0) -> None:
        """Tie the receipt to its push, once."""
        assert self.push_id in (None, str(push_id)), "a receipt belongs to one push"
        assert 0 <= posted_cents <= self.unplaced_cents, "posted money came with this receipt"
        if self.push_id is None:
            self.trigger_event(
                self.AttachedToPush,
                push_id=str(push_id),
                posted_cents=posted_cents,
                unplaced_cents=self.unplaced_cents - posted_cents,
                member_id=member_id,
            )

    @event(AttachedToPush)
    def _attached(self, *, push_id: str, unplaced_cents: int) -> None:
        self.push_id = push_id
        self.unplaced_cents = unplaced_cents

    def release(self, *, amount_cents: int, because: str) -> None:
        """Take money out of suspense, to be placed in this very decision."""
        assert 0 < amount_cents <= self.suspended_cents, "only what is held is released"
        self.trigger_event(
            self.Released,
            amount_cents=amount_cents,
            because=because,
            suspended_cents=self.suspended_cents - amount_cents,
            unplaced_cents=self.unplaced_cents + amount_cents,
        )

    @event(Released)
    def _released(self, *, suspended_cents: int, unplaced_cents: int) -> None:
        self.suspended_cents = suspended_cents
        self.unplaced_cents = unplaced_cents

    # What people say is to become of money in suspense.

    def propose(
        self,
        *,
        proposal_id: UUID,
        resolution: Resolution,
        member_id: str | None = None,
        loan_id: str | None = None,
        push_id: str | None = None,
        purpose: str | None = None,
        phone: str | None = None,
        note: str,
        by: str,
        at: str,
    ) -> None:
        """Say what is to become of all that is in suspense.

        Raises:
            ProposalWaits: another proposal waits for its second person.
            NotSoMuchInSuspense: nothing is.
            NotAllInSuspense: only a whole receipt can be reversed.
        """
        if self.proposal is not None:
            raise ProposalWaits
        if self.suspended_cents == 0:
            raise NotSoMuchInSuspense
        if resolution is Resolution.REVERSE and self.suspended_cents != self.amount_cents:
            raise NotAllInSuspense
        self.trigger_event(
            self.Proposed,
            proposal_id=str(proposal_id),
            resolution=str(resolution),
            amount_cents=self.suspended_cents,
            member_id=member_id,
            loan_id=loan_id,
            push_id=push_id,
            purpose=purpose,
            phone=phone,
            note=note,
            proposed_by=by,
            proposed_at=at,
            key_owner_id=self.key_owner_id,
        )

    @event(Proposed)
    def _proposed(
        self,
        *,
        proposal_id: str,
        resolution: str,
        amount_cents: int,
        member_id: str | None,
        loan_id: str | None,
        push_id: str | None,
        purpose: str | None,
        phone: str | None,
        proposed_by: str,
    ) -> None:
        self.proposal = {
            "id": proposal_id,
            "resolution": resolution,
            "amount_cents": amount_cents,
            "member_id": member_id,
            "loan_id": loan_id,
            "push_id": push_id,
            "purpose": purpose,
            "phone": phone,
            "by": proposed_by,
        }

    def proposed(self, proposal_id: UUID) -> dict[str, Any]:
        """The proposal that waits. Raises NoSuchProposal."""
        if self.proposal is None or self.proposal["id"] != str(proposal_id):
            raise NoSuchProposal
        return self.proposal

    def withdraw(self, *, proposal_id: UUID, by: str, at: str) -> None:
        """Take a proposal back."""
        self.trigger_event(
            self.ProposalWithdrawn, proposal_id=str(proposal_id), withdrawn_by=by, withdrawn_at=at
        )

    @event(ProposalWithdrawn)
    def _withdrawn(self) -> None:
        self.proposal = None

    def reject(self, *, proposal_id: UUID, note: str, by: str, at: str) -> None:
        """Do not agree."""
        self.trigger_event(
            self.ProposalRejected,
            proposal_id=str(proposal_id),
            rejected_by=by,
            note=note,
            rejected_at=at,
            key_owner_id=self.key_owner_id,
        )

    @event(ProposalRejected)
    def _rejected(self) -> None:
        self.proposal = None

    def confirm(self, *, proposal_id: UUID, by: str, at: str) -> dict[str, Any]:
        """Agree. Answers what was proposed, which is to be done in this very decision.

        Raises:
            NoSuchProposal: it does not wait, or no longer.
            NotSoMuchInSuspense: the money has gone, or more has come, since it was proposed.
        """
        proposal = self.proposed(proposal_id)
        if proposal["amount_cents"] != self.suspended_cents:
            raise NotSoMuchInSuspense
        self.trigger_event(
            self.ProposalConfirmed,
            proposal_id=str(proposal_id),
            resolution=proposal["resolution"],
            confirmed_by=by,
            confirmed_at=at,
        )
        return proposal

    @event(ProposalConfirmed)
    def _confirmed(self) -> None:
        self.proposal = None

    # Money that goes back: `MoneyBack` decides.

    @event(RefundStarted)
    def _refund_started(
        self, *, payout_id: str, amount_cents: int, suspended_cents: int, refunding_cents: int
    ) -> None:
        self.refunds[payout_id] = {"amount_cents": amount_cents, "state": "started"}
        self.suspended_cents = suspended_cents
        self.refunding_cents = refunding_cents

    @event(RefundFinished)
    def _refund_finished(
        self, *, payout_id: str, refunding_cents: int, refunded_cents: int
    ) -> None:
        self.refunds[payout_id]["state"] = "finished"
        self.refunding_cents = refunding_cents
        self.refunded_cents = refunded_cents

    @event(RefundReturned)
    def _refund_returned(
        self, *, payout_id: str, suspended_cents: int, refunding_cents: int
    ) -> None:
        self.refunds[payout_id]["state"] = "returned"
        self.suspended_cents = suspended_cents
        self.refunding_cents = refunding_cents

    @event(ReversalStarted)
    def _reversal_started(self, *, suspended_cents: int, reversing_cents: int) -> None:
        self.suspended_cents = suspended_cents
        self.reversing_cents = reversing_cents

    @event(ReversalFinished)
    def _reversal_finished(self, *, reversing_cents: int, reversed_cents: int) -> None:
        self.reversing_cents = reversing_cents
        self.reversed_cents = reversed_cents

    @event(ReversalReturned)
    def _reversal_returned(self, *, suspended_cents: int, reversing_cents: int) -> None:
        self.suspended_cents = suspended_cents
        self.reversing_cents = reversing_cents

    @event(RefundUndone)
    def _refund_undone(self, *, payout_id: str, suspended_cents: int, refunded_cents: int) -> None:
        self.refunds[payout_id]["state"] = "returned"
        self.suspended_cents = suspended_cents
        self.refunded_cents = refunded_cents

    @event(ReversalUndone)
    def _reversal_undone(self, *, suspended_cents: int, reversed_cents: int) -> None:
        self.suspended_cents = suspended_cents
        self.reversed_cents = reversed_cents
