"""What the simulator demands of a request, as strict as Daraja and as lenient.

Numbers may come as text and unknown keys are ignored, as the real one does; the checks run in the
order of the fields, and the first that fails names its field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from infra.mpesa.addresses import ForbiddenCallbackUrl, check_public_url
from infra.mpesa.credentials import BUY_GOODS, PAY_BILL
from infra.mpesa.simulator.refusals import REFUSALS, Refusal, invalid_field
from infra.mpesa.stk_calls import (
    ACCOUNT_REFERENCE_LENGTH_MAX,
    AMOUNT_SHILLINGS_MAX,
    DESCRIPTION_LENGTH_MAX,
    push_password,
)

_TIMESTAMP = re.compile(r"\d{14}", re.ASCII)


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
    refusal = _first_objection(fields, PUSH_FIELDS) or _merchant_objection(
        fields, short_code=short_code, pass_key=pass_key
    )
    if refusal is not None:
        return refusal
    own_number = _text(fields["PartyB"]) == _text(fields["BusinessShortCode"])
    return PushRequest(
        phone=_text(fields["PhoneNumber"]),
        amount=int(_text(fields["Amount"])),
        account_reference=_text(fields["AccountReference"]),
        callback_url=_text(fields["CallBackURL"]),
        parties_mismatch=own_number is (fields["TransactionType"] == BUY_GOODS),
    )


def read_query(fields: Mapping[str, Any], *, short_code: str, pass_key: str) -> str | Refusal:
    """The CheckoutRequestID asked about, or the first objection to the fields."""
    refusal = _first_objection(fields, QUERY_FIELDS) or _merchant_objection(
        fields, short_code=short_code, pass_key=pass_key
    )
    return refusal or _text(fields["CheckoutRequestID"])


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.ASCII)
    return lambda text: compiled.fullmatch(text) is not None


def _is_timestamp(text: str) -> bool:
    if not _TIMESTAMP.fullmatch(text):
        return False
    try:
        datetime.strptime(text, "%Y%m%d%H%M%S")  # noqa: DTZ007 - only its form is checked
    except ValueError:
        return False
    return True


def _is_amount(text: str) -> bool:
    return _matches(r"\d{1,6}")(text) and 1 <= int(text) <= AMOUNT_SHILLINGS_MAX


def _is_callback_url(text: str) -> bool:
    try:
        check_public_url(text)
    except ForbiddenCallbackUrl:
        return False
    return True


Checks = Mapping[str, Callable[[str], bool]]

_SIGNED: Checks = {
    "BusinessShortCode": _matches(r"\d{5,7}"),
    "Password": _matches(r".+"),
    "Timestamp": _is_timestamp,
}

PUSH_FIELDS: Checks = MappingProxyType(
    {
        **_SIGNED,
        "TransactionType": lambda text: text in {PAY_BILL, BUY_GOODS},
        "Amount": _is_amount,
        "PartyA": _matches(r"254[17]\d{8}"),
        "PartyB": _matches(r"\d{5,7}"),
        "PhoneNumber": _matches(r"254[17]\d{8}"),
        "CallBackURL": _is_callback_url,
        "AccountReference": _matches(rf"[A-Za-z0-9 ]{{1,{ACCOUNT_REFERENCE_LENGTH_MAX}}}"),
        "TransactionDesc": lambda text: len(text) <= DESCRIPTION_LENGTH_MAX,
    }
)

QUERY_FIELDS: Checks = MappingProxyType({**_SIGNED, "CheckoutRequestID": _matches(r"\S{1,128}")})


def _first_objection(fields: Mapping[str, Any], checks: Checks) -> Refusal | None:
    for name, acceptable in checks.items():
        if not acceptable(_text(fields.get(name))):
            return invalid_field(name)
    return None


def _merchant_objection(
    fields: Mapping[str, Any], *, short_code: str, pass_key: str
) -> Refusal | None:
    if _text(fields["BusinessShortCode"]) != short_code:
        return REFUSALS["unknown_merchant"]
    expected = push_password(
        short_code=short_code, pass_key=pass_key, timestamp=_text(fields["Timestamp"])
    )
    return None if fields["Password"] == expected else REFUSALS["wrong_password"]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return ""
    if isinstance(value, int):
        return str(value) if abs(value) < 10**15 else ""
    return value if isinstance(value, str) else ""
