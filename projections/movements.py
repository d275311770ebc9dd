"""What our books say moved through a short code: receipts, pushes that wait for theirs, payouts.

Read from the read models of receipts and payouts, for whoever holds a statement against them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from psycopg_pool import ConnectionPool

from domain.mpesa.matching import Movement, MovementKind
from domain.mpesa.statement import Window

WAITING_DAYS = 3
"""How long before the window a payout may have been asked for whose money moved inside it."""

# A receipt from before receipts kept their short code has that of the push it pays.
_RECEIPTS = """
SELECT r.receipt_id, r.receipt_number, (r.amount * 100)::bigint, r.paid_at
FROM read_mpesa_transactions.receipts r
LEFT JOIN read_mpesa_transactions.transactions t USING (receipt_number)
WHERE (r.receipt_number = ANY(%(receipts)s) OR r.paid_at BETWEEN %(first)s AND %(last)s)
  AND coalesce(r.short_code, t.short_code) = %(short_code)s
"""
_PUSHES = """
SELECT transaction_id, (amount_received * 100)::bigint, requested_at, completed_at, phone,
       account_reference
FROM read_mpesa_transactions.transactions
WHERE status = 'paid_receipt_awaited' AND amount_received > 0 AND short_code = %(short_code)s
  AND completed_at BETWEEN %(first)s AND %(last)s
"""
_PAYOUTS = """
SELECT payout_id, receipt_number, (amount * 100)::bigint, requested_at,
       coalesce(completed_at, %(last)s), status, phone, (coalesce(charge, 0) * 100)::bigint,
       reverses
FROM read_payouts.payouts
WHERE short_code = %(short_code)s
  AND (receipt_number = ANY(%(receipts)s) OR reverses = ANY(%(receipts)s)
       OR requested_at BETWEEN %(first)s::timestamptz - make_interval(days => %(days)s)
                           AND %(last)s)
"""
_ELSEWHERE = """
SELECT receipt_number, short_code FROM read_mpesa_transactions.receipts
WHERE receipt_number = ANY(%(receipts)s) AND short_code <> %(short_code)s
UNION ALL
SELECT receipt_number, short_code FROM read_payouts.payouts
WHERE receipt_number = ANY(%(receipts)s) AND short_code <> %(short_code)s
ORDER BY 1 LIMIT 1
"""


def movements(
    pool: ConnectionPool, short_code: str, *, window: Window, receipt_numbers: Iterable[str]
) -> list[Movement]:
    """All that moved in the window, or that one of these receipts speaks of."""
    parameters = {
        "short_code": short_code,
        "first": window.first,
        "last": window.last,
        "receipts": list(receipt_numbers),
        "days": WAITING_DAYS,
    }
    with pool.connection() as connection, connection.transaction():
        receipts = connection.execute(_RECEIPTS, parameters).fetchall()
        pushes = connection.execute(_PUSHES, parameters).fetchall()
        payouts = connection.execute(_PAYOUTS, parameters).fetchall()
    return [*map(_receipt, receipts), *map(_push, pushes), *map(_payout, payouts)]


def known_elsewhere(
    pool: ConnectionPool, short_code: str, *, receipt_numbers: Iterable[str]
) -> tuple[str, str] | None:
    """One of these receipts that another short code of ours has, and which."""
    parameters = {"short_code": short_code, "receipts": list(receipt_numbers)}
    with pool.connection() as connection:
        row = connection.execute(_ELSEWHERE, parameters).fetchone()
    return (row[0], row[1]) if row else None


def _receipt(row: tuple[Any, ...]) -> Movement:
    receipt_id, receipt_number, amount_cents, paid_at = row
    return Movement(
        id=receipt_id,
        kind=MovementKind.RECEIPT,
        receipt_number=receipt_number,
        amount_cents=amount_cents,
        begun_at=paid_at,
        at=paid_at,
        status="received",
    )


def _push(row: tuple[Any, ...]) -> Movement:
    push_id, amount_cents, requested_at, completed_at, phone, reference = row
    return Movement(
        id=push_id,
        kind=MovementKind.PUSH,
        receipt_number=None,
        amount_cents=amount_cents,
        begun_at=requested_at,
        at=completed_at,
        status="paid_receipt_awaited",
        phone=phone,
        account_number=reference,
    )


def _payout(row: tuple[Any, ...]) -> Movement:
    payout_id, receipt_number, amount_cents, requested_at, at, status, phone, charge, of = row
    return Movement(
        id=payout_id,
        kind=MovementKind.PAYOUT,
        receipt_number=receipt_number,
        amount_cents=amount_cents,
        begun_at=requested_at,
        at=at,
        status=status,
        moved=status == "succeeded",
        phone=phone,
        charge_cents=charge,
        reverses=of,
    )
