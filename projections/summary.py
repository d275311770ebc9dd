"""What the financial summary adds up: one row for each movement of money that counts.

A loan paid out, a repayment, a contribution: each with its value day. What is reversed leaves. The
window's sums and the members who moved money in it come from one pass over one index, which holds
all that is asked for; a day's total kept beside it would save nothing, as members are told apart
only by looking at each movement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from psycopg_pool import ConnectionPool

from domain.contributions.rules import OPENING_BALANCE
from domain.loans.terms import Component
from domain.money import text_from_cents
from infra.event_store.reader import RecordedEvent
from infra.postgres.pool import borrowed
from projections.read_model import ReadModel
from projections.rows import Rows

DISBURSEMENT, REPAYMENT, CONTRIBUTION = "d", "r", "c"

TABLES = """
CREATE TABLE {schema}.movements (
    movement_id uuid          NOT NULL PRIMARY KEY,
    kind        "char"        NOT NULL,
    day         date          NOT NULL,
    member_id   uuid          NOT NULL,
    amount      numeric(15,2) NOT NULL
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
CREATE INDEX movements_of_day ON {schema}.movements (day) INCLUDE (kind, amount, member_id);
"""


def _disbursed(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    rows["movements"].add(
        event.stream_id,
        kind=DISBURSEMENT,
        day=data["disbursed_on"],
        member_id=data["member_id"],
        amount=text_from_cents(data["amount_cents"]),
    )
    _taken_over(event, rows)


def _taken_over(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    """Owed from now on; that it was paid out is of the older books."""
    balance_cents = event.data["after"]["balance_cents"]
    rows["loans"].add(event.stream_id, balance=text_from_cents(balance_cents))


def _balance_changed(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    rows["loans"].set(
        event.stream_id, balance=text_from_cents(event.data["after"]["balance_cents"])
    )


def _written_off(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    rows["loans"].set(event.stream_id, balance="0")


def _applied_text(parts: Mapping[str, int]) -> str:
    """What of a payment the loan took; the surplus is a contribution of its own."""
    return text_from_cents(sum(parts[component] for component in Component))


def _repaid(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    _add_repayment(event, rows, _applied_text(event.data["parts"]))
    _balance_changed(event, rows)


def _recovered(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    _add_repayment(event, rows, text_from_cents(event.data["amount_cents"]))


def _add_repayment(event: RecordedEvent, rows: Mapping[str, Rows], amount: str) -> None:
    data = event.data
    rows["movements"].add(
        data["repayment_id"],
        kind=REPAYMENT,
        day=data["paid_on"],
        member_id=data["member_id"],
        amount=amount,
    )


def _reallocated(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    for repayment_id, parts in event.data["parts"].items():
        rows["movements"].set(repayment_id, amount=_applied_text(parts))


def _repayment_reversed(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    rows["movements"].remove(event.data["repayment_id"])
    _balance_changed(event, rows)


def _recovery_reversed(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    rows["movements"].remove(event.data["repayment_id"])


def _contributed(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    if data["payment_method"] == OPENING_BALANCE:
        return  # nothing moved that day: it was brought along from older books
    rows["movements"].add(
        data["contribution_id"],
        kind=CONTRIBUTION,
        day=data["contributed_on"],
        member_id=data["member_id"],
        amount=text_from_cents(data["amount_cents"]),
    )


def _contribution_reversed(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    rows["movements"].remove(event.data["contribution_id"])


def _registered(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    rows["members"].add(str(event.stream_id), position=event.position)


SUMMARY = ReadModel(
    name="summary",
    tables=TABLES,
    indexes=INDEXES,
    keys={"movements": "movement_id", "loans": "loan_id", "members": "member_id"},
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

SUMMED = """
WITH moved AS MATERIALIZED (
    SELECT m.kind, m.member_id, m.amount FROM read_summary.movements AS m
    WHERE m.day BETWEEN %(date_from)s AND %(date_to)s
), sums AS (
    SELECT coalesce(sum(amount) FILTER (WHERE kind = 'd'), 0.00) AS disbursed,
           coalesce(sum(amount) FILTER (WHERE kind = 'r'), 0.00) AS repaid,
           coalesce(sum(amount) FILTER (WHERE kind = 'c'), 0.00) AS contributed
    FROM moved
)
SELECT p.position, disbursed::text, repaid::text, contributed::text,
       (repaid + contributed - disbursed)::text,
       (SELECT coalesce(sum(balance), 0.00)::text FROM read_summary.loans),
       (SELECT count(*) FROM read_summary.members),
       (SELECT count(*) FROM (SELECT member_id FROM moved WHERE kind <> 'd' GROUP BY 1) AS active)
FROM read_summary.position AS p, sums
"""


@dataclass(frozen=True)
class Summary:
    """Sums of a window, as decimal text; how loans and membership stand now; at which position."""

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
    with borrowed(pool) as connection:
        row = connection.execute(
            SUMMED, {"date_from": date_from, "date_to": date_to}, prepare=True
        ).fetchone()
    assert row is not None, "a read model has one position row"
    return Summary(*row)
