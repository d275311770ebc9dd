"""Money that we send by M-Pesa, as others are told of it; a reversal too.

A payout's end does not repeat what it was for; its first event says it.
"""

from __future__ import annotations

from typing import Any

from domain.api_keys.api_key import Permission
from domain.money import text_from_cents
from domain.mpesa.payout_states import PayoutPurpose
from infra.event_store.reader import RecordedEvent
from projections.public_events.public_type import (
    AMOUNT,
    ID,
    MOMENT,
    TEXT,
    Opening,
    PublicType,
    Row,
    Translation,
    one_of,
    or_null,
)

_PAYOUT = {
    "id": ID,
    "member_id": or_null(ID),
    "loan_id": or_null(ID),
    "payout_purpose": one_of(*map(str, PayoutPurpose)),
    "amount": AMOUNT,
}


def _payout(name: str, about: str, **data: Any) -> PublicType:
    subjects = ("loan_id", "member_id", "id")
    return PublicType(name, about, Permission.OPERATE, subjects, _PAYOUT | data)


REQUESTED = _payout("payout.requested", "Money is to go out by M-Pesa.", requested_at=MOMENT)
PAID = _payout(
    "payout.paid",
    "It went out, with a receipt where M-Pesa told one.",
    receipt_number=or_null(TEXT),
    completed_at=MOMENT,
)
FAILED = _payout(
    "payout.failed",
    "It did not go out.",
    result_code=TEXT,
    completed_at=MOMENT,
)
CONTRADICTED = _payout(
    "payout.contradicted",
    "It was settled, and is told otherwise now; persons find out.",
    was=one_of("paid", "not_paid"),
    told_at=MOMENT,
)


def _about(event: RecordedEvent, opening: Opening) -> dict[str, Any]:
    is_loan = opening["purpose"] == PayoutPurpose.LOAN_DISBURSEMENT
    return {
        "id": event.stream_id,
        "member_id": opening["member_id"],
        "loan_id": opening["source_id"] if is_loan else None,
        "payout_purpose": opening["purpose"],
        "amount": text_from_cents(opening["amount_cents"]),
    }


def _requested(event: RecordedEvent, _: Opening) -> Translation:
    told = {"requested_at": event.data["requested_at"]}
    yield REQUESTED, _about(event, event.data) | told


def _told(kind: PublicType, **fields: str) -> Row:
    """Fields of the item, by the names that the event has for them."""

    def translate(event: RecordedEvent, opening: Opening) -> Translation:
        told = {name: event.data[private] for name, private in fields.items()}
        yield kind, _about(event, opening) | told

    return Row((kind,), translate, opened=True)


ROWS = {
    "payout.requested": Row((REQUESTED,), _requested),
    "payout.succeeded": _told(PAID, receipt_number="receipt_number", completed_at="completed_at"),
    "payout.failed": _told(FAILED, result_code="result_code", completed_at="failed_at"),
    "payout.contradicted": _told(CONTRADICTED, was="was", told_at="told_at"),
}
