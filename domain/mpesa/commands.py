"""What can be asked, and what can be told, of M-Pesa payments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.contributions.rules import ContributionRules
from domain.mpesa.stk_push import PushPurpose


@dataclass(frozen=True)
class RequestPush:
    """Ask a member's phone to pay. With no phone, the member's own."""

    push_id: UUID
    member_id: UUID
    phone: str | None
    purpose: PushPurpose
    amount_cents: int
    account_reference: str
    short_code: str
    now: datetime
    rules: ContributionRules
    loan_id: UUID | None = None


@dataclass(frozen=True)
class RecordPushResult:
    """Safaricom called back about a push."""

    push_id: UUID
    checkout_request_id: str
    result_code: str
    result_description: str
    receipt_number: str | None
    amount_cents: int | None
    paid_at: datetime | None
    payer_phone: str | None
    now: datetime


@dataclass(frozen=True)
class RecordQueryAnswer:
    """Safaricom answered our query about a push. It tells neither receipt nor amount."""

    push_id: UUID
    result_code: str
    result_description: str
    now: datetime
