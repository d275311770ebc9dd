"""Money that comes back into suspense because what it paid was undone."""

from __future__ import annotations

from uuid import UUID

from domain.contributions.errors import BelongsToRepayment
from domain.mpesa.errors import ReceiptStillAwaited
from domain.mpesa.receipt import Receipt
from domain.mpesa.stk_push import Push
from domain.store import AggregateStore


def return_to_suspense(source_id: UUID, *, amount_cents: int, store: AggregateStore) -> None:
    """Hold again what a receipt, or the push under which it was posted, had paid.

    Raises:
        ReceiptStillAwaited: the push was posted without its receipt, which has not come yet.
        BelongsToRepayment: it is neither: the money came with a repayment, as its surplus.
    """
    receipt = store.find(Receipt, source_id)
    if receipt is None:
        push = store.find(Push, source_id)
        if push is None:
            raise BelongsToRepayment
        if push.receipt_id is None:
            raise ReceiptStillAwaited
        receipt = store.get(Receipt, UUID(push.receipt_id))
    receipt.take_back(amount_cents=amount_cents)
    store.save(receipt)
