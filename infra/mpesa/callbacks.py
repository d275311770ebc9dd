"""What Safaricom posts to us after a push, read into one shape.

The body is unsigned and may come from anyone, so a reading is a claim: the caller matches it to a
push that we made. Whatever cannot be read raises UnreadableCallback and nothing else; the raw bytes
are kept by the caller for a person to look at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from domain.dates import NAIROBI
from domain.errors import InvalidInput
from domain.money import AMOUNT_CENTS_MAX, CENTS_PER_SHILLING
from domain.mpesa.result_codes import Verdict, stk_verdict
from domain.phones import normalised_phone
from infra.errors import InfrastructureError
from infra.mpesa.answers import CHECKOUT_REQUEST_ID_LENGTH_MAX, MERCHANT_REQUEST_ID_LENGTH_MAX
from infra.mpesa.wire import UnreadableJson, code_text, identifier, read_object, sentence

_AMOUNT = re.compile(r"\d{1,11}(?:\.\d{1,6})?", re.ASCII)
_RECEIPT = re.compile(r"[A-Z0-9]{6,20}")
_MOMENT = re.compile(r"\d{14}", re.ASCII)
_FIRST_YEAR, _LAST_YEAR = 2007, 2099  # M-Pesa opened in 2007
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class StkPayment:
    """The money that a successful callback tells of."""

    receipt_number: str
    amount_cents: int
    paid_at: datetime  # in Nairobi's time, with its offset
    payer_phone: str | None = field(repr=False)  # None when hidden or not a Kenyan mobile


@dataclass(frozen=True)
class StkCallback:
    """The result of one push. `payment` is there exactly when the code says paid."""

    merchant_request_id: str
    checkout_request_id: str = field(repr=False)
    result_code: str
    result_description: str
    payment: StkPayment | None


class UnreadableCallback(InfrastructureError):
    """The body is not a callback of a push. The reason never quotes the body."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read_stk_callback(body: bytes) -> StkCallback:
    """Read the raw body of a callback.

    Raises:
        UnreadableCallback: it makes no sense, or tells of money without saying which or how much.
    """
    try:
        told = _part(_part(read_object(body), "Body"), "stkCallback")
    except UnreadableJson as error:
        raise UnreadableCallback(str(error)) from None
    result_code = code_text(told.get("ResultCode"))
    if result_code is None:
        raise UnreadableCallback("there is no ResultCode")
    paid = stk_verdict(result_code) is Verdict.SUCCESS
    return StkCallback(
        merchant_request_id=_id(told, "MerchantRequestID", MERCHANT_REQUEST_ID_LENGTH_MAX),
        checkout_request_id=_id(told, "CheckoutRequestID", CHECKOUT_REQUEST_ID_LENGTH_MAX),
        result_code=result_code,
        result_description=sentence(told.get("ResultDesc")),
        payment=_payment(_items(told)) if paid else None,
    )


def _payment(items: Mapping[str, Any]) -> StkPayment:
    return StkPayment(
        receipt_number=_receipt(items.get("MpesaReceiptNumber")),
        amount_cents=_cents(items.get("Amount")),
        paid_at=_moment(items.get("TransactionDate")),
        payer_phone=_phone(items.get("PhoneNumber")),
    )


def _part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = whole.get(name)
    if not isinstance(part, dict):
        raise UnreadableCallback(f"there is no object {name}")
    return part


def _id(told: Mapping[str, Any], name: str, length_max: int) -> str:
    value = identifier(told.get(name), length_max=length_max)
    if value is None:
        raise UnreadableCallback(f"there is no usable {name}")
    return value


def _items(told: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata by name: its order varies, and an item may lack its value."""
    listed = _part(told, "CallbackMetadata").get("Item")
    items: dict[str, Any] = {}
    for item in [listed] if isinstance(listed, dict) else listed or []:
        if not isinstance(item, dict) or not isinstance(item.get("Name"), str):
            raise UnreadableCallback("an item of the metadata has no name")
        name, value = item["Name"], item.get("Value")
        if items.setdefault(name, value) != value:
            raise UnreadableCallback("an item of the metadata is told twice, differently")
    return items


def _receipt(value: object) -> str:
    receipt = value.strip().upper() if isinstance(value, str) else ""
    if not _RECEIPT.fullmatch(receipt):
        raise UnreadableCallback("paid, but there is no usable MpesaReceiptNumber")
    return receipt


def _cents(value: object) -> int:
    shillings = _decimal(value)
    # The bounds come first: a number such as 1e999999 must never be written out.
    if shillings is None or not 0 < shillings <= AMOUNT_CENTS_MAX // CENTS_PER_SHILLING:
        raise UnreadableCallback("paid, but there is no usable Amount")
    rounded = shillings.quantize(_CENT)
    if rounded != shillings:
        raise UnreadableCallback("paid, but the Amount has parts of a cent")
    return int(rounded * CENTS_PER_SHILLING)


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | Decimal):
        return Decimal(value)
    if isinstance(value, str) and _AMOUNT.fullmatch(value.strip()):
        return Decimal(value.strip())
    return None


def _moment(value: object) -> datetime:
    text = _digits(value)
    if not _MOMENT.fullmatch(text):
        raise UnreadableCallback("paid, but there is no usable TransactionDate")
    try:
        moment = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=NAIROBI)
    except ValueError:
        raise UnreadableCallback("paid, but the TransactionDate does not exist") from None
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise UnreadableCallback("paid, but the TransactionDate is out of all bounds")
    return moment


def _phone(value: object) -> str | None:
    try:
        return normalised_phone(_digits(value))
    except InvalidInput:
        return None


def _digits(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    return code_text(value) or ""
