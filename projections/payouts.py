"""Payouts as people look at them: each with its story, the lanes they leave by, and what waits.

`unpaid_loans` holds approved loans whose payout failed, or whose rest is still to be paid out: each
waits for a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg_pool import ConnectionPool

from domain.money import text_from_cents
from infra.event_store.reader import RecordedEvent
from infra.postgres.pool import borrowed
from projections.listing import Listing
from projections.read_model import Fold, ReadModel
from projections.rows import Rows

TABLES = """
CREATE TABLE {schema}.payouts (
    payout_id      uuid          NOT NULL PRIMARY KEY,
    position       bigint        NOT NULL,
    purpose        text          NOT NULL,
    source_id      uuid          NOT NULL,
    member_id      uuid,
    short_code     text          NOT NULL,
    phone          text,
    reverses       text,
    amount         numeric(15,2) NOT NULL,
    status         text          NOT NULL,
    held_because   text,
    receipt_number text,
    charge         numeric(15,2),
    attempts       integer       NOT NULL,
    result_code    text,
    reason         text,
    settled_by     text,
    is_placed      boolean,
    proposal       text,
    proposed_by    text,
    requested_by   text          NOT NULL,
    approved_by    text          NOT NULL,
    requested_at   timestamptz   NOT NULL,
    completed_at   timestamptz,
    updated_at     timestamptz   NOT NULL
) WITH (fillfactor = 70);
CREATE TABLE {schema}.steps (
    step_id   text        NOT NULL PRIMARY KEY,
    payout_id uuid        NOT NULL,
    position  bigint      NOT NULL,
    happened  text        NOT NULL,
    detail    text        NOT NULL,
    at        timestamptz NOT NULL
);
CREATE TABLE {schema}.lanes (
    short_code      text NOT NULL PRIMARY KEY,
    stopped_because text,
    stopped_at      timestamptz,
    utility         numeric(15,2),
    told_at         timestamptz
);
CREATE TABLE {schema}.unpaid_loans (
    loan_id   uuid          NOT NULL PRIMARY KEY,
    member_id uuid          NOT NULL,
    payout_id uuid          NOT NULL,
    unpaid    numeric(15,2) NOT NULL,
    reason    text          NOT NULL,
    since     timestamptz   NOT NULL
);
"""
INDEXES = """
CREATE INDEX payouts_newest ON {schema}.payouts (position DESC);
CREATE INDEX payouts_by_status ON {schema}.payouts (status, position DESC);
CREATE INDEX payouts_of_source ON {schema}.payouts (source_id, position DESC);
CREATE INDEX payouts_of_member ON {schema}.payouts (member_id, position DESC);
CREATE INDEX payouts_by_receipt ON {schema}.payouts (receipt_number);
CREATE INDEX steps_of_payout ON {schema}.steps (payout_id, position);
"""


def _step(event: RecordedEvent, rows: Mapping[str, Rows], detail: str) -> None:
    rows["steps"].add(
        f"{event.stream_id}/{event.position}",
        payout_id=event.stream_id,
        position=event.position,
        happened=event.topic.partition(".")[2].replace("-", " "),
        detail=detail,
        at=event.recorded_at,
    )


def _requested(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    copied = ("purpose", "source_id", "member_id", "short_code", "phone", "reverses")
    rows["payouts"].add(
        event.stream_id,
        position=event.position,
        **{name: data[name] for name in copied},
        amount=text_from_cents(data["amount_cents"]),
        status="requested",
        held_because=None,
        receipt_number=None,
        charge=None,
        attempts=0,
        result_code=None,
        reason=None,
        settled_by=None,
        is_placed=None,
        proposal=None,
        proposed_by=None,
        requested_by=data["requested_by"],
        approved_by=data["approved_by"],
        requested_at=data["requested_at"],
        completed_at=None,
        updated_at=event.recorded_at,
    )
    _step(event, rows, "")


def _changed(status: str | None, *told: str, detail: str = "reason", **renamed: str) -> Fold:
    """A new status, columns named as fields of the event are, and one more step of the story."""

    def fold(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
        columns: dict[str, Any] = {name: event.data[name] for name in told}
        columns |= {column: event.data[name] for column, name in renamed.items()}
        if status is not None:
            columns["status"] = status
        rows["payouts"].set(event.stream_id, updated_at=event.recorded_at, **columns)
        _step(event, rows, str(event.data.get(detail) or ""))

    return fold


def _sent(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    rows["payouts"].set(
        event.stream_id,
        status="sending",
        held_because=None,
        phone=data["phone"],
        attempts=data["attempt"],
        updated_at=event.recorded_at,
    )
    _step(event, rows, f"attempt {data['attempt']}")


def _contradicted(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    told, source = (data[name].replace("_", " ") for name in ("told", "source"))
    was = data["was"].replace("_", " ")
    reason = f"It was settled as {was}; now it is told as {told} ({source})."
    rows["payouts"].set(
        event.stream_id, status="review", reason=reason, updated_at=event.recorded_at
    )
    _step(event, rows, f"{reason} {data['receipt_number'] or data['reason']}".strip())


def _proposed(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    rows["payouts"].set(
        event.stream_id,
        proposal=data["told"],
        proposed_by=data["proposed_by"],
        updated_at=event.recorded_at,
    )
    number = f", receipt {data['receipt_number']}" if data["receipt_number"] else ""
    _step(event, rows, f"{data['told'].replace('_', ' ')}{number}: {data['evidence']}")


def _rejected(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    rows["payouts"].set(
        event.stream_id, proposal=None, proposed_by=None, updated_at=event.recorded_at
    )
    _step(event, rows, event.data["reason"])


def _succeeded(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    rows["payouts"].set(
        event.stream_id,
        status="succeeded",
        receipt_number=data["receipt_number"],
        result_code="0",
        reason=None,
        completed_at=data["completed_at"],
        **_settled(event),
    )
    _step(event, rows, data["receipt_number"] or "")
    if data["utility_cents"] is not None:
        rows["lanes"].set(
            data["short_code"],
            utility=text_from_cents(data["utility_cents"]),
            told_at=data["completed_at"],
        )


def _failed(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    rows["payouts"].set(
        event.stream_id,
        status="failed",
        receipt_number=None,
        result_code=data["result_code"],
        reason=data["reason"],
        completed_at=data["failed_at"],
        **_settled(event),
    )
    _step(event, rows, data["reason"])


def _settled(event: RecordedEvent) -> dict[str, Any]:
    return {
        "held_because": None,
        "settled_by": event.data["settled_by"],
        "is_placed": event.data["is_placed"],
        "proposal": None,
        "proposed_by": None,
        "updated_at": event.recorded_at,
    }


def _charged(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    charge = text_from_cents(event.data["amount_cents"])
    rows["payouts"].set(event.stream_id, charge=charge, updated_at=event.recorded_at)
    _step(event, rows, f"{charge} ({event.data['basis'].replace('_', ' ')})")


def _lane_opened(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    rows["lanes"].add(
        event.data["short_code"], stopped_because=None, stopped_at=None, utility=None, told_at=None
    )


def _lane_stopped(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    rows["lanes"].set(
        data["short_code"],
        stopped_because=f"{data['reason']} ({data['result_code']})",
        stopped_at=data["stopped_at"],
    )


def _lane_resumed(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    rows["lanes"].set(event.data["short_code"], stopped_because=None, stopped_at=None)


def _balance_told(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    rows["lanes"].set(
        data["short_code"],
        utility=text_from_cents(data["utility_cents"]),
        told_at=data["told_at"],
    )


def _loan_waits(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    """What comes after it in the same append takes the row away where nobody is needed."""
    data = event.data
    rows["unpaid_loans"].remove(event.stream_id)
    rows["unpaid_loans"].add(
        event.stream_id,
        member_id=data["member_id"],
        payout_id=data["payout_id"],
        unpaid=text_from_cents(data["unpaid_cents"]),
        reason=data.get("reason") or "A part of it is still to be paid out.",
        since=event.recorded_at,
    )


def _loan_waits_no_more(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    rows["unpaid_loans"].remove(event.stream_id)


def _member_erased(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    rows["payouts"].sweep("member_id", event.stream_id, phone=None)


PAYOUTS = ReadModel(
    name="payouts",
    tables=TABLES,
    indexes=INDEXES,
    keys={
        "payouts": "payout_id",
        "steps": "step_id",
        "lanes": "short_code",
        "unpaid_loans": "loan_id",
    },
    folds={
        "payout.requested": _requested,
        "payout.held": _changed("held", detail="sentence", held_because="reason"),
        "payout.sent": _sent,
        "payout.not-sent": _changed("requested", "reason"),
        "payout.accepted": _changed("accepted", detail="conversation_id"),
        "payout.left-in-doubt": _changed("in_doubt", "result_code", "reason"),
        "payout.failure-reported": _changed("in_doubt", "result_code", "reason"),
        "payout.answer-unclear": _changed(None, "reason"),
        "payout.put-under-review": _changed("review", "reason"),
        "payout.contradicted": _contradicted,
        "payout.settlement-proposed": _proposed,
        "payout.settlement-rejected": _rejected,
        "payout.succeeded": _succeeded,
        "payout.failed": _failed,
        "payout.charge-booked": _charged,
        "payout.charge-corrected": _charged,
        "payout-lane.opened": _lane_opened,
        "payout-lane.stopped": _lane_stopped,
        "payout-lane.resumed": _lane_resumed,
        "payout-lane.balance-told": _balance_told,
        "loan.payout-failed": _loan_waits,
        "loan.part-paid": _loan_waits,
        "loan.payout-started": _loan_waits_no_more,
        "loan.disbursed": _loan_waits_no_more,
        "member.erased": _member_erased,
    },
)

UNDER_WAY = ("sending", "accepted", "in_doubt", "review")
"""States in which the money may have left, or be about to."""

PAYOUT_ITEM = """
        'id', t.payout_id, 'purpose', t.purpose, 'source_id', t.source_id,
        'member_id', t.member_id, 'short_code', t.short_code, 'phone', t.phone,
        'reverses', t.reverses, 'amount', t.amount::text, 'charge', t.charge::text,
        'status', t.status, 'held_because', t.held_because,
        'receipt_number', t.receipt_number, 'attempts', t.attempts,
        'result_code', t.result_code, 'reason', t.reason,
        'needs_a_person', t.status = 'review',
        'proposal', t.proposal, 'proposed_by', t.proposed_by,
        'settled_by', t.settled_by, 'is_placed', t.is_placed,
        'requested_by', t.requested_by, 'approved_by', t.approved_by,
        'requested_at', t.requested_at, 'completed_at', t.completed_at,
        'updated_at', t.updated_at
"""
PAYOUT_LIST = Listing(
    plural="payouts",
    schema="read_payouts",
    table="payouts",
    item=PAYOUT_ITEM,
    order={"position": "bigint"},
    of_persons=True,
    filters={
        "status": "t.status = %(status)s",
        "purpose": "t.purpose = %(purpose)s",
        "source_id": "t.source_id = %(source_id)s",
        "member_id": "t.member_id = %(member_id)s",
        "short_code": "t.short_code = %(short_code)s",
        "receipt_number": "t.receipt_number = %(receipt_number)s",
    },
)

_PAYOUT = f"""
SELECT json_build_object({PAYOUT_ITEM}, 'story', (
    SELECT coalesce(json_agg(json_build_object(
        'happened', s.happened, 'detail', s.detail, 'at', s.at) ORDER BY s.position), '[]')
    FROM read_payouts.steps s WHERE s.payout_id = t.payout_id))::text
FROM read_payouts.payouts AS t WHERE t.payout_id = %s
"""


def payout_json(pool: ConnectionPool, payout_id: UUID) -> str | None:
    """One payout and its story as JSON text, or None where the read model lacks it (yet)."""
    with borrowed(pool) as connection:
        row = connection.execute(_PAYOUT, (payout_id,)).fetchone()
    return row[0] if row else None
