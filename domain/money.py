"""Money as whole cents of the Kenyan shilling (KES). Never a float.

M-Pesa moves whole shillings only; `whole_shillings_up` says what a push must ask for.
"""

from __future__ import annotations

import re

from domain.errors import InvalidInput

CENTS_PER_SHILLING = 100
AMOUNT_CENTS_MAX = 10**13 - 1  # numeric(15,2) less two digits: sums of amounts still fit
AMOUNT_PATTERN = r"[0-9]{1,11}(\.[0-9]{1,2})?"
_AMOUNT = re.compile(AMOUNT_PATTERN)


def cents_from_text(text: str, *, field: str = "amount") -> int:
    """Read a decimal string of shillings, such as "1500" or "1500.50".

    Raises:
        InvalidInput: not a plain positive decimal with at most two places.
    """
    if not _AMOUNT.fullmatch(text):
        raise InvalidInput(
            field, "Give the amount in shillings as digits with at most two decimals, above zero."
        )
    shillings, _, cents = text.partition(".")
    amount_cents = int(shillings) * CENTS_PER_SHILLING + int(cents.ljust(2, "0") or 0)
    if not 0 < amount_cents <= AMOUNT_CENTS_MAX:
        raise InvalidInput(field, "The amount must be above zero and below 100,000,000,000.")
    return amount_cents


def text_from_cents(amount_cents: int) -> str:
    """The amount as the wire carries it: "1500.50"."""
    if amount_cents < 0:
        return "-" + text_from_cents(-amount_cents)
    return f"{amount_cents // CENTS_PER_SHILLING}.{amount_cents % CENTS_PER_SHILLING:02d}"


def whole_shillings_up(amount_cents: int) -> int:
    """The smallest number of whole shillings that covers the amount."""
    return -(-amount_cents // CENTS_PER_SHILLING)


def spoken(amount_cents: int) -> str:
    """The amount as a sentence carries it: "KES 1,500.50"."""
    shillings, cents = divmod(amount_cents, CENTS_PER_SHILLING)
    return f"KES {shillings:,}.{cents:02d}"
