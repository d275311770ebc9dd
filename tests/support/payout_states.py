"""Payouts in every state they can be in, each brought there by real commands."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from domain.contributions.refund import RefundMethod
from domain.contributions.refunds import ConfirmRefund, ProposeRefund
from domain.contributions.rules import ContributionType
from domain.identities import payout_id
from domain.loans.commands import ApproveLoan, PayOut, PayOutLoan
from domain.loans.loan import Loan
from domain.mpesa.payout import Payout
from domain.mpesa.payout_results import GiveUpAsking, RecordPayoutResult, RecordStatusAnswer
from domain.mpesa.payout_review import ConfirmSettlement, ProposeSettlement
from domain.mpesa.payout_sending import (
    RecordPayoutDoubt,
    RecordPayoutNotSent,
    RecordPayoutRefused,
    RecordPayoutTaken,
    StartPayout,
)
from domain.mpesa.payout_settling import ToldPaid
from tests.support.co_operative import NOW, TODAY, CoOperative

_short_codes = itertools.count(600_001)
PLENTY_CENTS = 10_000_000_00
Step = Callable[[CoOperative, UUID], Any]


def short_code() -> str:
    """One that no other test pays from: lanes that are stopped stay so."""
    return str(next(_short_codes))


def loan_paid_out(co_operative: CoOperative, *, now: datetime = NOW, **fields: Any) -> UUID:
    """A loan that was approved, and whose first payout is asked for. Answers the loan."""
    limit_cents = fields.pop("approval_limit_cents", 1_000_000_00)
    by_mpesa = PayOut(fields.pop("code", "") or short_code(), now)
    loan_id = co_operative.application(**fields)
    approver = co_operative.principal(approval_limit_cents=limit_cents)
    co_operative.dispatch(ApproveLoan(loan_id, approver, None, TODAY, by_mpesa))
    return loan_id


def paid_out_again(
    co_operative: CoOperative, loan_id: UUID, *, now: datetime = NOW, code: str = ""
) -> None:
    """Somebody asks that the loan, or its rest, be paid out by M-Pesa."""
    by_mpesa = PayOut(code or short_code(), now)
    co_operative.dispatch(PayOutLoan(loan_id, co_operative.principal(), None, by_mpesa))


def payout_of_loan(co_operative: CoOperative, loan_id: UUID, *, number: int | None = None) -> UUID:
    """Its nth payout; or its latest."""
    number = number or co_operative.load(Loan, loan_id).payouts_begun
    return payout_id(loan_id, number=number)


def refund_proposed(co_operative: CoOperative, member_id: UUID, **fields: Any) -> UUID:
    """Somebody asks that 1,000 of the deposits go back by M-Pesa."""
    values = {
        "refund_id": uuid4(),
        "contribution_type": ContributionType.MONTHLY,
        "amount_cents": 1_000_00,
        "payment_method": RefundMethod.MPESA,
        "payment_reference": None,
        "reason": "asked for it",
        "principal_id": str(uuid4()),
        "today": TODAY,
    }
    refund = co_operative.dispatch(ProposeRefund(member_id=member_id, **(values | fields)))
    return UUID(str(refund.id))


def refund_confirmed(co_operative: CoOperative, refund_id: UUID, **fields: Any) -> UUID:
    """Another agrees. Answers the id that its payout has."""
    values = {"principal_id": co_operative.principal(), "short_code": short_code(), "now": NOW}
    co_operative.dispatch(ConfirmRefund(refund_id, **(values | fields)))
    return payout_id(refund_id, number=1)


def refunded(co_operative: CoOperative, *, member_id: UUID | None = None, **fields: Any) -> UUID:
    """A payout of 1,000 of a member's deposits."""
    member_id = member_id or co_operative.member()
    co_operative.contribution(member_id)
    return refund_confirmed(co_operative, refund_proposed(co_operative, member_id), **fields)


# Steps of sending.


def sending_started(
    co_operative: CoOperative,
    payout: UUID,
    *,
    free_cents: int | None = PLENTY_CENTS,
    now: datetime = NOW,
) -> Any:
    return co_operative.dispatch(StartPayout(payout, free_cents, now))


def taken(co_operative: CoOperative, payout: UUID, *, now: datetime = NOW) -> None:
    co_operative.dispatch(RecordPayoutTaken(payout, "AG_1", str(payout), now))


def not_sent(
    co_operative: CoOperative,
    payout: UUID,
    *,
    now: datetime = NOW,
    after: float = 2.0,
    n: int | None = None,
) -> None:
    attempt = n or co_operative.load(Payout, payout).attempts
    co_operative.dispatch(RecordPayoutNotSent(payout, attempt, "connection refused", after, now))


def refused(
    co_operative: CoOperative,
    payout: UUID,
    *,
    is_configuration: bool = False,
    n: int | None = None,
) -> None:
    attempt = n or co_operative.load(Payout, payout).attempts
    command = RecordPayoutRefused(
        payout, attempt, "400.002.02", "Daraja found a field invalid", is_configuration, NOW
    )
    co_operative.dispatch(command)


def doubted(co_operative: CoOperative, payout: UUID) -> None:
    co_operative.dispatch(RecordPayoutDoubt(payout, "the answer was lost", NOW))


def given_up(co_operative: CoOperative, payout: UUID) -> None:
    co_operative.dispatch(GiveUpAsking(payout, "For a day nobody has told.", NOW))


# What is told.


def receipt_number_of(payout: UUID) -> str:
    """The receipt number under which Safaricom pays it, where a test does not care."""
    return payout.hex[:10].upper()


def result_paid(co_operative: CoOperative, payout: UUID, **fields: Any) -> Any:
    loaded = co_operative.load(Payout, payout)
    values = {
        "receipt_number": receipt_number_of(payout),
        "completed_at": NOW,
        "amount_cents": loaded.amount_cents,
        "utility_cents": PLENTY_CENTS,
    }
    originator = fields.pop("originator", str(payout))
    paid = ToldPaid(source="result", **(values | fields))
    command = RecordPayoutResult(payout, "0", "", originator, is_timeout=False, paid=paid, now=NOW)
    return co_operative.dispatch(command)


def result(co_operative: CoOperative, payout: UUID, code: str, *, is_timeout: bool = False) -> Any:
    command = RecordPayoutResult(
        payout, code, "a sentence", str(payout), is_timeout=is_timeout, paid=None, now=NOW
    )
    return co_operative.dispatch(command)


def status(co_operative: CoOperative, payout: UUID, said: str | None, **fields: Any) -> Any:
    """An answer to our question; with None, the question itself failed."""
    values = {
        "result_code": "0" if said else "2033",
        "result_description": "a sentence",
        "is_timeout": False,
        "transaction_status": said,
        "receipt_number": receipt_number_of(payout) if said == "Completed" else None,
        "amount_cents": None,
        "charge_cents": None,
        "finalised_at": NOW,
        "now": NOW,
    }
    return co_operative.dispatch(RecordStatusAnswer(payout, **(values | fields)))


def not_paid(co_operative: CoOperative, payout: UUID, code: str = "2040") -> None:
    """A failure is told, and our question is answered alike."""
    result(co_operative, payout, code)
    status(co_operative, payout, "Failed")


def settled_by_persons(co_operative: CoOperative, payout: UUID, *, is_paid: bool) -> None:
    """One finds out, another agrees."""
    proposed(co_operative, payout, is_paid=is_paid)
    co_operative.dispatch(ConfirmSettlement(payout, co_operative.principal(), NOW))


def proposed(
    co_operative: CoOperative, payout: UUID, *, is_paid: bool, number: str | None = None
) -> str:
    """Answers who proposed it."""
    by = co_operative.principal()
    number = number or (receipt_number_of(payout) if is_paid else None)
    co_operative.dispatch(
        ProposeSettlement(payout, is_paid, number, TODAY, "the statement, line 41", by, NOW)
    )
    return by


def state_of(co_operative: CoOperative, payout: UUID) -> str:
    return str(co_operative.load(Payout, payout).state)


WAYS: dict[str, tuple[Step, ...]] = {
    "requested": (),
    "held": (lambda co_operative, payout: sending_started(co_operative, payout, free_cents=None),),
    "sending": (sending_started,),
    "requested again": (sending_started, not_sent),
    "accepted": (sending_started, taken),
    "in_doubt": (sending_started, doubted),
    "review": (sending_started, doubted, given_up),
    "succeeded": (sending_started, taken, result_paid),
    "failed": (sending_started, taken, not_paid),
}
"""How a payout comes into each state."""


def payout_in(co_operative: CoOperative, where: str, *, member_id: UUID | None = None) -> UUID:
    """A refund's payout, brought into a state."""
    payout = refunded(co_operative, member_id=member_id)
    for step in WAYS[where]:
        step(co_operative, payout)
    return payout
