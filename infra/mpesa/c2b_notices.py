"""What Safaricom posts when a customer pays our paybill or till: one form, asked and told.

The validation asks before the payment and the confirmation tells after it, with the same keys. The
body is unsigned, so a reading is a claim. Every value is text, names may be missing, and the
payer's number is plain, hashed (registered under v1) or masked (v2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.mpesa.payer import Payer
from infra.mpesa.particulars import digits, moment, paid_cents, payer, receipt_number, short_code
from infra.mpesa.unreadable import UnreadableCallback
from infra.mpesa.wire import UnreadableJson, read_object, sentence

ACCOUNT_NUMBER_LENGTH_MAX = 60  # Safaricom's own is 20; nothing is cut that may be of use


@dataclass(frozen=True)
class C2bNotice:
    """A payment to a short code. Before a validation's answer it has not happened yet."""

    receipt_number: str
    amount_cents: int
    paid_at: datetime  # in Nairobi's time, with its offset
    short_code: str
    account_number: str | None = field(repr=False)  # as the customer typed it, often their number
    payer: Payer
    transaction_type: str


def read_c2b_notice(body: bytes) -> C2bNotice:
    """Read the raw body of a validation or a confirmation.

    Raises:
        UnreadableCallback: it does not tell which money, how much, when, or whose short code.
    """
    try:
        told = read_object(body)
    except UnreadableJson as error:
        raise UnreadableCallback(str(error)) from None
    return C2bNotice(
        receipt_number=receipt_number(told.get("TransID"), name="TransID"),
        amount_cents=paid_cents(told.get("TransAmount"), name="TransAmount"),
        paid_at=moment(told.get("TransTime"), name="TransTime"),
        short_code=short_code(told.get("BusinessShortCode"), name="BusinessShortCode"),
        account_number=account_number(told.get("BillRefNumber")),
        payer=payer(told.get("MSISDN"), _name(told)),
        transaction_type=sentence(told.get("TransactionType"), length_max=60),
    )


def account_number(value: object) -> str | None:
    """What the customer typed as account number, without the spaces around it; None for nothing."""
    return sentence(digits(value), length_max=ACCOUNT_NUMBER_LENGTH_MAX) or None


def _name(told: Mapping[str, Any]) -> str | None:
    parts = [
        sentence(told.get(key), length_max=60) for key in ("FirstName", "MiddleName", "LastName")
    ]
    return " ".join(part for part in parts if part) or None
