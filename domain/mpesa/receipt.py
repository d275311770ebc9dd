"""A receipt: money that reached us, known by its M-Pesa receipt number, whoever told us of it.

Every shilling of a receipt is placed (it became a contribution or a repayment), in suspense (we
cannot place it yet), or was already posted under the push it is attached to. The three always sum
to the receipt.
"""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from domain.aggregate import Aggregate, Created, Event, event


class SuspenseReason(StrEnum):
    """Why received money could not be placed."""

    AMOUNT_MISMATCH = "amount_mismatch"
    PAYER_MISMATCH = "payer_mismatch"
    NO_ACCOUNT = "no_account"
    MEMBER_NOT_ACTIVE = "member_not_active"
    PUSH_ALREADY_CLOSED = "push_already_closed"
    PUSH_ALREADY_PAID = "push_already_paid"
    CONTRIBUTION_REVERSED = "contribution_reversed"


class Receipt(Aggregate):
    """Money that Safaricom says reached our short code."""

    TOPIC = "receipt"

    class Received(Created):
        """Money reached us. The payer's number, where told, is personal."""

        TOPIC = "receipt.received"
        PERSONAL_FIELDS = ("payer_phone",)
        KEY_OWNER_FIELD = "member_id"
        OUTLIVES_PERSON = True

        receipt_number: str
        amount_cents: int
        paid_at: str
        channel: str
        member_id: str | None
        payer_phone: str | None

    class Placed(Event):
        """A part of the money became a contribution."""

        TOPIC = "receipt.placed"

        contribution_id: str
        member_id: str
        amount_cents: int
        unplaced_cents: int

    class PlacedOnLoan(Event):
        """A part of the money repaid a loan."""

        TOPIC = "receipt.placed-on-loan"

        repayment_id: str
        loan_id: str
        member_id: str
        amount_cents: int
        unplaced_cents: int

    class Suspended(Event):
        """A part of the money waits in suspense until a person decides."""

        TOPIC = "receipt.suspended"

        amount_cents: int
        reason: str
        suspended_cents: int

    class AttachedToPush(Event):
        """This receipt is that of a push. `posted_cents` were posted under the push before."""

        TOPIC = "receipt.attached-to-push"

        push_id: str
        posted_cents: int
        unplaced_cents: int

    @event(Received)
    def __init__(
        self,
        *,
        receipt_number: str,
        amount_cents: int,
        paid_at: str,
        channel: str,
        member_id: str | None,
        payer_phone: str | None,
    ) -> None:
        self.receipt_number = receipt_number
        self.amount_cents = amount_cents
        self.paid_at = paid_at
        self.push_id: str | None = None
        self.unplaced_cents = amount_cents
        self.suspended_cents = 0

    def place(self, *, contribution_id: UUID, member_id: str, amount_cents: int) -> None:
        """Say which contribution a part of the money became."""
        assert 0 < amount_cents <= self.unplaced_cents, "only money that is here can be placed"
        self._placed(
            contribution_id=str(contribution_id),
            member_id=member_id,
            amount_cents=amount_cents,
            unplaced_cents=self.unplaced_cents - amount_cents,
        )

    @event(Placed)
    def _placed(
        self, *, contribution_id: str, member_id: str, amount_cents: int, unplaced_cents: int
    ) -> None:
        self.unplaced_cents = unplaced_cents

    def place_on_loan(
        self, *, repayment_id: UUID, loan_id: str, member_id: str, amount_cents: int
    ) -> None:
        """Say which repayment of which loan a part of the money became."""
        assert 0 < amount_cents <= self.unplaced_cents, "only money that is here can be placed"
        self._placed_on_loan(
            repayment_id=str(repayment_id),
            loan_id=loan_id,
            member_id=member_id,
            amount_cents=amount_cents,
            unplaced_cents=self.unplaced_cents - amount_cents,
        )

    @event(PlacedOnLoan)
    def _placed_on_loan(
        self,
        *,
        repayment_id: str,
        loan_id: str,
        member_id: str,
        amount_cents: int,
        unplaced_cents: int,
    ) -> None:
        self.unplaced_cents = unplaced_cents

    def suspend(self, reason: SuspenseReason) -> None:
        """Hold all that has no place."""
        self._hold(amount_cents=self.unplaced_cents, reason=reason)

    def take_back(self, *, amount_cents: int) -> None:
        """Hold what a reversed contribution gave back: no more than the receipt brought."""
        returned_cents = min(amount_cents, self.amount_cents - self.suspended_cents)
        if returned_cents > 0:
            self._hold(amount_cents=returned_cents, reason=SuspenseReason.CONTRIBUTION_REVERSED)

    def _hold(self, *, amount_cents: int, reason: SuspenseReason) -> None:
        held = self.suspended_cents + amount_cents
        assert amount_cents > 0 and held <= self.amount_cents, "money is held once"  # noqa: PT018
        self._suspended(amount_cents=amount_cents, reason=str(reason), suspended_cents=held)

    @event(Suspended)
    def _suspended(self, *, amount_cents: int, reason: str, suspended_cents: int) -> None:
        self.suspended_cents = suspended_cents
        self.unplaced_cents = 0

    def attach_to_push(self, push_id: UUID, *, posted_cents: int = 0) -> None:
        """Tie the receipt to its push, once."""
        assert self.push_id in (None, str(push_id)), "a receipt belongs to one push"
        assert 0 <= posted_cents <= self.unplaced_cents, "posted money came with this receipt"
        if self.push_id is None:
            self._attached(
                push_id=str(push_id),
                posted_cents=posted_cents,
                unplaced_cents=self.unplaced_cents - posted_cents,
            )

    @event(AttachedToPush)
    def _attached(self, *, push_id: str, posted_cents: int, unplaced_cents: int) -> None:
        self.push_id = push_id
        self.unplaced_cents = unplaced_cents
