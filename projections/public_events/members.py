"""Members and their contributions, as others are told of them: numbers and days, never persons."""

from __future__ import annotations

from typing import Any

from domain.api_keys.api_key import Permission
from domain.contributions.refund import RefundMethod
from domain.contributions.refunds import REFUNDABLE
from domain.contributions.rules import OPENING_BALANCE, ContributionType, PaymentMethod
from domain.members.member import MemberStatus
from domain.money import text_from_cents
from infra.event_store.reader import RecordedEvent
from projections.public_events.public_type import (
    AMOUNT,
    DAY,
    ID,
    TEXT,
    Opening,
    PublicType,
    Row,
    Translation,
    one_of,
)

_STATUS = one_of(*{status.on_the_wire for status in MemberStatus})
_CONTRIBUTION_TYPE = one_of(*map(str, ContributionType))
_CONTRIBUTION = {"id": ID, "member_id": ID}


def _member(name: str, about: str, notice: str | None = None, /, **data: Any) -> PublicType:
    return PublicType(
        name, about, Permission.READ_MEMBERS, ("id",), {"id": ID, **data}, notice=notice
    )


def _contribution(name: str, about: str, notice: str | None = None, /, **data: Any) -> PublicType:
    reads = Permission.READ_CONTRIBUTIONS
    return PublicType(name, about, reads, ("member_id",), _CONTRIBUTION | data, notice=notice)


CREATED = _member(
    "member.created",
    "A person became a member.",
    "welcome",
    member_number=TEXT,
    registration_date=DAY,
    status=_STATUS,
)
CONTACT_CHANGED = _member(
    "member.contact_changed", "A member is reached otherwise; ask the API how."
)
SUSPENDED = _member(
    "member.suspended", "A member was suspended.", status=_STATUS, suspension_date=DAY
)
REACTIVATED = _member(
    "member.reactivated", "A suspension is over.", status=_STATUS, reactivation_date=DAY
)
EXITED = _member("member.exited", "A member left.", status=_STATUS, exit_date=DAY)
ERASED = _member(
    "member.erased",
    "A member's person was forgotten; forget it too.",
    status=_STATUS,
    erasure_date=DAY,
)
RECEIVED = _contribution(
    "contribution.received",
    "A member put money in. `balance` is that of its type, and `total_contributions` that of all.",
    "contribution_confirmation",
    member_number=TEXT,
    amount=AMOUNT,
    contribution_type=_CONTRIBUTION_TYPE,
    payment_method=one_of(*map(str, PaymentMethod), OPENING_BALANCE),
    payment_reference=TEXT,
    contribution_date=DAY,
    status=one_of("completed"),
    balance=AMOUNT,
    total_contributions=AMOUNT,
)
REVERSED = _contribution(
    "contribution.reversed",
    "A contribution was undone, wholly.",
    amount=AMOUNT,
    contribution_type=_CONTRIBUTION_TYPE,
    status=one_of("reversed"),
    reversal_date=DAY,
    balance=AMOUNT,
    total_contributions=AMOUNT,
)
RECEIPTED = PublicType(
    "contribution.receipted",
    "The M-Pesa receipt that proves a contribution is known.",
    Permission.READ_CONTRIBUTIONS,
    ("member_id",),
    _CONTRIBUTION | {"payment_reference": TEXT},
)
_REFUND = {
    "amount": AMOUNT,
    "contribution_type": one_of(*map(str, REFUNDABLE)),
}


def _refund(name: str, about: str, **data: Any) -> PublicType:
    reads = Permission.READ_CONTRIBUTIONS
    return PublicType(name, about, reads, ("member_id",), _CONTRIBUTION | _REFUND | data)


_SUMS = {"balance": AMOUNT, "total_contributions": AMOUNT}
REFUND_STARTED = _refund(
    "refund.started",
    "Money is on its way back to a member, and no longer in their balance.",
    start_date=DAY,
    **_SUMS,
)
REFUND_PAID = _refund(
    "refund.paid",
    "A refund reached its member.",
    payment_method=one_of(*map(str, RefundMethod)),
    payment_reference=TEXT,
    payment_date=DAY,
)
REFUND_RETURNED = _refund(
    "refund.returned",
    "A refund did not reach its member; it is in their balance again.",
    return_date=DAY,
    **_SUMS,
)


def _created(event: RecordedEvent, _: Opening) -> Translation:
    data = event.data
    yield (
        CREATED,
        {
            "id": event.stream_id,
            "member_number": data["member_number"],
            "registration_date": data["registered_on"],
            "status": MemberStatus.ACTIVE.on_the_wire,
        },
    )


def _contact_changed(event: RecordedEvent, _: Opening) -> Translation:
    yield CONTACT_CHANGED, {"id": event.stream_id}


def _stands(kind: PublicType, status: MemberStatus, day: str, private_day: str) -> Row:
    def translate(event: RecordedEvent, _: Opening) -> Translation:
        yield (
            kind,
            {"id": event.stream_id, "status": status.on_the_wire, day: event.data[private_day]},
        )

    return Row((kind,), translate)


def _sums(data: dict[str, Any]) -> dict[str, str]:
    return {
        "amount": text_from_cents(data["amount_cents"]),
        "balance": text_from_cents(data["balance_cents"]),
        "total_contributions": text_from_cents(data["contributed_cents"]),
    }


def _received(event: RecordedEvent, _: Opening) -> Translation:
    data = event.data
    yield (
        RECEIVED,
        {
            "id": data["contribution_id"],
            "member_id": data["member_id"],
            "member_number": data["member_number"],
            "contribution_type": data["contribution_type"],
            "payment_method": data["payment_method"],
            "payment_reference": data["payment_reference"],
            "contribution_date": data["contributed_on"],
            "status": "completed",
            **_sums(data),
        },
    )


def _reversed(event: RecordedEvent, _: Opening) -> Translation:
    data = event.data
    yield (
        REVERSED,
        {
            "id": data["contribution_id"],
            "member_id": data["member_id"],
            "contribution_type": data["contribution_type"],
            "status": "reversed",
            "reversal_date": data["reversed_on"],
            **_sums(data),
        },
    )


def _refund_moved(kind: PublicType, day: str, private_day: str) -> Row:
    def translate(event: RecordedEvent, _: Opening) -> Translation:
        data = event.data
        yield (
            kind,
            {
                "id": data["refund_id"],
                "member_id": data["member_id"],
                "contribution_type": data["contribution_type"],
                day: data[private_day],
                **_sums(data),
            },
        )

    return Row((kind,), translate)


def _refund_paid(event: RecordedEvent, _: Opening) -> Translation:
    data = event.data
    copied = ("member_id", "contribution_type", "payment_method", "payment_reference")
    yield (
        REFUND_PAID,
        {
            "id": data["refund_id"],
            "amount": text_from_cents(data["amount_cents"]),
            "payment_date": data["paid_on"],
            **{name: data[name] for name in copied},
        },
    )


ROWS = {
    "member.registered": Row((CREATED,), _created),
    "member.contact-changed": Row((CONTACT_CHANGED,), _contact_changed),
    "member.suspended": _stands(
        SUSPENDED, MemberStatus.SUSPENDED, "suspension_date", "suspended_on"
    ),
    "member.reactivated": _stands(
        REACTIVATED, MemberStatus.ACTIVE, "reactivation_date", "reactivated_on"
    ),
    "member.exited": _stands(EXITED, MemberStatus.EXITED, "exit_date", "exited_on"),
    "member.erased": _stands(ERASED, MemberStatus.ERASED, "erasure_date", "erased_on"),
    "account.contribution-received": Row((RECEIVED,), _received),
    "account.contribution-reversed": Row((REVERSED,), _reversed),
    "account.refund-held": _refund_moved(REFUND_STARTED, "start_date", "held_on"),
    "account.refund-paid": Row((REFUND_PAID,), _refund_paid),
    "account.refund-returned": _refund_moved(REFUND_RETURNED, "return_date", "returned_on"),
}
