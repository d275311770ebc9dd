"""Whether a payer may be told beforehand that a payment would find no place.

Safaricom asks before the payer confirms. Nothing is recorded: a payment that was let through may
still come to nothing, and one that comes is taken in, whatever was answered.
"""

from __future__ import annotations

from enum import StrEnum

from domain.money import CENTS_PER_SHILLING
from domain.mpesa.account_numbers import AccountRules, destination_of
from domain.mpesa.handlers import PUSH_SHILLINGS_MAX
from domain.mpesa.receipt import SuspenseReason
from domain.mpesa.receipts import push_by_reference
from domain.store import AggregateStore


class Refusal(StrEnum):
    """The codes by which M-Pesa is told why (Safaricom's documentation of the validation)."""

    ACCOUNT = "C2B00012"
    AMOUNT = "C2B00013"
    SHORT_CODE = "C2B00015"
    OTHER = "C2B00016"


def why_refused(
    *, account_number: str | None, amount_cents: int, rules: AccountRules, store: AggregateStore
) -> Refusal | None:
    """Why this payment would go to suspense; None where it would not, or nobody can say yet.

    A till has no account number, and what waits for a push finds it by its reference.
    """
    whole, cents = divmod(amount_cents, CENTS_PER_SHILLING)
    if cents or not 1 <= whole <= PUSH_SHILLINGS_MAX:
        return Refusal.AMOUNT
    found = destination_of(account_number, rules, store)
    if found is SuspenseReason.ACCOUNT_NUMBER_MISSING:
        return None
    if found in (SuspenseReason.MEMBER_NOT_ACTIVE, SuspenseReason.NO_ACCOUNT):
        return Refusal.OTHER
    if not isinstance(found, SuspenseReason) or push_by_reference(account_number, store):
        return None
    return Refusal.ACCOUNT
