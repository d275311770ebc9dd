"""What counts as a contribution, and the smallest the co-operative accepts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from domain.contributions.errors import AmountBelowMinimum


class ContributionType(StrEnum):
    """Where a contribution goes. The values are the accounting API's own."""

    MONTHLY = "monthly"
    SHARE_CAPITAL = "share_capital"
    REGISTRATION_FEE = "registration_fee"


class PaymentMethod(StrEnum):
    """How the money reached the co-operative."""

    CASH = "cash"
    BANK = "bank"
    CHECK_OFF = "check_off"
    MPESA = "mpesa"


OPENING_BALANCE = "opening_balance"
"""The payment method of what a member held in older books: nobody pays so, and nobody types it."""


@dataclass(frozen=True)
class ContributionRules:
    """Smallest amounts, in cents, people may ask to pay. Money received is never refused."""

    minimum_cents: Mapping[str, int] = field(
        default_factory=lambda: {
            ContributionType.MONTHLY: 500_00,
            ContributionType.SHARE_CAPITAL: 1_000_00,
            ContributionType.REGISTRATION_FEE: 1_000_00,
        }
    )

    def check(self, *, contribution_type: ContributionType, amount_cents: int) -> None:
        """Raises AmountBelowMinimum."""
        minimum_cents = self.minimum_cents.get(contribution_type, 1)
        if amount_cents < minimum_cents:
            raise AmountBelowMinimum(
                contribution_type=contribution_type, minimum_cents=minimum_cents
            )
