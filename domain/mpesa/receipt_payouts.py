"""What a receipt is told of the payout, or the reversal, that gives its money back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from domain.mpesa.payout import Payout
from domain.mpesa.payout_states import PAID
from domain.mpesa.receipt import Receipt
from domain.mpesa.receipt_errors import NotAllInSuspense, NotSoMuchInSuspense
from domain.store import AggregateStore


def receipt_refunded(payout: Payout, *, store: AggregateStore, **_: Any) -> bool:
    """Count it as gone. Answers False where it came back and is used otherwise by now."""
    receipt = store.get(Receipt, UUID(payout.source_id))
    if receipt.is_refund_returned(payout.id):
        try:
            receipt.start_refund(payout_id=payout.id, amount_cents=payout.amount_cents)
        except NotSoMuchInSuspense:
            return False
    receipt.finish_refund(payout_id=payout.id)
    store.save(receipt)
    return True


def receipt_not_refunded(payout: Payout, *, store: AggregateStore, **_: Any) -> bool:
    """Hold it in suspense again."""
    receipt = store.get(Receipt, UUID(payout.source_id))
    if payout.source_was_told == PAID:
        receipt.undo_refund(payout_id=payout.id)
    else:
        receipt.return_refund(payout_id=payout.id)
    store.save(receipt)
    return True


def receipt_reversed(payout: Payout, *, store: AggregateStore, **_: Any) -> bool:
    """Count all of it as gone. Answers False where it came back and is used otherwise by now."""
    receipt = store.get(Receipt, UUID(payout.source_id))
    try:
        receipt.start_reversal()  # nothing, unless it came back
    except NotAllInSuspense:
        return False
    receipt.finish_reversal()
    store.save(receipt)
    return True


def receipt_not_reversed(payout: Payout, *, store: AggregateStore, **_: Any) -> bool:
    """Hold it in suspense again."""
    receipt = store.get(Receipt, UUID(payout.source_id))
    if payout.source_was_told == PAID:
        receipt.undo_reversal()
    else:
        receipt.return_reversal()
    store.save(receipt)
    return True
