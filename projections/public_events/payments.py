"""M-Pesa payments and receipts, as others are told of them.

A push's outcome does not repeat whom it concerns; its first event says it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domain.api_keys.api_key import Permission
from domain.money import text_from_cents
from domain.mpesa.receipt import SuspenseReason
from domain.mpesa.stk_push import PushPurpose, PushState
from infra.event_store.reader import RecordedEvent
from projections.public_events import members, repayments
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

_PAYMENT = {
    "id": ID,
    "member_id": ID,
    "loan_id": or_null(ID),
    "payment_purpose": one_of(*map(str, PushPurpose)),
    "amount": AMOUNT,
    "status": one_of(*map(str, PushState)),
}
_RECEIPT = {"id": ID, "receipt_number": TEXT, "member_id": or_null(ID)}


def _payment(name: str, about: str, **data: Any) -> PublicType:
    reads = Permission.OPERATE
    return PublicType(name, about, reads, ("loan_id", "member_id"), _PAYMENT | data)


def _receipt(name: str, about: str, *, version: int = 1, **data: Any) -> PublicType:
    subjects = ("member_id", "id")
    return PublicType(name, about, Permission.OPERATE, subjects, _RECEIPT | data, version)


REQUESTED = _payment(
    "payment.requested",
    "A member is asked to pay by M-Pesa.",
    account_reference=TEXT,
    requested_at=MOMENT,
)
_ENDED = {"completed_at": MOMENT, "result_code": or_null(TEXT)}
REJECTED = _payment("payment.rejected", "Safaricom refused to ask the member.", **_ENDED)
FAILED = _payment("payment.failed", "The payment failed.", **_ENDED)
CANCELLED = _payment("payment.cancelled", "The member declined to pay.", **_ENDED)
EXPIRED = _payment("payment.expired", "No answer came in time.", **_ENDED)
IN_DOUBT = _payment("payment.in_doubt", "Nobody knows yet whether the member is asked.")
RECEIPT_AWAITED = _payment(
    "payment.receipt_awaited",
    "Paid, says a query; the receipt may follow.",
    amount_received=AMOUNT,
    completed_at=MOMENT,
)
SUCCEEDED = _payment(
    "payment.succeeded",
    "Paid, with a receipt.",
    amount_received=AMOUNT,
    receipt_number=TEXT,
    completed_at=MOMENT,
)
RECEIVED = _receipt(
    "receipt.received",
    "Money reached us by M-Pesa.",
    amount=AMOUNT,
    channel=TEXT,
    paid_at=MOMENT,
)
_GIVEN_BACK_IN_VAIN = ("refund_failed", "reversal_failed")
SUSPENDED = _receipt(
    "receipt.suspended",
    "A part of the money waits in suspense: `amount` more of it, `suspended_amount` in all.",
    version=2,
    amount=AMOUNT,
    suspended_amount=AMOUNT,
    reason=one_of(*map(str, SuspenseReason), *_GIVEN_BACK_IN_VAIN),
)
RELEASED = _receipt(
    "receipt.released",
    "Money left suspense: `amount` of it, `suspended_amount` is left. It was assigned, found its"
    " push, or is on its way back.",
    amount=AMOUNT,
    suspended_amount=AMOUNT,
    because=one_of("assigned", "push_found", "refund", "reversal"),
)

_Data = dict[str, Any]


def _about(event: RecordedEvent, opening: Opening, status: PushState) -> _Data:
    return {
        "id": event.stream_id,
        "member_id": opening["member_id"],
        "loan_id": opening["loan_id"],
        "payment_purpose": opening["purpose"],
        "amount": text_from_cents(opening["push_shillings"] * 100),
        "status": status,
    }


def _requested(event: RecordedEvent, _: Opening) -> Translation:
    data = event.data
    told = {key: data[key] for key in ("account_reference", "requested_at")}
    yield REQUESTED, _about(event, data, PushState.REQUESTED) | told


def _outcome(kind: PublicType, status: PushState, say: Callable[[_Data], _Data]) -> Row:
    def translate(event: RecordedEvent, opening: Opening) -> Translation:
        yield kind, _about(event, opening, status) | say(event.data)

    return Row((kind,), translate, opened=True)


def _ended(kind: PublicType, status: PushState, moment: str) -> Row:
    """The push ended without money, at the moment named by a field."""
    return _outcome(
        kind,
        status,
        lambda data: {"completed_at": data[moment], "result_code": data.get("result_code")},
    )


def _receipt_awaited(data: _Data) -> _Data:
    received = text_from_cents(data["posted_cents"])
    return {"amount_received": received, "completed_at": data["paid_at"]}


def _succeeded(event: RecordedEvent, opening: Opening) -> Translation:
    """What was posted before its receipt came now carries the receipt's number."""
    data = event.data
    number = data["receipt_number"]
    told = {
        "amount_received": text_from_cents(data["amount_cents"]),
        "receipt_number": number,
        "completed_at": data["paid_at"],
    }
    yield SUCCEEDED, _about(event, opening, PushState.SUCCEEDED) | told
    whose = {"member_id": opening["member_id"], "payment_reference": number}
    for contribution_id in data["contribution_ids"]:
        yield members.RECEIPTED, {"id": contribution_id} | whose
    if data["repayment_id"] is not None:
        told = {"id": data["repayment_id"], "loan_id": opening["loan_id"]}
        yield repayments.RECEIPTED, told | whose


def _received(event: RecordedEvent, _: Opening) -> Translation:
    data = event.data
    told = {key: data[key] for key in ("receipt_number", "member_id", "channel", "paid_at")}
    amount = text_from_cents(data["amount_cents"])
    yield RECEIVED, {"id": event.stream_id, "amount": amount} | told


def _moved(event: RecordedEvent, opening: Opening) -> _Data:
    """How much of a receipt went into suspense or out of it."""
    return {
        "id": event.stream_id,
        "receipt_number": opening["receipt_number"],
        "member_id": opening["member_id"],
        "amount": text_from_cents(event.data["amount_cents"]),
        "suspended_amount": text_from_cents(event.data["suspended_cents"]),
    }


def _suspended(event: RecordedEvent, opening: Opening) -> Translation:
    yield SUSPENDED, _moved(event, opening) | {"reason": event.data["reason"]}


def _suspended_again(reason: str) -> Row:
    def translate(event: RecordedEvent, opening: Opening) -> Translation:
        yield SUSPENDED, _moved(event, opening) | {"reason": reason}

    return Row((SUSPENDED,), translate, opened=True)


def _released(because: str | None = None) -> Row:
    def translate(event: RecordedEvent, opening: Opening) -> Translation:
        why = because or event.data["because"]
        yield RELEASED, _moved(event, opening) | {"because": why}

    return Row((RELEASED,), translate, opened=True)


ROWS = {
    "push.requested": Row((REQUESTED,), _requested),
    "push.rejected": _ended(REJECTED, PushState.REJECTED, "rejected_at"),
    "push.failed": _ended(FAILED, PushState.FAILED, "failed_at"),
    "push.cancelled": _ended(CANCELLED, PushState.CANCELLED, "cancelled_at"),
    "push.expired": _ended(EXPIRED, PushState.EXPIRED, "expired_at"),
    "push.left-in-doubt": _outcome(IN_DOUBT, PushState.IN_DOUBT, lambda _: {}),
    "push.paid-receipt-awaited": _outcome(
        RECEIPT_AWAITED, PushState.PAID_RECEIPT_AWAITED, _receipt_awaited
    ),
    "push.succeeded": Row(
        (SUCCEEDED, members.RECEIPTED, repayments.RECEIPTED), _succeeded, opened=True
    ),
    "receipt.received": Row((RECEIVED,), _received),
    "receipt.suspended": Row((SUSPENDED,), _suspended, opened=True),
    "receipt.released": _released(),
    "receipt.refund-started": _released("refund"),
    "receipt.refund-returned": _suspended_again("refund_failed"),
    "receipt.refund-undone": _suspended_again("refund_failed"),
    "receipt.reversal-started": _released("reversal"),
    "receipt.reversal-returned": _suspended_again("reversal_failed"),
    "receipt.reversal-undone": _suspended_again("reversal_failed"),
}
