"""The books of a house, added up from its aggregates, beside the ledger of Safaricom's stand-in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain.contributions.account import MemberAccount
from domain.identities import receipt_id
from domain.mpesa.receipt import Receipt
from domain.mpesa.stk_push import Push
from infra.event_store.unit_of_work import Cause, EventStore, UnitOfWork

_STREAMS = "SELECT stream_id FROM event_store.events WHERE topic = %s AND stream_version = 1"


@dataclass(frozen=True)
class Booking:
    """What the books hold of one payment of the ledger."""

    receipt_number: str
    paid_cents: int
    booked_cents: int
    push_id: UUID | None
    push_state: str | None


class Books:
    """Everything the log says about M-Pesa's money, at one moment."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._unit = UnitOfWork(store, Cause("test", "books"))
        self.pushes: dict[UUID, Push] = self._all(Push, "push.requested")
        self.receipts: dict[UUID, Receipt] = self._all(Receipt, "receipt.received")
        self.accounts: dict[UUID, MemberAccount] = self._all(MemberAccount, "account.opened")
        self.cents_by_source: Counter[str] = Counter()
        for account in self.accounts.values():
            for contribution in account.contributions.values():
                if contribution["method"] == "mpesa":
                    self.cents_by_source[contribution["source_id"]] += contribution["amount_cents"]

    @property
    def booked_cents(self) -> int:
        """All of M-Pesa's money that we know: contributions, and what is in suspense."""
        suspended = sum(receipt.suspended_cents for receipt in self.receipts.values())
        return self.cents_by_source.total() + suspended

    def bookings(self, ledger: Iterable[dict[str, Any]]) -> list[Booking]:
        """Each payment of the ledger, and what the books hold of it."""
        by_reference = {push.account_reference: push for push in self.pushes.values()}
        found = []
        for row in ledger:
            receipt = self.receipts.get(receipt_id(row["receipt"]))
            push = by_reference.get(row["account_reference"])
            sources = [str(receipt_id(row["receipt"])), str(push.id) if push else ""]
            found.append(
                Booking(
                    receipt_number=row["receipt"],
                    paid_cents=row["amount"] * 100,
                    booked_cents=sum(self.cents_by_source[source] for source in sources)
                    + (receipt.suspended_cents if receipt else 0),
                    push_id=push.id if push else None,
                    push_state=push.state if push else None,
                )
            )
        return found

    def _all(self, kind: type[Any], topic: str) -> dict[UUID, Any]:
        with self._store.pool.connection() as connection:
            streams = [row[0] for row in connection.execute(_STREAMS, (topic,)).fetchall()]
        self._unit.prefetch(streams)
        return {stream_id: self._unit.get(kind, stream_id) for stream_id in streams}
