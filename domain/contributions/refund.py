"""A refund: deposits or share capital that go back to their member.

    proposed -> rejected
             -> under way (a payout) -> paid | returned
             -> paid (cash, bank)

One principal proposes, another confirms. From the confirmation on the money is no longer in the
member's balance; where it does not reach the member, it comes back.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from domain.aggregate import Aggregate, Created, Event, event
from domain.contributions.errors import RefundNotProposed


class RefundState(StrEnum):
    """Where a refund stands."""

    PROPOSED = "proposed"
    REJECTED = "rejected"
    UNDER_WAY = "under_way"
    PAID = "paid"
    RETURNED = "returned"


class RefundMethod(StrEnum):
    """How a refund goes out."""

    MPESA = "mpesa"
    CASH = "cash"
    BANK = "bank"


class Refund(Aggregate):
    """One sum of one member's. Amounts are cents."""

    TOPIC = "refund"

    class Proposed(Created):
        """Somebody asks that a member's money go back. Cash and bank name their reference."""

        TOPIC = "refund.proposed"

        member_id: str
        contribution_type: str
        amount_cents: int
        payment_method: str
        payment_reference: str | None
        reason: str
        proposed_by: str
        proposed_on: str

    class Rejected(Event):
        """Another principal was against it."""

        TOPIC = "refund.rejected"

        member_id: str
        reason: str
        rejected_by: str
        rejected_on: str

    class Confirmed(Event):
        """Another principal agreed. By M-Pesa it goes out as this payout."""

        TOPIC = "refund.confirmed"

        member_id: str
        payout_id: str | None
        confirmed_by: str
        confirmed_on: str

    class Paid(Event):
        """It reached the member."""

        TOPIC = "refund.paid"

        member_id: str
        payment_reference: str
        paid_on: str

    class Returned(Event):
        """It did not reach the member, and is in their balance again."""

        TOPIC = "refund.returned"

        member_id: str
        reason: str
        returned_on: str

    @event(Proposed)
    def __init__(
        self,
        *,
        member_id: str,
        contribution_type: str,
        amount_cents: int,
        payment_method: str,
        payment_reference: str | None,
        reason: str,
        proposed_by: str,
        proposed_on: str,
    ) -> None:
        self.member_id = member_id
        self.contribution_type = contribution_type
        self.amount_cents = amount_cents
        self.payment_method = payment_method
        self.payment_reference = payment_reference
        self.proposed_by = proposed_by
        self.state: str = RefundState.PROPOSED

    def check_proposed(self) -> None:
        """Raises RefundNotProposed."""
        if self.state != RefundState.PROPOSED:
            raise RefundNotProposed(self.state.replace("_", " "))

    def reject(self, *, reason: str, by: str, on: date) -> None:
        """Leave the money where it is. Raises RefundNotProposed."""
        self.check_proposed()
        self._rejected(
            member_id=self.member_id, reason=reason, rejected_by=by, rejected_on=on.isoformat()
        )

    @event(Rejected)
    def _rejected(self, *, member_id: str, reason: str, rejected_by: str, rejected_on: str) -> None:
        self.state = RefundState.REJECTED

    def confirm(self, *, payout_id: str | None, by: str, on: date) -> None:
        """Let it go out. Raises RefundNotProposed."""
        self.check_proposed()
        self._confirmed(
            member_id=self.member_id,
            payout_id=payout_id,
            confirmed_by=by,
            confirmed_on=on.isoformat(),
        )

    @event(Confirmed)
    def _confirmed(
        self, *, member_id: str, payout_id: str | None, confirmed_by: str, confirmed_on: str
    ) -> None:
        self.state = RefundState.UNDER_WAY

    def pay(self, *, payment_reference: str, on: date) -> None:
        """Note that it reached the member."""
        assert self.state in (RefundState.UNDER_WAY, RefundState.RETURNED)
        self._paid(
            member_id=self.member_id, payment_reference=payment_reference, paid_on=on.isoformat()
        )

    @event(Paid)
    def _paid(self, *, member_id: str, payment_reference: str, paid_on: str) -> None:
        self.state = RefundState.PAID

    def give_back(self, *, reason: str, on: date) -> None:
        """Note that it did not."""
        assert self.state in (RefundState.UNDER_WAY, RefundState.PAID)
        self._returned(member_id=self.member_id, reason=reason, returned_on=on.isoformat())

    @event(Returned)
    def _returned(self, *, member_id: str, reason: str, returned_on: str) -> None:
        self.state = RefundState.RETURNED
