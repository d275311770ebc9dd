"""Loans as the accounting API lists them: each with its schedule and its repayments.

Three tables in one read model, so that a loan, its instalments and its repayments always speak of
the same moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.loans.loan import LoanStatus
from domain.loans.standing import SURPLUS, due_cents
from domain.loans.terms import TERM_MONTHS_MAX, Component
from domain.money import text_from_cents
from infra.event_store.reader import RecordedEvent
from projections.listing import Listing
from projections.read_model import Fold, ReadModel
from projections.rows import Rows

TABLES = """
CREATE TABLE {schema}.loans (
    loan_id             uuid          NOT NULL PRIMARY KEY,
    position            bigint        NOT NULL,
    loan_number         text          NOT NULL,
    member_id           uuid          NOT NULL,
    member_number       text          NOT NULL,
    product_code        text          NOT NULL,
    amount              numeric(15,2) NOT NULL,
    interest_rate       numeric(9,4)  NOT NULL,
    rate_period         text          NOT NULL,
    term_months         integer       NOT NULL,
    monthly_payment     numeric(15,2),
    total_payable       numeric(15,2),
    paid_amount         numeric(15,2) NOT NULL,
    balance             numeric(15,2) NOT NULL,
    principal_balance   numeric(15,2) NOT NULL,
    status              text          NOT NULL,
    application_date    date          NOT NULL,
    approval_date       date,
    disbursement_date   date,
    due_date            date,
    taken_over_date     date,
    oldest_open_due     date,
    purpose             text,
    updated_at          timestamptz   NOT NULL
) WITH (fillfactor = 80);
CREATE TABLE {schema}.instalments (
    instalment_id  text          NOT NULL PRIMARY KEY,
    loan_id        uuid          NOT NULL,
    number         integer       NOT NULL,
    due_date       date          NOT NULL,
    principal      numeric(15,2) NOT NULL,
    interest       numeric(15,2) NOT NULL,
    fee            numeric(15,2) NOT NULL,
    penalty        numeric(15,2) NOT NULL,
    principal_paid numeric(15,2) NOT NULL,
    interest_paid  numeric(15,2) NOT NULL,
    fee_paid       numeric(15,2) NOT NULL,
    penalty_paid   numeric(15,2) NOT NULL
) WITH (fillfactor = 80);
CREATE TABLE {schema}.repayments (
    repayment_id      uuid          NOT NULL PRIMARY KEY,
    position          bigint        NOT NULL,
    loan_id           uuid          NOT NULL,
    member_id         uuid          NOT NULL,
    amount            numeric(15,2) NOT NULL,
    payment_method    text          NOT NULL,
    payment_reference text          NOT NULL,
    payment_date      date          NOT NULL,
    principal_amount  numeric(15,2) NOT NULL,
    interest_amount   numeric(15,2) NOT NULL,
    fee_amount        numeric(15,2) NOT NULL,
    penalty_amount    numeric(15,2) NOT NULL,
    overpaid_amount   numeric(15,2) NOT NULL,
    status            text          NOT NULL,
    updated_at        timestamptz   NOT NULL
) WITH (fillfactor = 90);
"""
INDEXES = """
CREATE INDEX loans_newest ON {schema}.loans (application_date DESC, position DESC);
CREATE INDEX loans_by_status
    ON {schema}.loans (status, application_date DESC, position DESC);
CREATE INDEX loans_of_member ON {schema}.loans (member_id);
CREATE INDEX loans_updated ON {schema}.loans (updated_at);
CREATE INDEX instalments_of_loan ON {schema}.instalments (loan_id, number);
CREATE INDEX repayments_newest
    ON {schema}.repayments (payment_date DESC, position DESC, repayment_id DESC);
CREATE INDEX repayments_of_loan
    ON {schema}.repayments (loan_id, payment_date DESC, position DESC, repayment_id DESC);
CREATE INDEX repayments_of_member
    ON {schema}.repayments (member_id, payment_date DESC, position DESC, repayment_id DESC);
CREATE INDEX repayments_updated ON {schema}.repayments (updated_at);
"""


def _applied(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    rows["loans"].add(
        event.stream_id,
        position=event.position,
        loan_number=data["loan_number"],
        member_id=data["member_id"],
        member_number=data["member_number"],
        product_code=data["product_code"],
        amount=text_from_cents(data["amount_cents"]),
        interest_rate=data["terms"]["rate_percent"],
        rate_period=data["terms"]["rate_period"],
        term_months=data["term_months"],
        monthly_payment=None,
        total_payable=None,
        paid_amount="0",
        balance="0",
        principal_balance="0",
        status=LoanStatus.PENDING,
        application_date=data.get("applied_on") or data["disbursed_on"],
        approval_date=None,
        disbursement_date=None,
        due_date=None,
        oldest_open_due=None,
        taken_over_date=None,
        purpose=data.get("purpose"),
        updated_at=event.recorded_at,
    )


def _taken_over(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    """It was applied for and approved in older books; of those days one is known."""
    data = event.data
    _applied(event, rows)
    _set(
        event,
        rows,
        monthly_payment=text_from_cents(data["instalment_cents"]),
        status=LoanStatus.ACTIVE,
        disbursement_date=data["disbursed_on"],
        taken_over_date=data["taken_over_on"],
        due_date=data["ends_on"],
        **_sums(event, rows),
    )


def _set(event: RecordedEvent, rows: Mapping[str, Rows], **columns: Any) -> None:
    rows["loans"].set(event.stream_id, updated_at=event.recorded_at, **columns)


def _approved(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    _set(
        event,
        rows,
        status=LoanStatus.APPROVED,
        amount=text_from_cents(event.data["amount_cents"]),
        approval_date=event.data["approved_on"],
    )


def _status(status: LoanStatus) -> Fold:
    def fold(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
        _set(event, rows, status=status)

    return fold


def _sums(event: RecordedEvent, rows: Mapping[str, Rows]) -> dict[str, Any]:
    """Write the instalments an event changed; answer the loan's columns after it."""
    after = event.data["after"]
    for line in after["lines"]:
        _put_instalment(event, rows, line)
    return {
        "total_payable": text_from_cents(after["payable_cents"]),
        "paid_amount": text_from_cents(after["paid_cents"]),
        "balance": text_from_cents(after["balance_cents"]),
        "principal_balance": text_from_cents(after["principal_cents"]),
        "oldest_open_due": after["due_since"],
    }


def _put_instalment(event: RecordedEvent, rows: Mapping[str, Rows], line: Any) -> None:
    key = f"{event.stream_id}/{line['number']}"
    columns: dict[str, Any] = {}
    for component in Component:
        columns[str(component)] = text_from_cents(due_cents(line, component))
        columns[f"{component}_paid"] = text_from_cents(line["paid"][component])
    if event.topic in ("loan.disbursed", "loan.restructured", "loan.taken-over"):
        columns |= {"loan_id": event.stream_id, "number": line["number"]}
        rows["instalments"].add(key, **columns, due_date=line["due_on"])
    else:
        rows["instalments"].set(key, **columns)


def _disbursed(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    _set(
        event,
        rows,
        status=LoanStatus.ACTIVE,
        monthly_payment=text_from_cents(data["instalment_cents"]),
        disbursement_date=data["disbursed_on"],
        due_date=data["ends_on"],
        **_sums(event, rows),
    )


def _restructured(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    for number in range(1, TERM_MONTHS_MAX + 1):
        rows["instalments"].remove(f"{event.stream_id}/{number}")
    _set(
        event,
        rows,
        monthly_payment=text_from_cents(data["instalment_cents"]),
        due_date=data["ends_on"],
        interest_rate=data["terms"]["rate_percent"],
        term_months=len(data["after"]["lines"]),
        **_sums(event, rows),
    )


def _money_moved(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    _set(event, rows, **_sums(event, rows))


def _amounts(parts: Mapping[str, int]) -> dict[str, str]:
    """A repayment is the effect on the loan; what was surplus is shown beside it."""
    applied_cents = sum(parts[component] for component in Component)
    return {
        "amount": text_from_cents(applied_cents),
        "overpaid_amount": text_from_cents(parts[SURPLUS]),
    } | {f"{part}_amount": text_from_cents(parts[part]) for part in Component}


def _received(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    _add_repayment(event, rows, event.data["parts"])
    _money_moved(event, rows)


def _recovered(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    """What comes in of a loan written off is principal that was given up."""
    parts = dict.fromkeys([*Component, SURPLUS], 0)
    _add_repayment(event, rows, parts | {Component.PRINCIPAL: event.data["amount_cents"]})
    _set(event, rows)


def _add_repayment(
    event: RecordedEvent, rows: Mapping[str, Rows], parts: Mapping[str, int]
) -> None:
    data = event.data
    rows["repayments"].add(
        data["repayment_id"],
        position=event.position,
        loan_id=event.stream_id,
        member_id=data["member_id"],
        payment_method=data["payment_method"],
        payment_reference=data["payment_reference"],
        payment_date=data["paid_on"],
        status="completed",
        updated_at=event.recorded_at,
        **_amounts(parts),
    )


def _reallocated(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    at = event.recorded_at
    for repayment_id, parts in event.data["parts"].items():
        rows["repayments"].set(repayment_id, updated_at=at, **_amounts(parts))


def _reversed(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    at = event.recorded_at
    rows["repayments"].set(event.data["repayment_id"], status="reversed", updated_at=at)
    _money_moved(event, rows)


def _recovery_reversed(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    at = event.recorded_at
    rows["repayments"].set(event.data["repayment_id"], status="reversed", updated_at=at)
    _set(event, rows)


def _push_succeeded(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    """What was posted before its receipt came now carries the receipt's number."""
    data = event.data
    if data["repayment_id"] is not None:
        rows["repayments"].set(
            data["repayment_id"],
            payment_reference=data["receipt_number"],
            updated_at=event.recorded_at,
        )


def _became_overdue(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    _set(event, rows, status=event.data["status"])


def _written_off(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    _set(event, rows, status=LoanStatus.WRITTEN_OFF, balance="0", principal_balance="0")


def _member_erased(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    rows["loans"].sweep("member_id", event.stream_id, purpose=None)


LOANS = ReadModel(
    name="loans",
    tables=TABLES,
    indexes=INDEXES,
    keys={"loans": "loan_id", "instalments": "instalment_id", "repayments": "repayment_id"},
    folds={
        "loan.applied": _applied,
        "loan.approved": _approved,
        "loan.declined": _status(LoanStatus.DECLINED),
        "loan.disbursed": _disbursed,
        "loan.taken-over": _taken_over,
        "loan.repayment-received": _received,
        "loan.repayment-reversed": _reversed,
        "loan.repayments-reallocated": _reallocated,
        "loan.penalty-charged": _money_moved,
        "loan.penalty-reversed": _money_moved,
        "loan.fee-charged": _money_moved,
        "loan.became-overdue": _became_overdue,
        "loan.became-current": _status(LoanStatus.ACTIVE),
        "loan.restructured": _restructured,
        "loan.completed": _status(LoanStatus.COMPLETED),
        "loan.reopened": _status(LoanStatus.ACTIVE),
        "loan.written-off": _written_off,
        "loan.recovery-received": _recovered,
        "loan.recovery-reversed": _recovery_reversed,
        "push.succeeded": _push_succeeded,
        "member.erased": _member_erased,
    },
)

LOAN_ITEM = """
    'id', t.loan_id, 'loan_number', t.loan_number, 'member_id', t.member_id,
    'member_number', t.member_number, 'product_id', t.product_code, 'amount', t.amount::text,
    'interest_rate', trim_scale(t.interest_rate)::text, 'rate_period', t.rate_period,
    'term_months', t.term_months, 'monthly_payment', t.monthly_payment::text,
    'total_payable', t.total_payable::text, 'paid_amount', t.paid_amount::text,
    'balance', t.balance::text, 'principal_balance', t.principal_balance::text,
    'status', t.status, 'days_overdue', CASE WHEN t.status IN ('active', 'defaulted') THEN
        greatest(0, (now() AT TIME ZONE 'Africa/Nairobi')::date - t.oldest_open_due) ELSE 0 END,
    'application_date', t.application_date, 'approval_date', t.approval_date,
    'disbursement_date', t.disbursement_date, 'due_date', t.due_date,
    'next_due_date', CASE WHEN t.status IN ('active', 'defaulted') THEN t.oldest_open_due END,
    'purpose', t.purpose, 'updated_at', t.updated_at
"""
REPAYMENT_ITEM = """
    'id', t.repayment_id, 'loan_id', t.loan_id, 'member_id', t.member_id,
    'amount', t.amount::text, 'payment_method', t.payment_method,
    'payment_reference', t.payment_reference, 'payment_date', t.payment_date,
    'principal_amount', t.principal_amount::text, 'interest_amount', t.interest_amount::text,
    'fee_amount', t.fee_amount::text, 'penalty_amount', t.penalty_amount::text,
    'overpaid_amount', t.overpaid_amount::text, 'status', t.status, 'updated_at', t.updated_at
"""
LOAN_LIST = Listing(
    plural="loans",
    schema="read_loans",
    table="loans",
    item=LOAN_ITEM,
    order={"application_date": "date", "position": "bigint"},
    daily=True,
    filters={
        "status": "t.status = %(status)s",
        "member_id": "t.member_id = %(member_id)s",
        "date_from": "t.application_date >= %(date_from)s",
        "date_to": "t.application_date <= %(date_to)s",
        "updated_since": "t.updated_at >= %(updated_since)s",
    },
)
REPAYMENT_LIST = Listing(
    plural="repayments",
    schema="read_loans",
    table="repayments",
    item=REPAYMENT_ITEM,
    order={"payment_date": "date", "position": "bigint", "repayment_id": "uuid"},
    filters={
        "loan_id": "t.loan_id = %(loan_id)s",
        "member_id": "t.member_id = %(member_id)s",
        "date_from": "t.payment_date >= %(date_from)s",
        "date_to": "t.payment_date <= %(date_to)s",
        "updated_since": "t.updated_at >= %(updated_since)s",
    },
)
