"""A member's account: every shilling the member has put in, and what became of it.

The account is the boundary within which no balance goes below zero. It closes in the very commit
in which its member leaves: money that is posted in that moment meets the closing, or is met by it,
and whoever came second decides anew.
"""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from domain.aggregate import Aggregate, Created, Event, event
from domain.contributions.errors import (
    AlreadyReversed,
    BalanceTooLow,
    BalanceTooLowToRefund,
    ContributionNotFound,
)
from domain.contributions.rules import ContributionType


class MemberAccount(Aggregate):
    """One member's deposits, share capital and registration fees, in cents."""

    TOPIC = "account"
    SNAPSHOT_EVERY = 100
    SNAPSHOT_VERSION = 3

    class Opened(Created):
        """The account exists; its balances are zero."""

        TOPIC = "account.opened"

        member_id: str
        member_number: str

    class ContributionReceived(Event):
        """Money came in. `balance_cents` is that of its contribution type, after it."""

        TOPIC = "account.contribution-received"

        contribution_id: str
        member_id: str
        member_number: str
        contribution_type: str
        amount_cents: int
        payment_method: str
        payment_reference: str
        contributed_on: str
        source_id: str | None
        balance_cents: int
        contributed_cents: int

    class ContributionReversed(Event):
        """An earlier contribution was undone, wholly."""

        TOPIC = "account.contribution-reversed"

        contribution_id: str
        member_id: str
        contribution_type: str
        amount_cents: int
        reason: str
        reversed_on: str
        balance_cents: int
        contributed_cents: int

    class RefundHeld(Event):
        """Money is on its way back to the member: it is no longer in the balance."""

        TOPIC = "account.refund-held"

        refund_id: str
        member_id: str
        contribution_type: str
        amount_cents: int
        held_on: str
        balance_cents: int
        contributed_cents: int

    class RefundPaid(Event):
        """It reached the member."""

        TOPIC = "account.refund-paid"

        refund_id: str
        member_id: str
        contribution_type: str
        amount_cents: int
        payment_method: str
        payment_reference: str
        paid_on: str

    class RefundReturned(Event):
        """It did not reach the member, and is in the balance again."""

        TOPIC = "account.refund-returned"

        refund_id: str
        member_id: str
        contribution_type: str
        amount_cents: int
        reason: str
        returned_on: str
        balance_cents: int
        contributed_cents: int

    class Closed(Event):
        """The member left; no money of theirs is here, and none comes in any more."""

        TOPIC = "account.closed"

        member_id: str
        closed_on: str

    @event(Opened)
    def __init__(self, *, member_id: str, member_number: str) -> None:
        self.member_id = member_id
        self.member_number = member_number
        self.balances_cents = {str(kind): 0 for kind in ContributionType}
        self.contributed_cents = 0
        self.contributions: dict[str, dict[str, Any]] = {}
        self.refunds: dict[str, dict[str, Any]] = {}
        self.is_closed = False

    def receive(
        self,
        *,
        contribution_id: UUID,
        contribution_type: ContributionType,
        amount_cents: int,
        payment_method: str,
        payment_reference: str,
        contributed_on: date,
        source_id: UUID | None = None,
    ) -> None:
        """Take money in. A contribution that is already here changes nothing."""
        assert amount_cents > 0, "a contribution is above zero"
        assert not self.is_closed, "who has left is asked for nothing; their money is in suspense"
        if str(contribution_id) in self.contributions:
            return
        self._received(
            contribution_id=str(contribution_id),
            member_id=self.member_id,
            member_number=self.member_number,
            contribution_type=str(contribution_type),
            amount_cents=amount_cents,
            payment_method=str(payment_method),
            payment_reference=payment_reference,
            contributed_on=contributed_on.isoformat(),
            source_id=str(source_id) if source_id else None,
            balance_cents=self.balances_cents[contribution_type] + amount_cents,
            contributed_cents=self.contributed_cents + amount_cents,
        )

    @event(ContributionReceived)
    def _received(
        self,
        *,
        contribution_id: str,
        member_id: str,
        member_number: str,
        contribution_type: str,
        amount_cents: int,
        payment_method: str,
        payment_reference: str,
        contributed_on: str,
        source_id: str | None,
        balance_cents: int,
        contributed_cents: int,
    ) -> None:
        self.contributions[contribution_id] = {
            "type": contribution_type,
            "amount_cents": amount_cents,
            "method": payment_method,
            "reference": payment_reference,
            "source_id": source_id,
            "reversed": False,
        }
        self.balances_cents[contribution_type] = balance_cents
        self.contributed_cents = contributed_cents

    def close(self, *, on: date) -> None:
        """Let nothing in any more. One that is closed stays so."""
        if not self.is_closed:
            self._closed(member_id=self.member_id, closed_on=on.isoformat())

    @event(Closed)
    def _closed(self, *, member_id: str, closed_on: str) -> None:
        self.is_closed = True

    def reverse(self, *, contribution_id: UUID, reason: str, reversed_on: date) -> dict[str, Any]:
        """Undo a contribution, once. Answers what was reversed.

        Raises:
            ContributionNotFound: it was never here.
            AlreadyReversed: it was undone before.
            BalanceTooLow: its money is no longer in the account.
        """
        contribution = self.contributions.get(str(contribution_id))
        if contribution is None:
            raise ContributionNotFound
        if contribution["reversed"]:
            raise AlreadyReversed
        balance_cents = self.balances_cents[contribution["type"]] - contribution["amount_cents"]
        if balance_cents < 0:
            raise BalanceTooLow
        self._reversed(
            contribution_id=str(contribution_id),
            member_id=self.member_id,
            contribution_type=contribution["type"],
            amount_cents=contribution["amount_cents"],
            reason=reason,
            reversed_on=reversed_on.isoformat(),
            balance_cents=balance_cents,
            contributed_cents=self.contributed_cents - contribution["amount_cents"],
        )
        return contribution

    @event(ContributionReversed)
    def _reversed(
        self,
        *,
        contribution_id: str,
        member_id: str,
        contribution_type: str,
        amount_cents: int,
        reason: str,
        reversed_on: str,
        balance_cents: int,
        contributed_cents: int,
    ) -> None:
        self.contributions[contribution_id]["reversed"] = True
        self.balances_cents[contribution_type] = balance_cents
        self.contributed_cents = contributed_cents

    @property
    def is_refunding(self) -> bool:
        """Whether money is on its way back to the member."""
        return any(refund["state"] == "held" for refund in self.refunds.values())

    def hold_refund(
        self, *, refund_id: str, contribution_type: str, amount_cents: int, on: date
    ) -> None:
        """Take money out of the balance, to be paid back. Raises BalanceTooLowToRefund."""
        assert amount_cents > 0, "a refund is above zero"
        balance_cents = self.balances_cents[contribution_type] - amount_cents
        if balance_cents < 0:
            raise BalanceTooLowToRefund(balance_cents=self.balances_cents[contribution_type])
        self._refund_held(
            refund_id=refund_id,
            member_id=self.member_id,
            contribution_type=contribution_type,
            amount_cents=amount_cents,
            held_on=on.isoformat(),
            balance_cents=balance_cents,
            contributed_cents=self.contributed_cents - amount_cents,
        )

    @event(RefundHeld)
    def _refund_held(
        self,
        *,
        refund_id: str,
        member_id: str,
        contribution_type: str,
        amount_cents: int,
        held_on: str,
        balance_cents: int,
        contributed_cents: int,
    ) -> None:
        self.refunds[refund_id] = {
            "type": contribution_type,
            "amount_cents": amount_cents,
            "state": "held",
        }
        self.balances_cents[contribution_type] = balance_cents
        self.contributed_cents = contributed_cents

    def pay_refund(
        self, *, refund_id: str, payment_method: str, payment_reference: str, on: date
    ) -> None:
        """Note that it reached the member."""
        refund = self.refunds[refund_id]
        assert refund["state"] == "held", "only what was taken out of the balance is paid"
        self._refund_paid(
            refund_id=refund_id,
            member_id=self.member_id,
            contribution_type=refund["type"],
            amount_cents=refund["amount_cents"],
            payment_method=payment_method,
            payment_reference=payment_reference,
            paid_on=on.isoformat(),
        )

    @event(RefundPaid)
    def _refund_paid(
        self,
        *,
        refund_id: str,
        member_id: str,
        contribution_type: str,
        amount_cents: int,
        payment_method: str,
        payment_reference: str,
        paid_on: str,
    ) -> None:
        self.refunds[refund_id]["state"] = "paid"

    def return_refund(self, *, refund_id: str, reason: str, on: date) -> None:
        """Put it back into the balance it came from."""
        refund = self.refunds[refund_id]
        assert refund["state"] != "returned", "money comes back once"
        assert not self.is_closed, "who has left has no balance"
        self._refund_returned(
            refund_id=refund_id,
            member_id=self.member_id,
            contribution_type=refund["type"],
            amount_cents=refund["amount_cents"],
            reason=reason,
            returned_on=on.isoformat(),
            balance_cents=self.balances_cents[refund["type"]] + refund["amount_cents"],
            contributed_cents=self.contributed_cents + refund["amount_cents"],
        )

    @event(RefundReturned)
    def _refund_returned(
        self,
        *,
        refund_id: str,
        member_id: str,
        contribution_type: str,
        amount_cents: int,
        reason: str,
        returned_on: str,
        balance_cents: int,
        contributed_cents: int,
    ) -> None:
        self.refunds[refund_id]["state"] = "returned"
        self.balances_cents[contribution_type] = balance_cents
        self.contributed_cents = contributed_cents
