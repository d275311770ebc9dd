"""What can be asked of loans and their products. Amounts are cents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from domain.contributions.rules import PaymentMethod


@dataclass(frozen=True)
class DefineLoanProduct:
    """Offer a product, or give it other terms from a day on."""

    code: str
    name: str
    valid_from: date
    terms: Mapping[str, Any]


@dataclass(frozen=True)
class ApplyForLoan:
    """Ask for a loan. `principal_id` enters it, and will not be the one who decides it."""

    loan_id: UUID
    loan_number: str
    member_id: UUID
    product_code: str
    amount_cents: int
    term_months: int
    purpose: str
    applied_on: date
    principal_id: str
    today: date


@dataclass(frozen=True)
class PayOut:
    """By M-Pesa, from this short code, at once."""

    short_code: str
    now: datetime


@dataclass(frozen=True)
class ApproveLoan:
    """Grant a loan, or less than was asked for; and pay it out, where it says how."""

    loan_id: UUID
    principal_id: str
    amount_cents: int | None
    today: date
    pay_out: PayOut | None = None


@dataclass(frozen=True)
class PayOutLoan:
    """Pay an approved loan out, or the rest of it, by M-Pesa."""

    loan_id: UUID
    principal_id: str
    first_due_on: date | None
    pay_out: PayOut


@dataclass(frozen=True)
class DeclineLoan:
    """Refuse a loan."""

    loan_id: UUID
    principal_id: str
    reason: str
    today: date


@dataclass(frozen=True)
class DisburseLoan:
    """Pay an approved loan out, by cash, bank or cheque."""

    loan_id: UUID
    payment_method: str
    payment_reference: str
    disbursed_on: date
    first_due_on: date | None
    today: date


@dataclass(frozen=True)
class Arrears:
    """What was due in older books and is unpaid, and since when. Cents."""

    principal_cents: int = 0
    interest_cents: int = 0
    fee_cents: int = 0
    penalty_cents: int = 0
    since: date | None = None

    @property
    def total_cents(self) -> int:
        """All of it."""
        return self.principal_cents + self.interest_cents + self.fee_cents + self.penalty_cents


@dataclass(frozen=True)
class TakeOverLoan:
    """Take over a running loan from older books, as it stood on the morning of a day.

    `principal_cents` is still out, what is in arrears included; `paid_cents` is all that was paid
    until then. `interest_to_come_cents` is told where interest is not on the balance.
    """

    loan_id: UUID
    loan_number: str
    member_id: UUID
    product_code: str
    rate_percent: str | None
    amount_cents: int
    term_months: int
    disbursed_on: date
    paid_cents: int
    principal_cents: int
    next_due_on: date | None
    remaining_months: int
    interest_to_come_cents: int | None
    arrears: Arrears
    as_of: date
    today: date


@dataclass(frozen=True)
class RecordRepayment:
    """Record money that was paid on a loan by other ways than M-Pesa."""

    repayment_id: UUID
    loan_id: UUID
    amount_cents: int
    payment_method: PaymentMethod
    payment_reference: str
    paid_on: date
    today: date
    settles: bool = False
    """It is meant to settle the loan; refused where it does not."""


@dataclass(frozen=True)
class ReverseRepayment:
    """Undo a repayment that should not have been recorded."""

    loan_id: UUID
    repayment_id: UUID
    reason: str
    today: date


@dataclass(frozen=True)
class ChargeFee:
    """Charge something beside the schedule, such as a bounced cheque."""

    loan_id: UUID
    fee_id: UUID
    amount_cents: int
    reason: str
    due_on: date
    today: date


@dataclass(frozen=True)
class RestructureLoan:
    """Spread what is owed anew over a term, at another rate where one is given."""

    loan_id: UUID
    principal_id: str
    term_months: int
    rate_percent: str | None
    first_due_on: date | None
    reason: str
    today: date


@dataclass(frozen=True)
class WriteOffLoan:
    """Give up what is owed on a loan."""

    loan_id: UUID
    principal_id: str
    reason: str
    today: date


@dataclass(frozen=True)
class AssessLoan:
    """Say what a new day brings: penalties, lateness, an instalment that falls due soon."""

    loan_id: UUID
    today: date
