"""Loans and repayments, as others are told of them.

What moves a loan's money says its new sums in the API's words, so that whoever keeps the API's
fields and puts in what each item names holds what the API lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from domain.api_keys.api_key import Permission
from domain.contributions.rules import PaymentMethod
from domain.loans.handlers import DISBURSEMENT_METHODS
from domain.loans.loan import LoanStatus
from domain.loans.terms import RatePeriod
from domain.money import text_from_cents
from infra.event_store.reader import RecordedEvent
from projections.public_events.public_type import (
    AMOUNT,
    COUNT,
    DAY,
    ID,
    RATE,
    TEXT,
    Opening,
    PublicType,
    Row,
    Translation,
    Word,
    one_of,
    or_null,
)

_STATUS = one_of(*map(str, LoanStatus))
_DISBURSED_BY = one_of(*DISBURSEMENT_METHODS, PaymentMethod.MPESA)
SUMS: Mapping[str, Word] = {
    "total_payable": AMOUNT,
    "paid_amount": AMOUNT,
    "balance": AMOUNT,
    "principal_balance": AMOUNT,
    "next_due_date": or_null(DAY),
}


def _loan(name: str, about: str, notice: str | None = None, /, **data: Any) -> PublicType:
    held = {"id": ID, "member_id": ID, **data}
    return PublicType(name, about, Permission.READ_LOANS, ("id",), held, notice=notice)


_GRANTED: Mapping[str, Word] = {
    "loan_number": TEXT,
    "member_number": TEXT,
    "product_id": TEXT,
    "amount": AMOUNT,
    "interest_rate": RATE,
    "rate_period": one_of(*map(str, RatePeriod)),
    "term_months": COUNT,
    "status": _STATUS,
    "application_date": DAY,
}
CREATED = _loan("loan.created", "A member asked for a loan.", "loan_application", **_GRANTED)
TAKEN_OVER = _loan(
    "loan.taken_over",
    "A loan of older books goes on here; this is how it stood.",
    **_GRANTED,
    monthly_payment=AMOUNT,
    disbursement_date=DAY,
    taken_over_date=DAY,
    due_date=DAY,
    **SUMS,
)
APPROVED = _loan(
    "loan.approved",
    "A loan was granted, perhaps less than was asked for.",
    "loan_approval",
    amount=AMOUNT,
    status=_STATUS,
    approval_date=DAY,
)
DECLINED = _loan(
    "loan.declined", "A loan was refused.", "loan_decline", status=_STATUS, decline_date=DAY
)
DISBURSED = _loan(
    "loan.disbursed",
    "A loan was paid out; `kept_back_amount` of it went to fees and insurance.",
    "loan_disbursement",
    amount=AMOUNT,
    kept_back_amount=AMOUNT,
    payment_method=_DISBURSED_BY,
    payment_reference=TEXT,
    monthly_payment=AMOUNT,
    status=_STATUS,
    disbursement_date=DAY,
    due_date=DAY,
    **SUMS,
)
BALANCE_CHANGED = _loan(
    "loan.balance_changed", "A repayment, or its reversal, changed what is owed.", **SUMS
)
FEE_CHARGED = _loan(
    "loan.fee_charged",
    "Something was charged beside the schedule.",
    fee_id=ID,
    fee_amount=AMOUNT,
    charge_date=DAY,
    fee_due_date=DAY,
    **SUMS,
)
_PENALTY = {"instalment_number": COUNT, "penalty_amount": AMOUNT, "charge_date": DAY, **SUMS}
PENALTY_CHARGED = _loan("loan.penalty_charged", "An instalment was paid too late.", **_PENALTY)
PENALTY_REVERSED = _loan("loan.penalty_reversed", "A penalty was taken back.", **_PENALTY)
_LATE = {"status": _STATUS, "overdue_amount": AMOUNT, "overdue_since": DAY}
OVERDUE = _loan("loan.overdue", "Something that was due is late.", "overdue_reminder", **_LATE)
DEFAULTED = _loan("loan.defaulted", "Something has been late for too long.", **_LATE)
CURRENT = _loan("loan.current", "Nothing is late any more.", status=_STATUS)
INSTALMENT_DUE = _loan(
    "loan.instalment_due",
    "An instalment falls due in a few days.",
    "payment_reminder",
    instalment_number=COUNT,
    instalment_due_date=DAY,
    instalment_amount=AMOUNT,
)
RESTRUCTURED = _loan(
    "loan.restructured",
    "What is owed was spread anew; `capitalised_amount` of it became principal.",
    interest_rate=RATE,
    term_months=COUNT,
    monthly_payment=AMOUNT,
    capitalised_amount=AMOUNT,
    restructuring_date=DAY,
    due_date=DAY,
    **SUMS,
)
_SETTLED = {"status": _STATUS, "completion_date": DAY, "next_due_date": or_null(DAY)}
COMPLETED = _loan("loan.completed", "Nothing is owed any more.", **_SETTLED)
REOPENED = _loan("loan.reopened", "Something is owed again.", status=_STATUS, reopening_date=DAY)
WRITTEN_OFF = _loan(
    "loan.written_off",
    "We gave up what is owed; it may still be recovered.",
    status=_STATUS,
    balance=AMOUNT,
    principal_balance=AMOUNT,
    next_due_date=or_null(DAY),
    written_off_amount=AMOUNT,
    write_off_date=DAY,
)
_RECOVERY = {"recovered_amount": AMOUNT, "recoverable_amount": AMOUNT}
RECOVERED = _loan("loan.recovered", "Something came in of what was written off.", **_RECOVERY)
RECOVERY_REVERSED = _loan("loan.recovery_reversed", "A recovery was undone, wholly.", **_RECOVERY)
Data = dict[str, Any]


def _of_loan(kind: PublicType, say: Callable[[Data], Data]) -> Row:
    """A topic that gives one item about its loan."""

    def translate(event: RecordedEvent, _: Opening) -> Translation:
        yield kind, about_loan(event) | say(event.data)

    return Row((kind,), translate)


def about_loan(event: RecordedEvent) -> Data:
    """Which loan, and whose."""
    return {"id": event.stream_id, "member_id": event.data["member_id"]}


def sums(data: Data) -> Data:
    """What the loan owes after an event that moved its money."""
    after = data["after"]
    return {
        "total_payable": text_from_cents(after["payable_cents"]),
        "paid_amount": text_from_cents(after["paid_cents"]),
        "balance": text_from_cents(after["balance_cents"]),
        "principal_balance": text_from_cents(after["principal_cents"]),
        "next_due_date": after["due_since"],
    }


def _rate(percent: str) -> str:
    return f"{Decimal(percent).normalize():f}"


def _granted(data: Data) -> Data:
    return {
        "loan_number": data["loan_number"],
        "member_number": data["member_number"],
        "product_id": data["product_code"],
        "amount": text_from_cents(data["amount_cents"]),
        "interest_rate": _rate(data["terms"]["rate_percent"]),
        "rate_period": data["terms"]["rate_period"],
        "term_months": data["term_months"],
    }


def _created(data: Data) -> Data:
    dated = {"status": LoanStatus.PENDING, "application_date": data["applied_on"]}
    return _granted(data) | dated


def _taken_over(data: Data) -> Data:
    """Of the days on which it was applied for, granted and paid out, the last is known."""
    return (
        _granted(data)
        | sums(data)
        | {
            "status": LoanStatus.ACTIVE,
            "application_date": data["disbursed_on"],
            "monthly_payment": text_from_cents(data["instalment_cents"]),
            "disbursement_date": data["disbursed_on"],
            "taken_over_date": data["taken_over_on"],
            "due_date": data["ends_on"],
        }
    )


def _approved(data: Data) -> Data:
    return {
        "amount": text_from_cents(data["amount_cents"]),
        "status": LoanStatus.APPROVED,
        "approval_date": data["approved_on"],
    }


def _disbursed(data: Data) -> Data:
    return sums(data) | {
        "amount": text_from_cents(data["amount_cents"]),
        "kept_back_amount": text_from_cents(data["kept_back_cents"]),
        "payment_method": data["payment_method"],
        "payment_reference": data["payment_reference"],
        "monthly_payment": text_from_cents(data["instalment_cents"]),
        "status": LoanStatus.ACTIVE,
        "disbursement_date": data["disbursed_on"],
        "due_date": data["ends_on"],
    }


def _fee_charged(data: Data) -> Data:
    return sums(data) | {
        "fee_id": data["fee_id"],
        "fee_amount": text_from_cents(data["amount_cents"]),
        "charge_date": data["charged_on"],
        "fee_due_date": data["due_on"],
    }


def _penalty(data: Data) -> Data:
    return sums(data) | {
        "instalment_number": data["number"],
        "penalty_amount": text_from_cents(data["amount_cents"]),
        "charge_date": data["charged_on"],
    }


def _late(event: RecordedEvent, _: Opening) -> Translation:
    data = event.data
    kind = DEFAULTED if data["status"] == LoanStatus.DEFAULTED else OVERDUE
    told = {
        "status": data["status"],
        "overdue_amount": text_from_cents(data["overdue_cents"]),
        "overdue_since": data["due_since"],
    }
    yield kind, about_loan(event) | told


def _instalment_due(data: Data) -> Data:
    return {
        "instalment_number": data["number"],
        "instalment_due_date": data["due_on"],
        "instalment_amount": text_from_cents(data["amount_cents"]),
    }


def _restructured(data: Data) -> Data:
    return sums(data) | {
        "interest_rate": _rate(data["terms"]["rate_percent"]),
        "term_months": len(data["after"]["lines"]),
        "monthly_payment": text_from_cents(data["instalment_cents"]),
        "capitalised_amount": text_from_cents(data["capitalised_cents"]),
        "restructuring_date": data["restructured_on"],
        "due_date": data["ends_on"],
    }


def _written_off(data: Data) -> Data:
    return {
        "status": LoanStatus.WRITTEN_OFF,
        "balance": "0.00",
        "principal_balance": "0.00",
        "next_due_date": None,
        "written_off_amount": text_from_cents(data["amount_cents"]),
        "write_off_date": data["written_off_on"],
    }


ROWS = {
    "loan.applied": _of_loan(CREATED, _created),
    "loan.taken-over": _of_loan(TAKEN_OVER, _taken_over),
    "loan.approved": _of_loan(APPROVED, _approved),
    "loan.declined": _of_loan(
        DECLINED, lambda data: {"status": LoanStatus.DECLINED, "decline_date": data["declined_on"]}
    ),
    "loan.disbursed": _of_loan(DISBURSED, _disbursed),
    "loan.penalty-charged": _of_loan(PENALTY_CHARGED, _penalty),
    "loan.penalty-reversed": _of_loan(PENALTY_REVERSED, _penalty),
    "loan.fee-charged": _of_loan(FEE_CHARGED, _fee_charged),
    "loan.became-overdue": Row((OVERDUE, DEFAULTED), _late),
    "loan.became-current": _of_loan(CURRENT, lambda _: {"status": LoanStatus.ACTIVE}),
    "loan.instalment-due-soon": _of_loan(INSTALMENT_DUE, _instalment_due),
    "loan.restructured": _of_loan(RESTRUCTURED, _restructured),
    "loan.completed": _of_loan(
        COMPLETED,
        lambda data: {
            "status": LoanStatus.COMPLETED,
            "completion_date": data["completed_on"],
            "next_due_date": None,
        },
    ),
    "loan.reopened": _of_loan(
        REOPENED, lambda data: {"status": LoanStatus.ACTIVE, "reopening_date": data["reopened_on"]}
    ),
    "loan.written-off": _of_loan(WRITTEN_OFF, _written_off),
}
