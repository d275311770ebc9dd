"""Repayments, as others are told of them, and what they did to their loans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.api_keys.api_key import Permission
from domain.contributions.rules import PaymentMethod
from domain.loans.standing import SURPLUS
from domain.loans.terms import Component
from domain.money import text_from_cents
from infra.event_store.reader import RecordedEvent
from projections.public_events.loans import (
    BALANCE_CHANGED,
    RECOVERED,
    RECOVERY_REVERSED,
    Data,
    about_loan,
    sums,
)
from projections.public_events.public_type import (
    AMOUNT,
    DAY,
    ID,
    TEXT,
    Opening,
    PublicType,
    Row,
    Translation,
    Word,
    one_of,
)

_PARTS: Mapping[str, Word] = {
    "amount": AMOUNT,
    **{f"{component}_amount": AMOUNT for component in Component},
    "overpaid_amount": AMOUNT,
}


def _repayment(name: str, about: str, notice: str | None = None, /, **data: Any) -> PublicType:
    held = {"id": ID, "loan_id": ID, "member_id": ID, **data}
    return PublicType(name, about, Permission.READ_REPAYMENTS, ("loan_id",), held, notice=notice)


RECEIVED = _repayment(
    "repayment.received",
    "A payment had this effect on a loan. `loan_balance` is what is owed after it.",
    "repayment_confirmation",
    **_PARTS,
    payment_method=one_of(*map(str, PaymentMethod)),
    payment_reference=TEXT,
    payment_date=DAY,
    status=one_of("completed"),
    loan_balance=AMOUNT,
)
REVERSED = _repayment(
    "repayment.reversed",
    "A repayment was undone, wholly; `reversed_amount` is the whole payment.",
    reversed_amount=AMOUNT,
    status=one_of("reversed"),
    reversal_date=DAY,
    loan_balance=AMOUNT,
)
REALLOCATED = _repayment(
    "repayment.reallocated", "An entry that came late changed what a repayment paid.", **_PARTS
)
RECEIPTED = _repayment(
    "repayment.receipted",
    "The M-Pesa receipt that proves a repayment is known.",
    payment_reference=TEXT,
)


def _parts(parts: Mapping[str, int]) -> Data:
    return {
        "amount": text_from_cents(sum(parts[component] for component in Component)),
        **{f"{component}_amount": text_from_cents(parts[component]) for component in Component},
        "overpaid_amount": text_from_cents(parts[SURPLUS]),
    }


def _of_repayment(event: RecordedEvent, repayment_id: str) -> Data:
    return {
        "id": repayment_id,
        "loan_id": event.stream_id,
        "member_id": event.data["member_id"],
    }


def _paid(event: RecordedEvent, parts: Mapping[str, int], balance_cents: int) -> Data:
    data = event.data
    return (
        _of_repayment(event, data["repayment_id"])
        | _parts(parts)
        | {
            "payment_method": data["payment_method"],
            "payment_reference": data["payment_reference"],
            "payment_date": data["paid_on"],
            "status": "completed",
            "loan_balance": text_from_cents(balance_cents),
        }
    )


def _undone(event: RecordedEvent, balance_cents: int) -> Data:
    data = event.data
    return _of_repayment(event, data["repayment_id"]) | {
        "reversed_amount": text_from_cents(data["amount_cents"]),
        "status": "reversed",
        "reversal_date": data["reversed_on"],
        "loan_balance": text_from_cents(balance_cents),
    }


def _received(event: RecordedEvent, _: Opening) -> Translation:
    data = event.data
    yield RECEIVED, _paid(event, data["parts"], data["after"]["balance_cents"])
    yield BALANCE_CHANGED, about_loan(event) | sums(data)


def _reversed(event: RecordedEvent, _: Opening) -> Translation:
    yield REVERSED, _undone(event, event.data["after"]["balance_cents"])
    yield BALANCE_CHANGED, about_loan(event) | sums(event.data)


def _reallocated(event: RecordedEvent, _: Opening) -> Translation:
    for repayment_id, parts in event.data["parts"].items():
        yield REALLOCATED, _of_repayment(event, repayment_id) | _parts(parts)


def _recovery(data: Data) -> Data:
    return {
        "recovered_amount": text_from_cents(data["amount_cents"]),
        "recoverable_amount": text_from_cents(data["recoverable_cents"]),
    }


def _recovered(event: RecordedEvent, _: Opening) -> Translation:
    """What comes in of a loan written off is principal that was given up."""
    parts = dict.fromkeys([*map(str, Component), SURPLUS], 0)
    parts[Component.PRINCIPAL] = event.data["amount_cents"]
    yield RECEIVED, _paid(event, parts, 0)
    yield RECOVERED, about_loan(event) | _recovery(event.data)


def _recovery_reversed(event: RecordedEvent, _: Opening) -> Translation:
    yield REVERSED, _undone(event, 0)
    yield RECOVERY_REVERSED, about_loan(event) | _recovery(event.data)


ROWS = {
    "loan.repayment-received": Row((RECEIVED, BALANCE_CHANGED), _received),
    "loan.repayment-reversed": Row((REVERSED, BALANCE_CHANGED), _reversed),
    "loan.repayments-reallocated": Row((REALLOCATED,), _reallocated),
    "loan.recovery-received": Row((RECEIVED, RECOVERED), _recovered),
    "loan.recovery-reversed": Row((REVERSED, RECOVERY_REVERSED), _recovery_reversed),
}
