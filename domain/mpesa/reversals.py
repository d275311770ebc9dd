"""How the reversal of a receipt begins: the money goes back to whoever paid it.

It is a payout like any other, sent, watched over and settled in the same way. Its stream is made
from the receipt's number, so a receipt is reversed at most once, whoever asks, and however often.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from domain.dates import text_from_moment
from domain.identities import receipt_id, reversal_id
from domain.money import CENTS_PER_SHILLING
from domain.mpesa.errors import NotWholeShillings, ReversedBefore
from domain.mpesa.payout import Payout
from domain.mpesa.payout_lane import lane_of
from domain.mpesa.payout_states import PayoutPurpose
from domain.mpesa.payouts import open_key
from domain.store import AggregateStore


def begin_reversal(
    *,
    receipt_number: str,
    amount_cents: int,
    short_code: str,
    member_id: UUID | None,
    requested_by: str,
    approved_by: str,
    now: datetime,
    store: AggregateStore,
) -> Payout:
    """Ask Safaricom to take a receipt back, in the caller's own append.

    `short_code` is the one that was paid.

    Raises:
        ReversedBefore: it was asked for before, whatever became of it.
        NotWholeShillings: M-Pesa cannot move this sum.
    """
    if store.find(Payout, reversal_id(receipt_number)) is not None:
        raise ReversedBefore
    if amount_cents % CENTS_PER_SHILLING:
        raise NotWholeShillings
    lane_of(short_code, store)
    reversal: Payout = Payout.begin(
        Payout.Requested,
        stream_id=reversal_id(receipt_number),
        purpose=str(PayoutPurpose.REVERSAL),
        source_id=str(receipt_id(receipt_number)),
        member_id=str(member_id) if member_id else None,
        phone=None,
        reverses=receipt_number.strip().upper(),
        amount_cents=amount_cents,
        short_code=short_code,
        requested_by=requested_by,
        approved_by=approved_by,
        requested_at=text_from_moment(now),
    )
    store.save(reversal, claims=(open_key(),))
    return reversal
