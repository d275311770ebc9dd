"""The particulars of a payment as Safaricom writes them: amounts, times, receipts, payers.

Their types wobble from one product to the next (1.00 here, "1" there), so each is read in every
form on record. Each raises UnreadableCallback, which names the particular and never quotes it.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal

from domain.dates import NAIROBI
from domain.errors import InvalidInput
from domain.money import AMOUNT_CENTS_MAX, CENTS_PER_SHILLING
from domain.mpesa.payer import Payer
from domain.phones import normalised_phone
from infra.mpesa.unreadable import UnreadableCallback
from infra.mpesa.wire import code_text, sentence

_AMOUNT = re.compile(r"-?\d{1,11}(?:\.\d{1,6})?", re.ASCII)
_RECEIPT = re.compile(r"[A-Z0-9]{6,20}")
_SHORT_CODE = re.compile(r"\d{5,7}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MASKED = re.compile(r"[0-9+ ]{1,9}\*[0-9* ]{1,20}", re.ASCII)
_MOMENT = re.compile(r"\d{14}", re.ASCII)
_DOTTED_MOMENT = re.compile(r"\d{2}\.\d{2}\.\d{4} \d{2}:\d{2}:\d{2}", re.ASCII)
_FIRST_YEAR, _LAST_YEAR = 2007, 2099  # M-Pesa opened in 2007
_CENT = Decimal("0.01")


def paid_cents(value: object, *, name: str) -> int:
    """An amount that moved: above zero, in whole cents."""
    amount_cents = signed_cents(value, name=name)
    if amount_cents <= 0:
        raise UnreadableCallback(f"there is no usable {name}")
    return amount_cents


def signed_cents(value: object, *, name: str) -> int:
    """An amount or a balance, in whole cents."""
    shillings = _decimal(value)
    # The bounds come first: a number such as 1e999999 must never be written out.
    shillings_max = AMOUNT_CENTS_MAX // CENTS_PER_SHILLING
    if shillings is None or not -shillings_max <= shillings <= shillings_max:
        raise UnreadableCallback(f"there is no usable {name}")
    rounded = shillings.quantize(_CENT)
    if rounded != shillings:
        raise UnreadableCallback(f"the {name} has parts of a cent")
    return int(rounded * CENTS_PER_SHILLING)


def receipt_number(value: object, *, name: str) -> str:
    """An M-Pesa receipt number."""
    receipt = value.strip().upper() if isinstance(value, str) else ""
    if not _RECEIPT.fullmatch(receipt):
        raise UnreadableCallback(f"there is no usable {name}")
    return receipt


def short_code(value: object, *, name: str) -> str:
    """A paybill or till number."""
    code = digits(value)
    if not _SHORT_CODE.fullmatch(code):
        raise UnreadableCallback(f"there is no usable {name}")
    return code


def moment(value: object, *, name: str) -> datetime:
    """A time on Kenya's clock: 20260201101515, or 01.02.2026 10:15:15."""
    text = digits(value)
    if _DOTTED_MOMENT.fullmatch(text):
        return kenyan_moment(text, "%d.%m.%Y %H:%M:%S", name=name)
    if _MOMENT.fullmatch(text):
        return kenyan_moment(text, "%Y%m%d%H%M%S", name=name)
    raise UnreadableCallback(f"there is no usable {name}")


def kenyan_moment(text: str, form: str, *, name: str) -> datetime:
    """A time in this form, on Kenya's clock."""
    try:
        found = datetime.strptime(text, form).replace(tzinfo=NAIROBI)
    except ValueError:
        raise UnreadableCallback(f"the {name} does not exist") from None
    if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        raise UnreadableCallback(f"the {name} is out of all bounds")
    return found


def payer(number: object, name: str | None = None) -> Payer:
    """Who paid, by a number in plain, hashed or masked; a number in no form we know is none."""
    text = digits(number)
    found = phone(text)
    if found is not None:
        return Payer(phone=found, name=name)
    if _SHA256.fullmatch(text.lower()):
        return Payer(phone_sha256=text.lower(), name=name)
    if _MASKED.fullmatch(text):
        return Payer(masked_phone=text, name=name)
    return Payer(name=name)


def party(text: str) -> Payer:
    """Who stands in "254712345678 - JANE DOE", masked or not; an organisation has a name alone."""
    number, found, name = text.partition(" - ")
    if not found:
        number, name = (text, "") if payer(text) != Payer() else ("", text)
    return payer(number, sentence(name) or None)


def phone(value: object) -> str | None:
    """A Kenyan mobile number in its one form, or None where it is hidden or another's."""
    try:
        return normalised_phone(digits(value))
    except InvalidInput:
        return None


def digits(value: object) -> str:
    """A number or a text as text; anything else as nothing."""
    if isinstance(value, str):
        return value.strip()
    return code_text(value) or ""


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | Decimal):
        return Decimal(value)
    if isinstance(value, str) and _AMOUNT.fullmatch(value.strip()):
        return Decimal(value.strip())
    return None
