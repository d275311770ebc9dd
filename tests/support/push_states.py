"""Pushes in every state they can be in, each brought there by real commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from domain.contributions.account import MemberAccount
from domain.identities import account_id, receipt_id
from domain.mpesa.receipt import Receipt
from domain.mpesa.sending import (
    DoubtAfterRestore,
    RecordAcknowledgement,
    RecordDoubt,
    RecordNotSent,
    RecordRefusal,
    StartSending,
    StopWaiting,
)
from domain.mpesa.stk_push import Push
from tests.support.co_operative import NOW, CoOperative

Step = Callable[[CoOperative, UUID], Any]


def acknowledged(co_operative: CoOperative, push_id: UUID) -> None:
    co_operative.dispatch(RecordAcknowledgement(push_id, "merchant-1", f"ws_CO_{push_id.hex}", NOW))


def sending_started(co_operative: CoOperative, push_id: UUID) -> Push | None:
    started: Push | None = co_operative.dispatch(StartSending(push_id, NOW))
    return started


def not_sent(co_operative: CoOperative, push_id: UUID) -> None:
    co_operative.dispatch(RecordNotSent(push_id, "connection refused", 2.0, NOW))


def refused(co_operative: CoOperative, push_id: UUID) -> None:
    co_operative.dispatch(RecordRefusal(push_id, "400.002.02", "Bad request", NOW))


def doubted(co_operative: CoOperative, push_id: UUID) -> None:
    co_operative.dispatch(RecordDoubt(push_id, "the answer was lost", NOW))


def log_restored(co_operative: CoOperative, push_id: UUID) -> None:
    co_operative.dispatch(DoubtAfterRestore(push_id, NOW))


def given_up(co_operative: CoOperative, push_id: UUID) -> None:
    co_operative.dispatch(StopWaiting(push_id, NOW))


def paid(co_operative: CoOperative, push_id: UUID) -> Any:
    return co_operative.paid(push_id)


def failed(code: str) -> Step:
    return lambda co_operative, push_id: co_operative.failed(push_id, code)


def queried(code: str) -> Step:
    return lambda co_operative, push_id: co_operative.queried(push_id, code)


WAYS: dict[str, tuple[Step, ...]] = {
    "requested": (),
    "sent": (sending_started,),
    "requested again": (sending_started, not_sent),
    "accepted": (sending_started, acknowledged),
    "in_doubt": (sending_started, doubted),
    "rejected": (sending_started, refused),
    "succeeded": (sending_started, acknowledged, paid),
    "paid_receipt_awaited": (sending_started, acknowledged, queried("0")),
    "failed": (sending_started, acknowledged, failed("1")),
    "failed, perhaps": (sending_started, acknowledged, queried("1037")),
    "cancelled": (sending_started, acknowledged, failed("1032")),
    "expired": (sending_started, acknowledged, given_up),
}
"""How a push comes into each state. Those with more than a state's name are two of a kind."""


def push_in(co_operative: CoOperative, member_id: UUID, where: str, **fields: Any) -> UUID:
    """A push of this member, brought into a state."""
    push_id = co_operative.push(member_id, **fields)
    for step in WAYS[where]:
        step(co_operative, push_id)
    return push_id


def state_of(co_operative: CoOperative, push_id: UUID) -> str:
    return str(co_operative.load(Push, push_id).state)


def account(co_operative: CoOperative, member_id: UUID) -> MemberAccount:
    found: MemberAccount = co_operative.load(MemberAccount, account_id(member_id))
    return found


def receipt(co_operative: CoOperative, receipt_number: str) -> Receipt:
    found: Receipt = co_operative.load(Receipt, receipt_id(receipt_number))
    return found


def receipt_number_of(push_id: UUID) -> str:
    """The number that `CoOperative.paid` uses where a test does not care."""
    return push_id.hex[:10].upper()
