"""What a payout is for is told of its end in the same append: one row for each purpose.

Each function answers whether what it was for can count it so. `waits` tells why the next payout of
the same source may not leave yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from domain.contributions.refunds import refund_not_paid, refund_paid
from domain.loans.lookup import loan_of
from domain.loans.payouts import is_part_under_review, loan_part_not_paid, loan_part_paid
from domain.mpesa.payout import Payout
from domain.mpesa.payout_states import PayoutPurpose
from domain.mpesa.receipt_payouts import (
    receipt_not_refunded,
    receipt_not_reversed,
    receipt_refunded,
    receipt_reversed,
)
from domain.store import AggregateStore


def _never(_payout: Payout, _store: AggregateStore) -> bool:
    return False


def _loan_waits(payout: Payout, store: AggregateStore) -> bool:
    return is_part_under_review(loan_of(UUID(payout.source_id), store), store)


@dataclass(frozen=True)
class Source:
    """How a loan, a refund or a receipt is told."""

    paid: Callable[..., bool]
    not_paid: Callable[..., bool]
    waits: Callable[[Payout, AggregateStore], bool] = _never


SOURCES: Mapping[str, Source] = {
    PayoutPurpose.LOAN_DISBURSEMENT: Source(loan_part_paid, loan_part_not_paid, _loan_waits),
    PayoutPurpose.MEMBER_REFUND: Source(refund_paid, refund_not_paid),
    PayoutPurpose.SUSPENSE_REFUND: Source(receipt_refunded, receipt_not_refunded),
    PayoutPurpose.REVERSAL: Source(receipt_reversed, receipt_not_reversed),
}
