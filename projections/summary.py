"""What the financial summary adds up: one row for each movement of money that counts.

A loan paid out, a repayment, a contribution: each with its value day. The window's sums and the
members who moved money in it come from one pass over one index, which holds all that is asked for;
a day's total kept beside it would save nothing, as members are told apart only by looking at each
movement.

What is reversed no longer counts, and stays: with the positions at which each movement was told,
restated and ended, and each loan's balance changed, the same sums are had as of any position.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, LiteralString

from psycopg_pool import ConnectionPool

from domain.contributions.rules import OPENING_BALANCE
from domain.loans.terms import Component
from domain.money import text_from_cents
from infra.event_store.reader import RecordedEvent
from infra.postgres.pool import borrowed
from projections.read_model import ReadModel
from projections.rows import Rows

DISBURSEMENT, REPAYMENT, CONTRIBUTION = "d", "r", "c"
BROUGHT = "b"
"""An opening balance: nothing moved that day. It is kept so that its reversal finds it."""

TABLES = """
CREATE TABLE {schema}.movements (
    movement_id uuid          NOT NULL PRIMARY KEY,
    kind        "char"        NOT NULL,
    day         date          NOT NULL,
    member_id   uuid          NOT NULL,
    amount      numeric(15,2) NOT NULL,
    told_amount numeric(15,2) NOT NULL,  -- before it was restated
    told_at     bigint        NOT NULL,
    ended_at    bigint
) WITH (fillfactor = 90);
CREATE TABLE {schema}.restatements (
    restatement_id text          NOT NULL PRIMARY KEY,
    movement_id    uuid          NOT NULL,
    amount         numeric(15,2) NOT NULL,
    restated_at    bigint        NOT NULL
);
CREATE TABLE {schema}.balance_changes (
    changed_at bigint        NOT NULL PRIMARY KEY,
    amount     numeric(15,2) NOT NULL
);
CREATE TABLE {schema}.loans (
    loan_id uuid          NOT NULL PRIMARY KEY,
    balance numeric(15,2) NOT NULL
) WITH (fillfactor = 80);
CREATE TABLE {schema}.members (
    member_id uuid   NOT NULL PRIMARY KEY,
    position  bigint NOT NULL
);
"""
INDEXES = """
CREATE INDEX movements_of_day ON {schema}.movements (day)
    INCLUDE (kind, amount, member_id, ended_at);
"""


def _move(
    event: RecordedEvent,
    rows: Mapping[str, Rows],
    movement_id: str,
    kind: str,
    day: str,
    amount: str,
) -> None:
    rows["movements"].add(
        movement_id,
        kind=kind,
        day=day,
        member_id=event.data["member_id"],
        amount=amount,
        told_amount=amount,
        told_at=event.position,
        ended_at=None,
    )


def _end(event: RecordedEvent, rows: Mapping[str, Rows], movement_id: str) -> None:
    rows["movements"].set(movement_id, ended_at=event.position)


def _owed(event: RecordedEvent, rows: Mapping[str, Rows], change_cents: int) -> None:
    if change_cents:
        amount = text_from_cents(change_cents)
        rows["balance_changes"].add(str(event.position), amount=amount)


def _disbursed(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    amount = text_from_cents(data["amount_cents"])
    _move(event, rows, event.stream_id, DISBURSEMENT, data["disbursed_on"], amount)
    _taken_over(event, rows)


def _taken_over(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    """Owed from now on; that it was paid out is of the older books."""
    after = event.data["after"]
    rows["loans"].add(event.stream_id, balance=text_from_cents(after["balance_cents"]))
    _owed(event, rows, after["balance_change_cents"])


def _balance_changed(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    after = event.data["after"]
    rows["loans"].set(event.stream_id, balance=text_from_cents(after["balance_cents"]))
    _owed(event, rows, after["balance_change_cents"])


def _written_off(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    rows["loans"].set(event.stream_id, balance="0")
    _owed(event, rows, event.data["balance_change_cents"])


def _applied_text(parts: Mapping[str, int]) -> str:
    """What of a payment the loan took; the surplus is a contribution of its own."""
    return text_from_cents(sum(parts[component] for component in Component))


def _repaid(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    amount = _applied_text(data["parts"])
    _move(event, rows, data["repayment_id"], REPAYMENT, data["paid_on"], amount)
    _balance_changed(event, rows)


def _recovered(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    amount = text_from_cents(data["amount_cents"])
    _move(event, rows, data["repayment_id"], REPAYMENT, data["paid_on"], amount)


def _reallocated(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    for repayment_id, parts in event.data["parts"].items():
        amount = _applied_text(parts)
        rows["movements"].set(repayment_id, amount=amount)
        rows["restatements"].add(
            f"{repayment_id}/{event.position}",
            movement_id=repayment_id,
            amount=amount,
            restated_at=event.position,
        )


def _repayment_reversed(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    _end(event, rows, event.data["repayment_id"])
    _balance_changed(event, rows)


def _recovery_reversed(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    _end(event, rows, event.data["repayment_id"])


def _contributed(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    kind = BROUGHT if data["payment_method"] == OPENING_BALANCE else CONTRIBUTION
    amount = text_from_cents(data["amount_cents"])
    _move(event, rows, data["contribution_id"], kind, data["contributed_on"], amount)


def _contribution_reversed(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    _end(event, rows, event.data["contribution_id"])


def _registered(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    rows["members"].add(str(event.stream_id), position=event.position)


SUMMARY = ReadModel(
    name="summary",
    tables=TABLES,
    indexes=INDEXES,
    keys={
        "movements": "movement_id",
        "restatements": "restatement_id",
        "balance_changes": "changed_at",
        "loans": "loan_id",
        "members": "member_id",
    },
    folds={
        "member.registered": _registered,
        "account.contribution-received": _contributed,
        "account.contribution-reversed": _contribution_reversed,
        "loan.disbursed": _disbursed,
        "loan.taken-over": _taken_over,
        "loan.repayment-received": _repaid,
        "loan.repayment-reversed": _repayment_reversed,
        "loan.repayments-reallocated": _reallocated,
        "loan.penalty-charged": _balance_changed,
        "loan.penalty-reversed": _balance_changed,
        "loan.fee-charged": _balance_changed,
        "loan.restructured": _balance_changed,
        "loan.written-off": _written_off,
        "loan.recovery-received": _recovered,
        "loan.recovery-reversed": _recovery_reversed,
    },
)

_SUMS = """
, sums AS (
    SELECT coalesce(sum(amount) FILTER (WHERE kind = 'd'), 0.00) AS disbursed,
           coalesce(sum(amount) FILTER (WHERE kind = 'r'), 0.00) AS repaid,
           coalesce(sum(amount) FILTER (WHERE kind = 'c'), 0.00) AS contributed
    FROM moved
)
SELECT p.position, disbursed::text, repaid::text, contributed::text,
       (repaid + contributed - disbursed)::text,
       (SELECT coalesce(sum(amount), 0.00)::text FROM owed),
       (SELECT count(*) FROM joined),
       (SELECT count(*) FROM (SELECT member_id FROM moved WHERE kind IN ('r', 'c') GROUP BY 1)
                             AS active)
FROM read_summary.position AS p, sums
"""
SUMMED = f"""
WITH moved AS MATERIALIZED (
    SELECT m.kind, m.member_id, m.amount FROM read_summary.movements AS m
    WHERE m.day BETWEEN %(date_from)s AND %(date_to)s AND m.ended_at IS NULL
), owed AS (
    SELECT balance AS amount FROM read_summary.loans
), joined AS (
    SELECT FROM read_summary.members
)
{_SUMS}
"""
SUMMED_AS_OF = f"""
WITH restated AS MATERIALIZED (
    SELECT DISTINCT ON (movement_id) movement_id, amount FROM read_summary.restatements
    WHERE restated_at <= %(position)s ORDER BY movement_id, restated_at DESC
), moved AS MATERIALIZED (
    SELECT m.kind, m.member_id, coalesce(r.amount, m.told_amount) AS amount
    FROM read_summary.movements AS m LEFT JOIN restated AS r USING (movement_id)
    WHERE m.day BETWEEN %(date_from)s AND %(date_to)s
      AND m.told_at <= %(position)s AND (m.ended_at IS NULL OR m.ended_at > %(position)s)
), owed AS (
    SELECT amount FROM read_summary.balance_changes WHERE changed_at <= %(position)s
), joined AS (
    SELECT FROM read_summary.members WHERE position <= %(position)s
)
{_SUMS}
"""


@dataclass(frozen=True)
class Summary:
    """Sums of a window, as decimal text; how loans and membership stand; at which position."""

    position: int
    loan_disbursements: str
    loan_repayments: str
    contributions: str
    net_cash_flow: str
    outstanding_loans: str
    total_members: int
    active_members: int


def summary_of(pool: ConnectionPool, *, date_from: date, date_to: date) -> Summary:
    """Add up a window, both days included."""
    return _added_up(pool, SUMMED, date_from=date_from, date_to=date_to)


def summary_as_of(
    pool: ConnectionPool, position: int, *, date_from: date, date_to: date
) -> Summary:
    """Add up a window of what was recorded up to a position.

    The summary's own position is where the read model stands: it must not be behind.
    """
    return _added_up(pool, SUMMED_AS_OF, date_from=date_from, date_to=date_to, position=position)


def _added_up(pool: ConnectionPool, statement: LiteralString, **asked: Any) -> Summary:
    with borrowed(pool) as connection:
        row = connection.execute(statement, asked, prepare=True).fetchone()
    assert row is not None, "a read model has one position row"
    return Summary(*row)
