"""How a payout begins, whatever it is for. Whoever calls it has checked who may ask for it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from domain.dates import text_from_moment
from domain.money import CENTS_PER_SHILLING
from domain.mpesa.errors import NotWholeShillings, PayoutNotFound, PayoutOutsideLimits
from domain.mpesa.payout import Payout
from domain.mpesa.payout_lane import lane_of
from domain.mpesa.payout_states import PayoutPurpose
from domain.phones import normalised_phone
from domain.store import AggregateStore, Key

OPEN_PAYOUT = "payout.open"
"""Scope: the payouts that are not settled, found together after a restore."""

PAYOUT_SHILLINGS_MIN = 10
PAYOUT_SHILLINGS_MAX = 250_000
"""Safaricom's limits of one payment to a phone (portal FAQ)."""


def begin_payout(
    *,
    payout_id: UUID,
    purpose: PayoutPurpose,
    source_id: UUID,
    member_id: UUID | None,
    phone: str,
    amount_cents: int,
    short_code: str,
    requested_by: str,
    approved_by: str,
    now: datetime,
    store: AggregateStore,
) -> Payout:
    """Ask for a payout to a phone, in the caller's own append. It is sent soon after.

    To a member it goes by the number that is theirs when it is sent; `phone` is that of now.

    Raises:
        NotWholeShillings, PayoutOutsideLimits, InvalidInput: it cannot go by M-Pesa.
    """
    check_payable(amount_cents)
    lane_of(short_code, store)
    payout: Payout = Payout.begin(
        Payout.Requested,
        stream_id=payout_id,
        purpose=str(purpose),
        source_id=str(source_id),
        member_id=str(member_id) if member_id else None,
        phone=normalised_phone(phone),
        reverses=None,
        amount_cents=amount_cents,
        short_code=short_code,
        requested_by=requested_by,
        approved_by=approved_by,
        requested_at=text_from_moment(now),
    )
    store.save(payout, claims=(open_key(),))
    return payout


def open_key() -> Key:
    """What every payout holds until it is settled."""
    return Key(OPEN_PAYOUT, OPEN_PAYOUT)


def check_payable(amount_cents: int) -> None:
    """Whether one payout can carry it. Raises NotWholeShillings, PayoutOutsideLimits."""
    if amount_cents % CENTS_PER_SHILLING:
        raise NotWholeShillings
    if not PAYOUT_SHILLINGS_MIN <= amount_cents // CENTS_PER_SHILLING <= PAYOUT_SHILLINGS_MAX:
        raise PayoutOutsideLimits


def payout_of(payout_id: UUID, store: AggregateStore) -> Payout:
    """The payout as it stands. Raises PayoutNotFound."""
    payout = store.find(Payout, payout_id)
    if payout is None:
        raise PayoutNotFound
    return payout
