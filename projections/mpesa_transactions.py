"""M-Pesa transactions as people look at them: every push, and what became of its money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg import sql
from psycopg_pool import ConnectionPool

from domain.money import text_from_cents
from infra.event_store.reader import RecordedEvent
from projections.listing import Listing
from projections.mpesa_receipts import FOLDS as RECEIPT_FOLDS
from projections.mpesa_receipts import INDEXES as RECEIPTS_INDEXES
from projections.mpesa_receipts import TABLE as RECEIPTS_TABLE
from projections.mpesa_receipts import forget_payers
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
    retry_of            uuid,
    requested_at        timestamptz   NOT NULL,
    completed_at        timestamptz,
    updated_at          timestamptz   NOT NULL
) WITH (fillfactor = 70);
"""
INDEXES = """
CREATE INDEX transactions_of_member ON {schema}.transactions (member_id, position DESC);
CREATE INDEX transactions_by_status ON {schema}.transactions (status, position DESC);
CREATE INDEX transactions_by_receipt ON {schema}.transactions (receipt_number);
CREATE INDEX transactions_by_time ON {schema}.transactions
    (requested_at DESC, transaction_id DESC);
CREATE INDEX transactions_of_phone ON {schema}.transactions (phone);
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
        retry_of=data["retry_of"],
        requested_at=data["requested_at"],
        completed_at=None,
        updated_at=event.recorded_at,
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
    rows["transactions"].set(str(event.stream_id), updated_at=event.recorded_at, **columns)


def _member_erased(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    """No transaction of the member tells a phone any more, nor what Safaricom knows it by.

    Nor does a receipt tell who paid.
    """
    rows["transactions"].sweep(
        "member_id", str(event.stream_id), phone=None, checkout_request_id=None
    )
    forget_payers(event, rows)


MPESA_TRANSACTIONS = ReadModel(
    name="mpesa_transactions",
    tables=TABLES + RECEIPTS_TABLE,
    indexes=INDEXES + RECEIPTS_INDEXES,
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
        **RECEIPT_FOLDS,
        "member.erased": _member_erased,
    },
)

_ITEM = """
'id', t.transaction_id, 'transaction_type', t.transaction_type, 'member_id', t.member_id,
'phone', t.phone, 'amount', t.amount::text, 'payment_purpose', t.payment_purpose,
'loan_id', t.loan_id,
'account_reference', t.account_reference, 'short_code', t.short_code, 'status', t.status,
'merchant_request_id', t.merchant_request_id, 'checkout_request_id', t.checkout_request_id,
'receipt_number', t.receipt_number, 'amount_received', t.amount_received::text,
'in_suspense', coalesce((
    SELECT r.suspended > 0 FROM read_mpesa_transactions.receipts AS r
    WHERE r.receipt_number = t.receipt_number), false),
'suspense_reason', (
    SELECT r.reason FROM read_mpesa_transactions.receipts AS r
    WHERE r.receipt_number = t.receipt_number),
'result_code', t.result_code, 'result_description', t.result_description,
'retry_of', t.retry_of,
'requested_at', t.requested_at, 'completed_at', t.completed_at, 'updated_at', t.updated_at
"""
TRANSACTION_LIST = Listing(
    plural="transactions",
    schema="read_mpesa_transactions",
    table="transactions",
    item=_ITEM,
    order={"requested_at": "timestamptz", "transaction_id": "uuid"},
    filters={
        "status": "t.status = %(status)s",
        "member_id": "t.member_id = %(member_id)s",
        "loan_id": "t.loan_id = %(loan_id)s",
        "phone": "t.phone = %(phone)s",
        "receipt_number": "t.receipt_number = %(receipt_number)s",
        "account_reference": "t.account_reference = %(account_reference)s",
        "payment_purpose": "t.payment_purpose = %(payment_purpose)s",
        "short_code": "t.short_code = %(short_code)s",
        "date_from": "t.requested_at >="
        " %(date_from)s::date::timestamp AT TIME ZONE 'Africa/Nairobi'",
        "date_to": "t.requested_at <"
        " (%(date_to)s::date + 1)::timestamp AT TIME ZONE 'Africa/Nairobi'",
    },
    of_persons=True,
)
_TRANSACTION = sql.SQL(
    "SELECT json_build_object({item})::text FROM read_mpesa_transactions.transactions AS t"
    " WHERE t.transaction_id = %s"
).format(item=sql.SQL(_ITEM))


def transaction_json(pool: ConnectionPool, transaction_id: UUID) -> str | None:
    """One transaction as JSON text, or None where the read model does not have it (yet)."""
    with pool.connection() as connection:
        row = connection.execute(_TRANSACTION, (transaction_id,)).fetchone()
    return row[0] if row else None
