"""M-Pesa transactions as people look at them: every push, and what became of its money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg_pool import ConnectionPool

from domain.money import text_from_cents
from infra.event_store.reader import RecordedEvent
from projections.read_model import Fold, ReadModel
from projections.rows import Rows

TABLES = """
CREATE TABLE {schema}.transactions (
    transaction_id      uuid          NOT NULL PRIMARY KEY,
    position            bigint        NOT NULL,
    transaction_type    text          NOT NULL,
    member_id           uuid          NOT NULL,
    phone               text,
    amount              numeric(15,2) NOT NULL,
    payment_purpose     text          NOT NULL,
    loan_id             uuid,
    account_reference   text          NOT NULL,
    short_code          text          NOT NULL,
    status              text          NOT NULL,
    merchant_request_id text,
    checkout_request_id text,
    receipt_number      text,
    amount_received     numeric(15,2),
    result_code         text,
    result_description  text,
    requested_at        timestamptz   NOT NULL,
    completed_at        timestamptz
) WITH (fillfactor = 70);
CREATE TABLE {schema}.receipts (
    receipt_id     uuid          NOT NULL PRIMARY KEY,
    position       bigint        NOT NULL,
    receipt_number text          NOT NULL,
    member_id      uuid,
    amount         numeric(15,2) NOT NULL,
    suspended      numeric(15,2) NOT NULL,
    reason         text,
    channel        text          NOT NULL,
    paid_at        timestamptz   NOT NULL
) WITH (fillfactor = 85);
"""
INDEXES = """
CREATE INDEX transactions_of_member ON {schema}.transactions (member_id, position DESC);
CREATE INDEX transactions_by_status ON {schema}.transactions (status, position DESC);
CREATE INDEX transactions_by_receipt ON {schema}.transactions (receipt_number);
CREATE INDEX receipts_by_number ON {schema}.receipts (receipt_number);
CREATE INDEX receipts_in_suspense ON {schema}.receipts (position) WHERE suspended > 0;
"""


def _requested(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    rows["transactions"].add(
        str(event.stream_id),
        position=event.position,
        transaction_type="stk_push",
        member_id=data["member_id"],
        phone=data["phone"],
        amount=text_from_cents(data["push_shillings"] * 100),
        payment_purpose=data["purpose"],
        loan_id=data["loan_id"],
        account_reference=data["account_reference"],
        short_code=data["short_code"],
        status="requested",
        merchant_request_id=None,
        checkout_request_id=None,
        receipt_number=None,
        amount_received=None,
        result_code=None,
        result_description=None,
        requested_at=data["requested_at"],
        completed_at=None,
    )


def _accepted(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    _set(
        event,
        rows,
        status="accepted",
        merchant_request_id=event.data["merchant_request_id"] or None,
        checkout_request_id=event.data["checkout_request_id"],
    )


def _ended(status: str, moment: str) -> Fold:
    """The push ended without money, at the moment named by a field."""

    def fold(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
        data = event.data
        _set(
            event,
            rows,
            status=status,
            result_code=data.get("result_code"),
            result_description=data.get("reason"),
            completed_at=data[moment],
        )

    return fold


def _failure_reported(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    _set(
        event,
        rows,
        result_code=event.data["result_code"],
        result_description=event.data["reason"],
    )


def _receipt_awaited(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    _set(
        event,
        rows,
        status="paid_receipt_awaited",
        result_code="0",
        result_description=None,
        amount_received=text_from_cents(data["posted_cents"]),
        completed_at=data["paid_at"],
    )


def _succeeded(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    _set(
        event,
        rows,
        status="succeeded",
        result_code="0",
        result_description=None,
        receipt_number=data["receipt_number"],
        amount_received=text_from_cents(data["amount_cents"]),
        completed_at=data["paid_at"],
    )


def _status(status: str) -> Fold:
    def fold(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
        _set(event, rows, status=status)

    return fold


def _set(event: RecordedEvent, rows: Mapping[str, Rows], **columns: Any) -> None:
    rows["transactions"].set(str(event.stream_id), **columns)


def _member_erased(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    """No transaction of the member tells a phone any more, nor what Safaricom knows it by."""
    rows["transactions"].sweep(
        "member_id", str(event.stream_id), phone=None, checkout_request_id=None
    )


def _receipt_received(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    rows["receipts"].add(
        str(event.stream_id),
        position=event.position,
        receipt_number=data["receipt_number"],
        member_id=data["member_id"],
        amount=text_from_cents(data["amount_cents"]),
        suspended="0",
        reason=None,
        channel=data["channel"],
        paid_at=data["paid_at"],
    )


def _receipt_suspended(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    rows["receipts"].set(
        str(event.stream_id),
        suspended=text_from_cents(event.data["suspended_cents"]),
        reason=event.data["reason"],
    )


MPESA_TRANSACTIONS = ReadModel(
    name="mpesa_transactions",
    tables=TABLES,
    indexes=INDEXES,
    keys={"transactions": "transaction_id", "receipts": "receipt_id"},
    folds={
        "push.requested": _requested,
        "push.sent": _status("sent"),
        "push.not-sent": _status("requested"),
        "push.accepted": _accepted,
        "push.rejected": _ended("rejected", "rejected_at"),
        "push.left-in-doubt": _status("in_doubt"),
        "push.failure-reported": _failure_reported,
        "push.failed": _ended("failed", "failed_at"),
        "push.cancelled": _ended("cancelled", "cancelled_at"),
        "push.expired": _ended("expired", "expired_at"),
        "push.paid-receipt-awaited": _receipt_awaited,
        "push.succeeded": _succeeded,
        "receipt.received": _receipt_received,
        "receipt.suspended": _receipt_suspended,
        "member.erased": _member_erased,
    },
)

_TRANSACTION = """
SELECT json_build_object(
    'id', t.transaction_id, 'transaction_type', t.transaction_type, 'member_id', t.member_id,
    'phone', t.phone, 'amount', t.amount::text, 'payment_purpose', t.payment_purpose,
    'loan_id', t.loan_id,
    'account_reference', t.account_reference, 'short_code', t.short_code, 'status', t.status,
    'merchant_request_id', t.merchant_request_id, 'checkout_request_id', t.checkout_request_id,
    'receipt_number', t.receipt_number, 'amount_received', t.amount_received::text,
    'in_suspense', coalesce(r.suspended, 0) > 0, 'suspense_reason', r.reason,
    'result_code', t.result_code, 'result_description', t.result_description,
    'requested_at', t.requested_at, 'completed_at', t.completed_at
)::text
FROM read_mpesa_transactions.transactions t
LEFT JOIN read_mpesa_transactions.receipts r USING (receipt_number)
WHERE t.transaction_id = %s
"""


def transaction_json(pool: ConnectionPool, transaction_id: UUID) -> str | None:
    """One transaction as JSON text, or None where the read model does not have it (yet)."""
    with pool.connection() as connection:
        row = connection.execute(_TRANSACTION, (transaction_id,)).fetchone()
    return row[0] if row else None
