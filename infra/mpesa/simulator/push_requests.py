"""What the simulator demands of a push and of a query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from infra.mpesa.credentials import BUY_GOODS, PAY_BILL
from infra.mpesa.simulator.fields import (
    Checks,
    first_objection,
    is_amount,
    is_callback_url,
    is_moment,
    is_one_of,
    is_phone,
    is_short_code,
    is_something,
    matches,
    text,
)
from infra.mpesa.simulator.refusals import REFUSALS, Refusal
from infra.mpesa.stk_calls import (
    ACCOUNT_REFERENCE_LENGTH_MAX,
    DESCRIPTION_LENGTH_MAX,
    push_password,
)


@dataclass(frozen=True)
class PushRequest:
    """A push whose every field was acceptable."""

    phone: str
    amount: int
    account_reference: str
    callback_url: str
    parties_mismatch: bool  # accepted all the same; the result is 2028


def read_push(
    fields: Mapping[str, Any], *, short_code: str, pass_key: str
) -> PushRequest | Refusal:
    """The push that the fields describe, or the first objection to them."""
    refusal = first_objection(fields, PUSH_FIELDS) or _merchant_objection(
        fields, short_code=short_code, pass_key=pass_key
    )
    if refusal is not None:
        return refusal
    own_number = text(fields["PartyB"]) == text(fields["BusinessShortCode"])
    return PushRequest(
        phone=text(fields["PhoneNumber"]),
        amount=int(text(fields["Amount"])),
        account_reference=text(fields["AccountReference"]),
        callback_url=text(fields["CallBackURL"]),
        parties_mismatch=own_number is (fields["TransactionType"] == BUY_GOODS),
    )


def read_query(fields: Mapping[str, Any], *, short_code: str, pass_key: str) -> str | Refusal:
    """The CheckoutRequestID asked about, or the first objection to the fields."""
    refusal = first_objection(fields, QUERY_FIELDS) or _merchant_objection(
        fields, short_code=short_code, pass_key=pass_key
    )
    return refusal or text(fields["CheckoutRequestID"])


_SIGNED: Checks = {
    "BusinessShortCode": is_short_code,
    "Password": is_something,
    "Timestamp": is_moment("%Y%m%d%H%M%S"),
}

PUSH_FIELDS: Checks = MappingProxyType(
    {
        **_SIGNED,
        "TransactionType": is_one_of(PAY_BILL, BUY_GOODS),
        "Amount": is_amount,
        "PartyA": is_phone,
        "PartyB": is_short_code,
        "PhoneNumber": is_phone,
        "CallBackURL": is_callback_url,
        "AccountReference": matches(rf"[A-Za-z0-9 ]{{1,{ACCOUNT_REFERENCE_LENGTH_MAX}}}"),
        "TransactionDesc": lambda value: len(value) <= DESCRIPTION_LENGTH_MAX,
    }
)

QUERY_FIELDS: Checks = MappingProxyType({**_SIGNED, "CheckoutRequestID": matches(r"\S{1,128}")})


def _merchant_objection(
    fields: Mapping[str, Any], *, short_code: str, pass_key: str
) -> Refusal | None:
    if text(fields["BusinessShortCode"]) != short_code:
        return REFUSALS["unknown_merchant"]
    expected = push_password(
        short_code=short_code, pass_key=pass_key, timestamp=text(fields["Timestamp"])
    )
    return None if fields["Password"] == expected else REFUSALS["wrong_password"]
