"""What Safaricom posts to us after a push, read into one shape.

The body is unsigned and may come from anyone, so a reading is a claim: the caller matches it to a
push that we made. Whatever cannot be read raises UnreadableCallback and nothing else; the raw bytes
are kept by the caller for a person to look at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.mpesa.result_codes import Verdict, stk_verdict
from infra.mpesa.answers import CHECKOUT_REQUEST_ID_LENGTH_MAX, MERCHANT_REQUEST_ID_LENGTH_MAX
from infra.mpesa.particulars import moment, paid_cents, phone, receipt_number
from infra.mpesa.unreadable import UnreadableCallback
from infra.mpesa.wire import UnreadableJson, code_text, identifier, read_object, sentence


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
        receipt_number=receipt_number(items.get("MpesaReceiptNumber"), name="MpesaReceiptNumber"),
        amount_cents=paid_cents(items.get("Amount"), name="Amount"),
        paid_at=moment(items.get("TransactionDate"), name="TransactionDate"),
        payer_phone=phone(items.get("PhoneNumber")),
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
