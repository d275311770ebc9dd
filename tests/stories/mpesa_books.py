"""Our books of M-Pesa's money beside Safaricom's ledger: every shilling, in and out."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID

from domain.identities import receipt_id
from domain.mpesa.payout import Payout
from domain.mpesa.payout_states import PayoutState
from infra.event_store.unit_of_work import EventStore
from tests.support.books import Books
from tests.support.running_house import RunningHouse

_OPEN = """
SELECT 'push ' || status, count(*) FROM read_mpesa_transactions.transactions
WHERE status IN ('requested', 'sent', 'accepted') GROUP BY 1
UNION ALL
SELECT 'payout ' || status || coalesce(' ' || held_because, ''), count(*)
FROM read_payouts.payouts
WHERE status IN ('requested', 'held', 'sending', 'accepted', 'in_doubt') GROUP BY 1
UNION ALL
SELECT 'callback ' || kind, count(*) FROM intake.callbacks WHERE state = 'waiting' GROUP BY 1
"""
_MOVING = """
SELECT DISTINCT topic FROM event_store.events
WHERE position > %s AND topic ~ '^(account|loan|receipt|payout|push)[.]'
"""


class MpesaBooks(Books):
    """The log's receipts, payouts and accounts, and the ledger they are held against."""

    def __init__(self, store: EventStore, ledger: list[dict[str, Any]]) -> None:
        super().__init__(store)
        self.payouts: dict[UUID, Payout] = self._all(Payout, "payout.requested")
        self.ledger = [row for row in ledger if row["status"] == "Completed"]

    def __str__(self) -> str:
        states = Counter(str(payout.state) for payout in self.payouts.values())
        cents_in = sum(receipt.amount_cents for receipt in self.receipts.values())
        return (
            f"in: {len(self.receipts)} receipts, KES {cents_in // 100:,};"
            f" out: {dict(states)}, KES {self._paid_out_cents() // 100:,}"
        )

    @staticmethod
    def open_work(house: RunningHouse) -> list[tuple[str, int]]:
        """What waits for Safaricom, or for one of our own processes."""
        with house.owner() as owner:
            return owner.execute(_OPEN).fetchall()

    def check_money_in(self) -> None:
        """Each payment is one receipt of the same amount, and all of it is in one place."""
        paid_in = {row["receipt"]: row for row in self.ledger if row["kind"] in ("push", "paybill")}
        ours = {receipt.receipt_number: receipt for receipt in self.receipts.values()}
        assert set(ours) == set(paid_in), _difference(ours, paid_in)
        pushes = {str(push.receipt_id): push for push in self.pushes.values()}
        for number, receipt in ours.items():
            assert receipt.amount_cents == paid_in[number]["amount"] * 100, number
            push = pushes.get(str(receipt.id))
            sources = {str(receipt.id), str(push.id) if push else ""}
            placed = sum(self.cents_by_source[source] for source in sources)
            elsewhere = receipt.suspended_cents + receipt.refunded_cents + receipt.reversed_cents
            assert receipt.unplaced_cents == receipt.refunding_cents == 0, number
            assert receipt.reversing_cents == 0, number
            assert placed + elsewhere == receipt.amount_cents, (number, placed, elsewhere)
        known = {str(receipt_id(number)) for number in paid_in} | {str(one) for one in self.pushes}
        assert set(self.cents_by_source) <= known, "nothing is booked that nobody paid"

    def check_money_out(self) -> None:
        """Each payout left once and is booked once, and nothing else left."""
        left = Counter(
            row["originator_conversation_id"] for row in self.ledger if row["kind"] == "payout"
        )
        assert set(left.values()) <= {1}, "a payout left twice"
        by_request = {row["originator_conversation_id"]: row for row in self.ledger}
        by_reversed = {row["reverses"]: row for row in self.ledger if row["kind"] == "reversal"}
        for payout in self.payouts.values():
            row = by_reversed.get(payout.reverses) if payout.reverses else None
            row = row or by_request.get(str(payout.id))
            assert payout.state in (PayoutState.SUCCEEDED, PayoutState.FAILED), payout
            assert (payout.state == PayoutState.SUCCEEDED) is (row is not None), payout
            if row is not None:
                assert payout.amount_cents == row["amount"] * 100, payout
        out = sum(row["amount"] for row in self.ledger if row["kind"] in ("payout", "reversal"))
        assert self._paid_out_cents() == out * 100
        self._check_accounts()

    def _check_accounts(self) -> None:
        """What members hold is what they put in, less what went back to them."""
        put_in = sum(
            contribution["amount_cents"]
            for account in self.accounts.values()
            for contribution in account.contributions.values()
            if not contribution["reversed"]
        )
        held = sum(sum(account.balances_cents.values()) for account in self.accounts.values())
        refunded = sum(
            payout.amount_cents
            for payout in self.payouts.values()
            if payout.purpose == "member_refund" and payout.state == PayoutState.SUCCEEDED
        )
        assert put_in - refunded == held

    def _paid_out_cents(self) -> int:
        return sum(
            payout.amount_cents
            for payout in self.payouts.values()
            if payout.state == PayoutState.SUCCEEDED
        )

    def events_that_move_money_after(self, position: int) -> list[str]:
        """Topics of what was recorded since, but for questions and their answers."""
        with self._store.pool.connection() as connection:
            return [row[0] for row in connection.execute(_MOVING, (position,)).fetchall()]


def _difference(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    missing = [theirs[number] for number in set(theirs) - set(ours)]
    return f"only there: {missing}; only here: {sorted(set(ours) - set(theirs))}"
