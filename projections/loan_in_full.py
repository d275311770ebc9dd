"""One loan with its schedule and its newest repayments, all of one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg_pool import ConnectionPool

from infra.postgres.pool import borrowed
from projections.loans import LOAN_ITEM, REPAYMENT_ITEM

EMBEDDED_REPAYMENTS_MAX = 100
LOAN_IN_FULL = f"""
SELECT json_build_object({LOAN_ITEM}), p.position,
    (SELECT coalesce(json_agg(json_build_object(
        'number', i.number, 'due_date', i.due_date, 'principal', i.principal::text,
        'interest', i.interest::text, 'fee', i.fee::text, 'penalty', i.penalty::text,
        'paid', (i.principal_paid + i.interest_paid + i.fee_paid + i.penalty_paid)::text,
        'balance', (i.principal + i.interest + i.fee + i.penalty - i.principal_paid
                    - i.interest_paid - i.fee_paid - i.penalty_paid)::text
    ) ORDER BY i.number), '[]') FROM read_loans.instalments AS i WHERE i.loan_id = t.loan_id),
    (SELECT coalesce(json_agg(json_build_object({REPAYMENT_ITEM})), '[]')
     FROM (SELECT * FROM read_loans.repayments AS t WHERE t.loan_id = %(loan_id)s
           ORDER BY payment_date DESC, position DESC, repayment_id DESC
           LIMIT {EMBEDDED_REPAYMENTS_MAX}) AS t),
    (SELECT count(*) FROM read_loans.repayments AS r WHERE r.loan_id = t.loan_id)
FROM read_loans.position AS p, read_loans.loans AS t WHERE t.loan_id = %(loan_id)s
"""


@dataclass(frozen=True)
class LoanInFull:
    """A loan with its schedule and its newest repayments, and the position it was read at."""

    loan: dict[str, Any]
    schedule: list[dict[str, Any]]
    repayments: list[dict[str, Any]]
    repayments_total: int
    position: int


def loan_in_full(pool: ConnectionPool, loan_id: UUID) -> LoanInFull | None:
    """One loan, or None where there is none."""
    with borrowed(pool) as connection:
        row = connection.execute(LOAN_IN_FULL, {"loan_id": loan_id}, prepare=True).fetchone()
    if row is None:
        return None
    loan, position, schedule, repayments, total = row
    return LoanInFull(loan, schedule, repayments, total, position)
