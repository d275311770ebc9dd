"""Money of a receipt on its way back to whoever paid: by a payout of ours, or by a reversal.

The half of the `Receipt` aggregate that decides about giving back; `Receipt` itself takes the
events. The payout and the reversal tell how they ended; told again, they change nothing.
"""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from domain.aggregate import Aggregate
from domain.mpesa import receipt_events as events
from domain.mpesa.receipt_errors import NotAllInSuspense, NotSoMuchInSuspense, SettledOtherwise


class MoneyBack(Aggregate):
    """What is on its way back, and what has gone. Amounts are cents."""

    RefundStarted: ClassVar[type[events.RefundStarted]]
    RefundFinished: ClassVar[type[events.RefundFinished]]
    RefundReturned: ClassVar[type[events.RefundReturned]]
    RefundUndone: ClassVar[type[events.RefundUndone]]
    ReversalStarted: ClassVar[type[events.ReversalStarted]]
    ReversalFinished: ClassVar[type[events.ReversalFinished]]
    ReversalReturned: ClassVar[type[events.ReversalReturned]]
    ReversalUndone: ClassVar[type[events.ReversalUndone]]

    amount_cents: int
    suspended_cents: int

    def nothing_goes_back(self) -> None:
        """As every receipt begins."""
        self.refunding_cents = 0
        self.refunded_cents = 0
        self.reversing_cents = 0
        self.reversed_cents = 0
        self.refunds: dict[str, dict[str, Any]] = {}

    @property
    def gone_cents(self) -> int:
        """What is on its way back or was given back."""
        on_its_way = self.refunding_cents + self.reversing_cents
        return on_its_way + self.refunded_cents + self.reversed_cents

    def start_refund(self, *, payout_id: UUID, amount_cents: int) -> None:
        """Let money in suspense go back by a payout. The same payout again changes nothing.

        One whose money came back may turn out to have paid after all: then it starts anew.

        Raises:
            NotSoMuchInSuspense: less is there.
        """
        if str(payout_id) in self.refunds and not self.is_refund_returned(payout_id):
            return
        if not 0 < amount_cents <= self.suspended_cents:
            raise NotSoMuchInSuspense
        self.trigger_event(
            self.RefundStarted,
            payout_id=str(payout_id),
            amount_cents=amount_cents,
            suspended_cents=self.suspended_cents - amount_cents,
            refunding_cents=self.refunding_cents + amount_cents,
        )

    def finish_refund(self, *, payout_id: UUID) -> None:
        """The payout arrived. Told again, nothing. Raises SettledOtherwise."""
        amount_cents = self._unsettled_refund(payout_id, becomes="finished")
        if amount_cents:
            self.trigger_event(
                self.RefundFinished,
                payout_id=str(payout_id),
                amount_cents=amount_cents,
                refunding_cents=self.refunding_cents - amount_cents,
                refunded_cents=self.refunded_cents + amount_cents,
            )

    def return_refund(self, *, payout_id: UUID) -> None:
        """The payout failed for certain: hold the money again. Raises SettledOtherwise."""
        amount_cents = self._unsettled_refund(payout_id, becomes="returned")
        if amount_cents:
            self.trigger_event(
                self.RefundReturned,
                payout_id=str(payout_id),
                amount_cents=amount_cents,
                suspended_cents=self.suspended_cents + amount_cents,
                refunding_cents=self.refunding_cents - amount_cents,
            )

    def is_refund_returned(self, payout_id: UUID) -> bool:
        """Whether the money of this payout came back."""
        return bool(self.refunds[str(payout_id)]["state"] == "returned")

    def undo_refund(self, *, payout_id: UUID) -> None:
        """It counts as gone and never left: hold it again. Of one that did not finish, nothing."""
        refund = self.refunds[str(payout_id)]
        if refund["state"] == "finished":
            self.trigger_event(
                self.RefundUndone,
                payout_id=str(payout_id),
                amount_cents=refund["amount_cents"],
                suspended_cents=self.suspended_cents + refund["amount_cents"],
                refunded_cents=self.refunded_cents - refund["amount_cents"],
            )

    def undo_reversal(self) -> None:
        """It counts as gone and never left: hold it again."""
        if self.reversed_cents:
            self.trigger_event(
                self.ReversalUndone,
                amount_cents=self.reversed_cents,
                suspended_cents=self.suspended_cents + self.reversed_cents,
                reversed_cents=0,
            )

    def _unsettled_refund(self, payout_id: UUID, *, becomes: str) -> int:
        refund = self.refunds[str(payout_id)]
        if refund["state"] == becomes:
            return 0
        if refund["state"] != "started":
            raise SettledOtherwise
        amount_cents: int = refund["amount_cents"]
        return amount_cents

    def start_reversal(self) -> None:
        """Ask that the whole receipt go back to whoever paid. Asked again, nothing.

        Raises:
            NotAllInSuspense: a part of it is elsewhere.
        """
        if self.reversing_cents or self.reversed_cents:
            return
        if self.suspended_cents != self.amount_cents:
            raise NotAllInSuspense
        self.trigger_event(
            self.ReversalStarted,
            amount_cents=self.amount_cents,
            suspended_cents=0,
            reversing_cents=self.amount_cents,
        )

    def finish_reversal(self) -> None:
        """It went back. Told again, nothing. Raises SettledOtherwise."""
        if self.reversed_cents:
            return
        if not self.reversing_cents:
            raise SettledOtherwise
        self.trigger_event(
            self.ReversalFinished,
            amount_cents=self.reversing_cents,
            reversing_cents=0,
            reversed_cents=self.reversing_cents,
        )

    def return_reversal(self) -> None:
        """It did not go back: hold the money again. Raises SettledOtherwise."""
        if self.reversed_cents:
            raise SettledOtherwise
        if self.reversing_cents:
            self.trigger_event(
                self.ReversalReturned,
                amount_cents=self.reversing_cents,
                suspended_cents=self.suspended_cents + self.reversing_cents,
                reversing_cents=0,
            )
