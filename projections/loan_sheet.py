"""One loan on one sheet: itself, its schedule, and its newest repayments.

The same statement shows the live tables and rows folded up to a position in the past: only where it
finds the rows differs.
"""

from __future__ import annotations

from uuid import UUID

from psycopg import sql
from psycopg_pool import ConnectionPool

from infra.postgres.pool import borrowed
from projections.listing import Listing
from projections.loans import LOAN_ITEM, REPAYMENT_ITEM, REPAYMENT_LIST

REPAYMENTS_MAX = 100

INSTALMENT_ITEM = """
    'number', t.number, 'due_date', t.due_date, 'principal_amount', t.principal::text,
    'interest_amount', t.interest::text, 'fee_amount', t.fee::text,
    'penalty_amount', t.penalty::text,
    'amount', (t.principal + t.interest + t.fee + t.penalty)::text,
    'paid_amount', (t.principal_paid + t.interest_paid + t.fee_paid + t.penalty_paid)::text
"""
_SHEET = """
SELECT json_build_object({loan},
    'schedule', (
        SELECT coalesce(json_agg(json_build_object({instalment}) ORDER BY t.number), '[]')
        FROM {instalments} AS t WHERE t.loan_id = %(loan_id)s),
    'repayments', (
        SELECT coalesce(json_agg(json_build_object({repayment}) ORDER BY {newest}), '[]')
        FROM (SELECT * FROM {repayments} AS t WHERE t.loan_id = %(loan_id)s
              ORDER BY {newest} LIMIT {repayments_max}) AS t)
)::text
FROM {loans} AS t WHERE t.loan_id = %(loan_id)s
"""
_POSITION = "SELECT sheet.json_text, p.position FROM ({}) AS sheet (json_text), {} AS p"


def sheet_statement(
    *,
    loans: sql.Composable,
    instalments: sql.Composable,
    repayments: sql.Composable,
    loan_item: str = LOAN_ITEM,
) -> sql.Composed:
    """The sheet of %(loan_id)s, its rows found in these three places."""
    return sql.SQL(_SHEET).format(
        loan=sql.SQL(loan_item),
        instalment=sql.SQL(INSTALMENT_ITEM),
        repayment=sql.SQL(REPAYMENT_ITEM),
        newest=newest_first(REPAYMENT_LIST),
        repayments_max=sql.Literal(REPAYMENTS_MAX),
        loans=loans,
        instalments=instalments,
        repayments=repayments,
    )


def newest_first(listing: Listing) -> sql.Composed:
    """The order of a list."""
    return sql.SQL(", ").join(
        sql.SQL("{} DESC").format(sql.Identifier("t", column)) for column in listing.order
    )


_LIVE = sql.SQL(_POSITION).format(
    sheet_statement(
        loans=sql.Identifier("read_loans", "loans"),
        instalments=sql.Identifier("read_loans", "instalments"),
        repayments=sql.Identifier("read_loans", "repayments"),
    ),
    sql.Identifier("read_loans", "position"),
)


def loan_sheet(pool: ConnectionPool, loan_id: UUID) -> tuple[str, int] | None:
    """A loan as JSON text, and the position it was read at; None where there is none (yet)."""
    with borrowed(pool) as connection:
        row = connection.execute(_LIVE, {"loan_id": loan_id}, prepare=True).fetchone()
    return (row[0], row[1]) if row else None
