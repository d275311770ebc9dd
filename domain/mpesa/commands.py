"""What can be asked, and what can be told, of M-Pesa payments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.contributions.rules import ContributionRules
from domain.mpesa.account_numbers import AccountRules
from domain.mpesa.payer import Payer
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
class RetryPush:
    """Ask again what came to nothing: the same member, phone, amount and purpose."""

    push_id: UUID
    retry_of: UUID
    account_reference: str
    now: datetime
    rules: ContributionRules


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


@dataclass(frozen=True, kw_only=True)
class ToldReceipt:
    """Money of which a channel tells, as it tells it. `account_number` is as the payer typed it."""

    receipt_number: str
    amount_cents: int
    paid_at: datetime
    channel: str
    short_code: str | None
    account_number: str | None
    payer: Payer
    now: datetime


@dataclass(frozen=True, kw_only=True)
class RecordReceipt(ToldReceipt):
    """A paybill confirmation, a pull or a statement tells of money that reached us."""

    rules: AccountRules
