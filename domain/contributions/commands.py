"""What can be asked of a member's account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from domain.contributions.rules import ContributionRules, ContributionType, PaymentMethod


@dataclass(frozen=True)
class RecordContribution:
    """Record money a member paid at the counter, through the bank, or from the payroll."""

    contribution_id: UUID
    member_id: UUID
    contribution_type: ContributionType
    amount_cents: int
    payment_method: PaymentMethod
    payment_reference: str
    contributed_on: date
    today: date
    rules: ContributionRules


@dataclass(frozen=True)
class TakeOverBalances:
    """Take over what a member held in older books. Amounts are cents, none of them zero."""

    member_id: UUID
    balances_cents: Mapping[ContributionType, int]
    contribution_ids: Mapping[ContributionType, UUID]
    as_of: date
    today: date


@dataclass(frozen=True)
class ReverseContribution:
    """Undo a contribution that should not have been recorded."""

    member_id: UUID
    contribution_id: UUID
    reason: str
    today: date
