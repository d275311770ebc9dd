"""What the simulator demands of paybill registrations and simulated payments, and of pulls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from domain.dates import NAIROBI
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
    matches,
    text,
)
from infra.mpesa.simulator.refusals import REFUSALS, Refusal

ACCOUNT_NUMBER_LENGTH_MAX = 20
COMPLETED, CANCELLED = "Completed", "Cancelled"
_PULL_MOMENT = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True)
class Registration:
    """Where payments are told, and what becomes of one while our validation is silent."""

    version: str
    response_type: str
    confirmation_url: str = field(repr=False)
    validation_url: str = field(repr=False)


@dataclass(frozen=True)
class CustomerPayment:
    """A customer's wish to pay the short code."""

    phone: str
    amount: int
    account_number: str
    transaction_type: str = "Pay Bill"


@dataclass(frozen=True)
class PullRequest:
    """A span of time, and how many of its payments to leave out."""

    start: datetime
    end: datetime
    offset: int


def read_registration(
    fields: Mapping[str, Any], *, version: str, short_code: str
) -> Registration | Refusal:
    """The addresses that the fields name, or the first objection to them."""
    refusal = _objection(fields, REGISTRATION_FIELDS, short_code)
    if refusal is not None:
        return refusal
    return Registration(
        version,
        text(fields["ResponseType"]),
        text(fields["ConfirmationURL"]),
        text(fields["ValidationURL"]),
    )


def read_simulated_payment(
    fields: Mapping[str, Any], *, short_code: str
) -> CustomerPayment | Refusal:
    """The payment that the fields describe, or the first objection to them."""
    refusal = _objection(fields, SIMULATION_FIELDS, short_code)
    if refusal is not None:
        return refusal
    is_till = fields["CommandID"] == BUY_GOODS
    return CustomerPayment(
        phone=text(fields["Msisdn"]),
        amount=int(text(fields["Amount"])),
        account_number="" if is_till else text(fields.get("BillRefNumber")),
        transaction_type="Buy Goods" if is_till else "Pay Bill",
    )


def read_pull_registration(fields: Mapping[str, Any], *, short_code: str) -> Refusal | None:
    """The first objection to a wish to pull."""
    return _objection(fields, PULL_REGISTRATION_FIELDS, short_code)


def read_pull(fields: Mapping[str, Any], *, short_code: str) -> PullRequest | Refusal:
    """The span that the fields name, or the first objection to them."""
    refusal = _objection(fields, PULL_FIELDS, short_code)
    if refusal is not None:
        return refusal
    return PullRequest(
        _kenyan(fields["StartDate"]), _kenyan(fields["EndDate"]), int(text(fields["OffSetValue"]))
    )


REGISTRATION_FIELDS: Checks = MappingProxyType(
    {
        "ShortCode": is_short_code,
        "ResponseType": is_one_of(COMPLETED, CANCELLED),
        "ConfirmationURL": is_callback_url,
        "ValidationURL": is_callback_url,
    }
)
SIMULATION_FIELDS: Checks = MappingProxyType(
    {
        "ShortCode": is_short_code,
        "CommandID": is_one_of(PAY_BILL, BUY_GOODS),
        "Amount": is_amount,
        "Msisdn": is_phone,
        "BillRefNumber": matches(rf".{{0,{ACCOUNT_NUMBER_LENGTH_MAX}}}"),
    }
)
PULL_REGISTRATION_FIELDS: Checks = MappingProxyType(
    {
        "ShortCode": is_short_code,
        "RequestType": is_one_of("Pull"),
        "NominatedNumber": matches(r"(254|0)[17]\d{8}"),
        "CallBackURL": is_callback_url,
    }
)
PULL_FIELDS: Checks = MappingProxyType(
    {
        "ShortCode": is_short_code,
        "StartDate": is_moment(_PULL_MOMENT),
        "EndDate": is_moment(_PULL_MOMENT),
        "OffSetValue": matches(r"\d{1,9}"),
    }
)


def _objection(fields: Mapping[str, Any], checks: Checks, short_code: str) -> Refusal | None:
    refusal = first_objection(fields, checks)
    if refusal is None and text(fields["ShortCode"]) != short_code:
        return REFUSALS["foreign_short_code"]
    return refusal


def _kenyan(value: object) -> datetime:
    return datetime.strptime(text(value), _PULL_MOMENT).replace(tzinfo=NAIROBI)
