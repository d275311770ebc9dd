"""Receipts as people look at them: what each brought, where its money is, what waits in suspense.

They are a table of the read model of M-Pesa transactions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import sql
from psycopg_pool import ConnectionPool

from domain.money import text_from_cents
from infra.event_store.reader import RecordedEvent
from infra.postgres.pool import borrowed
from projections.listing import Listing
from projections.read_model import Fold
from projections.rows import Rows

TABLE = """
CREATE TABLE {schema}.receipts (
    receipt_id           uuid          NOT NULL PRIMARY KEY,
    position             bigint        NOT NULL,
    receipt_number       text          NOT NULL,
    short_code           text,
    channel              text          NOT NULL,
    key_owner_id         uuid,
    member_id            uuid,
    transaction_id       uuid,
    account_number       text,
    payer_phone          text,
    payer_name           text,
    payer_hint           text,
    amount               numeric(15,2) NOT NULL,
    suspended            numeric(15,2) NOT NULL,
    refunding            numeric(15,2) NOT NULL,
    refunded             numeric(15,2) NOT NULL,
    reversing            numeric(15,2) NOT NULL,
    reversed             numeric(15,2) NOT NULL,
    reason               text,
    suspended_at         timestamptz,
    proposal_id          uuid,
    proposal_resolution  text,
    proposal_amount      numeric(15,2),
    proposal_member_id   uuid,
    proposal_loan_id     uuid,
    proposal_push_id     uuid,
    proposal_purpose     text,
    proposal_phone       text,
    proposal_note        text,
    proposed_by          uuid,
    proposed_at          timestamptz,
    paid_at              timestamptz   NOT NULL,
    updated_at           timestamptz   NOT NULL
) WITH (fillfactor = 70);
CREATE VIEW {schema}.suspense AS SELECT * FROM {schema}.receipts WHERE suspended > 0;
"""
INDEXES = """
CREATE INDEX receipts_by_number ON {schema}.receipts (receipt_number);
CREATE INDEX receipts_by_time ON {schema}.receipts (paid_at DESC, receipt_id DESC);
CREATE INDEX receipts_of_member ON {schema}.receipts (member_id, paid_at DESC);
CREATE INDEX receipts_of_phone ON {schema}.receipts (payer_phone);
CREATE INDEX receipts_in_suspense ON {schema}.receipts (suspended_at) WHERE suspended > 0;
"""
_NO_PROPOSAL = dict.fromkeys(
    (
        *("proposal_id", "proposal_resolution", "proposal_amount", "proposal_member_id"),
        *("proposal_loan_id", "proposal_push_id", "proposal_purpose", "proposal_phone"),
        *("proposal_note", "proposed_by", "proposed_at"),
    )
)
_FORGOTTEN = dict.fromkeys(
    (
        *("account_number", "payer_phone", "payer_name", "payer_hint"),
        *("proposal_phone", "proposal_note"),
    )
)


def _received(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    rows["receipts"].add(
        str(event.stream_id),
        position=event.position,
        receipt_number=data["receipt_number"],
        short_code=data["short_code"],
        channel=data["channel"],
        key_owner_id=data["member_id"],
        member_id=data["member_id"],
        transaction_id=None,
        account_number=data["account_number"],
        payer_phone=data["payer_phone"],
        payer_name=data["payer_name"],
        payer_hint=data["payer_hint"],
        amount=text_from_cents(data["amount_cents"]),
        suspended="0",
        refunding="0",
        refunded="0",
        reversing="0",
        reversed="0",
        reason=None,
        suspended_at=None,
        **_NO_PROPOSAL,
        paid_at=data["paid_at"],
        updated_at=event.recorded_at,
    )


def _changed(*cents: str, **columns: Any) -> Fold:
    """The sums that the event says, and whatever else it means for every receipt."""

    def fold(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
        told = {name: text_from_cents(event.data[f"{name}_cents"]) for name in cents}
        _set(event, rows, **told, **columns)

    return fold


def _placed(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    _set(event, rows, member_id=event.data["member_id"])


def _attached(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    whose = event.data["member_id"]
    columns = {} if whose is None else {"member_id": whose}
    _set(event, rows, transaction_id=event.data["push_id"], **columns)


def _suspended(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    _set(
        event,
        rows,
        suspended=text_from_cents(event.data["suspended_cents"]),
        reason=event.data["reason"],
        suspended_at=event.recorded_at,
    )


def _proposed(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    _set(
        event,
        rows,
        proposal_id=data["proposal_id"],
        proposal_resolution=data["resolution"],
        proposal_amount=text_from_cents(data["amount_cents"]),
        proposal_member_id=data["member_id"],
        proposal_loan_id=data["loan_id"],
        proposal_push_id=data["push_id"],
        proposal_purpose=data["purpose"],
        proposal_phone=data["phone"],
        proposal_note=data["note"],
        proposed_by=data["proposed_by"],
        proposed_at=data["proposed_at"],
    )


def _set(event: RecordedEvent, rows: Mapping[str, Rows], **columns: Any) -> None:
    rows["receipts"].set(str(event.stream_id), updated_at=event.recorded_at, **columns)


def forget_payers(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    """No receipt of an erased member tells who paid, nor one kept under that member's key."""
    for whose in ("member_id", "key_owner_id"):
        rows["receipts"].sweep(whose, str(event.stream_id), **_FORGOTTEN)


FOLDS: Mapping[str, Fold] = {
    "receipt.received": _received,
    "receipt.placed": _placed,
    "receipt.placed-on-loan": _placed,
    "receipt.attached-to-push": _attached,
    "receipt.suspended": _suspended,
    "receipt.released": _changed("suspended"),
    "receipt.proposed": _proposed,
    "receipt.proposal-withdrawn": _changed(**_NO_PROPOSAL),
    "receipt.proposal-rejected": _changed(**_NO_PROPOSAL),
    "receipt.proposal-confirmed": _changed(**_NO_PROPOSAL),
    "receipt.refund-started": _changed("suspended", "refunding"),
    "receipt.refund-finished": _changed("refunding", "refunded"),
    "receipt.refund-returned": _changed("suspended", "refunding", reason="refund_failed"),
    "receipt.refund-undone": _changed("suspended", "refunded", reason="refund_failed"),
    "receipt.reversal-started": _changed("suspended", "reversing"),
    "receipt.reversal-finished": _changed("reversing", "reversed"),
    "receipt.reversal-returned": _changed("suspended", "reversing", reason="reversal_failed"),
    "receipt.reversal-undone": _changed("suspended", "reversed", reason="reversal_failed"),
}

AGES = ("0-7", "8-30", "31-90", "over-90")
"""Days in suspense, as the desk looks at them."""

_PLACED = "(t.amount - t.suspended - t.refunding - t.refunded - t.reversing - t.reversed)"
_STATUS = """
CASE WHEN t.suspended > 0 THEN 'suspended'
     WHEN t.refunding + t.reversing > 0 THEN 'going_back'
     WHEN t.refunded + t.reversed > 0 THEN 'given_back'
     ELSE 'placed' END
"""
_DAYS = """
((now() AT TIME ZONE 'Africa/Nairobi')::date - (t.suspended_at AT TIME ZONE 'Africa/Nairobi')::date)
"""
_AGE = f"""
CASE WHEN {_DAYS} <= 7 THEN '0-7' WHEN {_DAYS} <= 30 THEN '8-30'
     WHEN {_DAYS} <= 90 THEN '31-90' ELSE 'over-90' END
"""
# A number that was told hashed or masked is found by the number itself.
_PHONE = """
(t.payer_phone = %(phone)s
 OR t.payer_hint = encode(sha256(convert_to(%(phone)s, 'UTF8')), 'hex')
 OR t.payer_hint LIKE '%%*%%' AND %(phone)s LIKE replace(replace(t.payer_hint, ' ', ''), '*', '_'))
"""
_WHO = """
'receipt_number', t.receipt_number, 'short_code', t.short_code, 'channel', t.channel,
'account_number', t.account_number, 'payer_phone', t.payer_phone, 'payer_name', t.payer_name,
'payer_hint', t.payer_hint, 'member_id', t.member_id, 'transaction_id', t.transaction_id
"""
_PROPOSAL = """
CASE WHEN t.proposal_id IS NOT NULL THEN json_build_object(
    'id', t.proposal_id, 'resolution', t.proposal_resolution,
    'amount', t.proposal_amount::text, 'member_id', t.proposal_member_id,
    'loan_id', t.proposal_loan_id, 'transaction_id', t.proposal_push_id,
    'payment_purpose', t.proposal_purpose, 'phone', t.proposal_phone, 'note', t.proposal_note,
    'proposed_by', t.proposed_by, 'proposed_at', t.proposed_at) END
"""
SUSPENSE_ITEM = f"""
'id', t.receipt_id, {_WHO}, 'amount', t.amount::text, 'suspended_amount', t.suspended::text,
'reason', t.reason, 'paid_at', t.paid_at, 'suspended_at', t.suspended_at,
'age_days', {_DAYS}, 'age', {_AGE}, 'proposal', {_PROPOSAL}
"""
RECEIPT_ITEM = f"""
'id', t.receipt_id, {_WHO}, 'status', {_STATUS}, 'amount', t.amount::text,
'placed_amount', {_PLACED}::text, 'suspended_amount', t.suspended::text,
'refunding_amount', t.refunding::text, 'refunded_amount', t.refunded::text,
'reversing_amount', t.reversing::text, 'reversed_amount', t.reversed::text,
'suspense_reason', t.reason, 'paid_at', t.paid_at, 'updated_at', t.updated_at
"""
_FILTERS = {
    "receipt_number": "t.receipt_number = %(receipt_number)s",
    "phone": _PHONE,
    "amount": "t.amount = %(amount)s::bigint / 100.0",
    "member_id": "t.member_id = %(member_id)s",
    "short_code": "t.short_code = %(short_code)s",
}
SUSPENSE_LIST = Listing(
    plural="suspense",
    schema="read_mpesa_transactions",
    table="suspense",
    item=SUSPENSE_ITEM,
    order={"suspended_at": "timestamptz", "receipt_id": "uuid"},
    filters={
        **_FILTERS,
        "reason": "t.reason = %(reason)s",
        "age": f"{_AGE} = %(age)s",
        "proposal": "(t.proposal_id IS NOT NULL) = (%(proposal)s = 'waiting')",
    },
    daily=True,
    of_persons=True,
)
RECEIPT_LIST = Listing(
    plural="receipts",
    schema="read_mpesa_transactions",
    table="receipts",
    item=RECEIPT_ITEM,
    order={"paid_at": "timestamptz", "receipt_id": "uuid"},
    filters={
        **_FILTERS,
        "status": f"{_STATUS} = %(status)s",
        "channel": "t.channel = %(channel)s",
        "date_from": "t.paid_at >= %(date_from)s::date::timestamp AT TIME ZONE 'Africa/Nairobi'",
        "date_to": "t.paid_at < (%(date_to)s::date + 1)::timestamp AT TIME ZONE 'Africa/Nairobi'",
    },
    of_persons=True,
)

_ONE = "SELECT json_build_object({item})::text FROM {table} AS t WHERE t.receipt_id = %s"
_AGEING = """
SELECT {age}, count(*), sum(t.suspended)::text
FROM read_mpesa_transactions.suspense AS t GROUP BY 1
"""


def receipt_json(pool: ConnectionPool, receipt_id: object) -> str | None:
    """One receipt as JSON text, with the proposal that waits for it; None where there is none."""
    statement = sql.SQL(_ONE).format(
        item=sql.SQL(f"{RECEIPT_ITEM}, 'proposal', {_PROPOSAL}"),
        table=sql.Identifier(RECEIPT_LIST.schema, RECEIPT_LIST.table),
    )
    with borrowed(pool) as connection:
        row = connection.execute(statement, (receipt_id,)).fetchone()
    return row[0] if row else None


def ageing(pool: ConnectionPool) -> dict[str, tuple[int, str]]:
    """How many receipts have money in suspense, and how much, by age."""
    with borrowed(pool) as connection:
        rows = connection.execute(sql.SQL(_AGEING).format(age=sql.SQL(_AGE))).fetchall()
    return dict.fromkeys(AGES, (0, "0.00")) | {age: (count, held) for age, count, held in rows}
