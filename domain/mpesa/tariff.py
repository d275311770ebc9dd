"""What Safaricom takes for a payment to a phone, where the receiver pays for their withdrawal.

Official B2C tariff of August 2023. A new tariff is a new row with its first day; earlier payouts
keep the charge of their own day. What Safaricom tells of a charge goes before what this says.
"""

from __future__ import annotations

from datetime import date

_Band = tuple[int, int]
"""Up to so many shillings: this charge, in cents."""

_TARIFFS: tuple[tuple[date, tuple[_Band, ...]], ...] = (
    (
        date(2023, 8, 1),
        ((100, 0), (1_500, 5_00), (5_000, 9_00), (20_000, 11_00), (250_000, 13_00)),
    ),
)


def payout_charge_cents(amount_shillings: int, *, on: date) -> int:
    """The charge of one payout on a day; before the first tariff we know, by that one."""
    bands = next((bands for begins, bands in reversed(_TARIFFS) if begins <= on), _TARIFFS[0][1])
    for up_to, charge_cents in bands:
        if amount_shillings <= up_to:
            return charge_cents
    raise AssertionError("no payout is above M-Pesa's limit")
