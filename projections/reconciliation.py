"""Reconciliation as people look at it: what was compared and how it stands, and every case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import orjson
from psycopg_pool import ConnectionPool

from domain.money import text_from_cents
from infra.event_store.reader import RecordedEvent
from infra.postgres.pool import borrowed
from projections.listing import Listing
from projections.read_model import ReadModel
from projections.rows import Rows

TABLES = """
CREATE TABLE {schema}.runs (
    run_id          uuid          NOT NULL PRIMARY KEY,
    position        bigint        NOT NULL,
    short_code      text          NOT NULL,
    source          text          NOT NULL,
    first_at        timestamptz   NOT NULL,
    last_at         timestamptz   NOT NULL,
    lines           integer       NOT NULL,
    started_by      text          NOT NULL,
    started_at      timestamptz   NOT NULL,
    compared_by     text,
    compared_at     timestamptz,
    agreed          integer,
    open_cases      text,
    resolved_cases  text,
    theirs          text,
    ours            text,
    unexplained     numeric(15,2),
    opening_balance numeric(15,2),
    came_in         numeric(15,2),
    went_out        numeric(15,2),
    closing_balance numeric(15,2)
) WITH (fillfactor = 80);
CREATE TABLE {schema}.cases (
    case_id        uuid          NOT NULL PRIMARY KEY,
    position       bigint        NOT NULL,
    short_code     text          NOT NULL,
    kind           text          NOT NULL,
    difference_key text          NOT NULL,
    receipt_number text,
    reason_type    text,
    movement_kind  text,
    movement_id    uuid,
    their_status   text,
    our_status     text,
    theirs         numeric(15,2) NOT NULL,
    ours           numeric(15,2) NOT NULL,
    effect         numeric(15,2) NOT NULL,
    occurred_at    timestamptz   NOT NULL,
    source         text          NOT NULL,
    run_id         uuid          NOT NULL,
    opened_at      timestamptz   NOT NULL,
    status         text          NOT NULL,
    decision       text,
    reason         text,
    proposed_by    text,
    proposed_at    timestamptz,
    ending         text,
    explained      numeric(15,2) NOT NULL,
    resolved_by    text,
    resolved_at    timestamptz
) WITH (fillfactor = 80);
"""
INDEXES = """
CREATE INDEX runs_newest ON {schema}.runs (position DESC);
CREATE INDEX cases_newest ON {schema}.cases (position DESC);
CREATE INDEX cases_waiting ON {schema}.cases (short_code, position DESC)
    WHERE status <> 'resolved';
CREATE INDEX cases_of_run ON {schema}.cases (run_id);
CREATE INDEX cases_by_key ON {schema}.cases (difference_key);
CREATE INDEX cases_by_receipt ON {schema}.cases (receipt_number);
"""
_AMOUNTS = (
    *("unexplained_cents", "opening_cents", "came_in_cents", "went_out_cents", "closing_cents"),
)


def _begun(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    later = dict.fromkeys(
        (
            *("compared_by", "compared_at", "agreed", "open_cases", "resolved_cases", "theirs"),
            *("ours", "unexplained", "opening_balance", "came_in", "went_out", "closing_balance"),
        )
    )
    rows["runs"].add(
        str(event.stream_id),
        position=event.position,
        short_code=data["short_code"],
        source=data["source"],
        first_at=data["first_at"],
        last_at=data["last_at"],
        lines=data["lines"],
        started_by=data["begun_by"],
        started_at=data["begun_at"],
        **later,
    )


def _compared(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    unexplained, opening, came_in, went_out, closing = (
        None if data[name] is None else text_from_cents(data[name]) for name in _AMOUNTS
    )
    rows["runs"].set(
        str(event.stream_id),
        lines=data["lines"],
        agreed=data["agreed"],
        open_cases=_json(data["open_cases"]),
        resolved_cases=_json(data["resolved_cases"]),
        theirs=_json(_in_shillings(data["theirs_cents"])),
        ours=_json(_in_shillings(data["ours_cents"])),
        unexplained=unexplained,
        opening_balance=opening,
        came_in=came_in,
        went_out=went_out,
        closing_balance=closing,
        compared_by=data["compared_by"],
        compared_at=data["compared_at"],
    )


def _opened(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    same = (
        *("short_code", "kind", "receipt_number", "reason_type", "movement_kind"),
        *("movement_id", "their_status", "our_status", "occurred_at", "source", "run_id"),
        "opened_at",
    )
    later = dict.fromkeys(
        (
            *("decision", "reason", "proposed_by", "proposed_at", "ending"),
            *("resolved_by", "resolved_at"),
        )
    )
    rows["cases"].add(
        str(event.stream_id),
        position=event.position,
        difference_key=data["key"],
        theirs=text_from_cents(data["theirs_cents"]),
        ours=text_from_cents(data["ours_cents"]),
        effect=text_from_cents(data["effect_cents"]),
        status="open",
        explained="0",
        **{name: data[name] for name in same},
        **later,
    )


def _proposed(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    names = ("decision", "reason", "proposed_by", "proposed_at")
    told = {name: event.data[name] for name in names}
    rows["cases"].set(str(event.stream_id), status="proposed", **told)


def _resolved(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    data = event.data
    rows["cases"].set(
        str(event.stream_id),
        status="resolved",
        ending=data["ending"],
        reason=data["reason"],
        explained=text_from_cents(data["explained_cents"]),
        resolved_by=data["resolved_by"],
        resolved_at=data["resolved_at"],
    )


def _in_shillings(sums: Mapping[str, int]) -> dict[str, str]:
    return {kind: text_from_cents(cents) for kind, cents in sums.items()}


def _json(value: Mapping[str, Any]) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


RECONCILIATION = ReadModel(
    name="reconciliation",
    tables=TABLES,
    indexes=INDEXES,
    keys={"runs": "run_id", "cases": "case_id"},
    folds={
        "reconciliation-run.begun": _begun,
        "reconciliation-run.compared": _compared,
        "reconciliation-case.opened": _opened,
        "reconciliation-case.decision-proposed": _proposed,
        "reconciliation-case.resolved": _resolved,
    },
)

RUN_LIST = Listing(
    plural="runs",
    schema="read_reconciliation",
    table="runs",
    item="""
        'id', t.run_id, 'short_code', t.short_code, 'source', t.source,
        'first_at', t.first_at, 'last_at', t.last_at, 'lines', t.lines,
        'started_by', t.started_by, 'started_at', t.started_at,
        'compared_by', t.compared_by, 'compared_at', t.compared_at, 'agreed', t.agreed,
        'open_cases', coalesce(t.open_cases, '{}')::json,
        'resolved_cases', coalesce(t.resolved_cases, '{}')::json,
        'theirs', coalesce(t.theirs, '{}')::json, 'ours', coalesce(t.ours, '{}')::json,
        'unexplained', t.unexplained::text,
        'opening_balance', t.opening_balance::text, 'came_in', t.came_in::text,
        'went_out', t.went_out::text, 'closing_balance', t.closing_balance::text,
        'balances_tie', t.opening_balance + t.came_in - t.went_out = t.closing_balance
    """,
    order={"position": "bigint"},
    filters={
        "id": "t.run_id = %(id)s",
        "short_code": "t.short_code = %(short_code)s",
        "source": "t.source = %(source)s",
    },
)

CASE_LIST = Listing(
    plural="cases",
    schema="read_reconciliation",
    table="cases",
    item="""
        'id', t.case_id, 'short_code', t.short_code, 'kind', t.kind,
        'receipt_number', t.receipt_number, 'reason_type', t.reason_type,
        'movement_kind', t.movement_kind, 'movement_id', t.movement_id,
        'their_status', t.their_status, 'our_status', t.our_status,
        'theirs', t.theirs::text, 'ours', t.ours::text, 'effect', t.effect::text,
        'occurred_at', t.occurred_at, 'source', t.source, 'run_id', t.run_id,
        'opened_at', t.opened_at, 'status', t.status, 'decision', t.decision,
        'reason', t.reason, 'proposed_by', t.proposed_by, 'proposed_at', t.proposed_at,
        'ending', t.ending, 'explained', t.explained::text,
        'resolved_by', t.resolved_by, 'resolved_at', t.resolved_at
    """,
    order={"position": "bigint", "case_id": "uuid"},
    filters={
        "id": "t.case_id = %(id)s",
        "run_id": "t.run_id = %(run_id)s",
        "short_code": "t.short_code = %(short_code)s",
        "kind": "t.kind = %(kind)s",
        "status": "t.status = %(status)s",
        "receipt_number": "t.receipt_number = %(receipt_number)s",
    },
)

_OPEN_CASES = """
SELECT case_id FROM read_reconciliation.cases
WHERE short_code = %(short_code)s AND status <> 'resolved'
  AND (run_id = %(run_id)s OR kind = 'only_here' AND difference_key = ANY(%(keys)s))
ORDER BY position
"""
_RESOLVED = """
SELECT kind, count(*) FROM read_reconciliation.cases
WHERE run_id = %s AND status = 'resolved' GROUP BY kind
"""

_OF_KEYS = """
SELECT kind, count(*) FROM read_reconciliation.cases
WHERE short_code = %s AND source = %s AND difference_key = ANY(%s)
  AND status = 'resolved'
GROUP BY kind
"""


def open_cases(
    pool: ConnectionPool, *, short_code: str, run_id: UUID, keys: Iterable[str]
) -> list[UUID]:
    """The cases that wait: those of a run, and what was missed before and has these keys."""
    parameters = {"short_code": short_code, "run_id": run_id, "keys": list(keys)}
    with borrowed(pool) as connection:
        return [row[0] for row in connection.execute(_OPEN_CASES, parameters).fetchall()]


def resolved_cases(pool: ConnectionPool, run_id: UUID) -> dict[str, int]:
    """How many cases that a run opened are over, by kind."""
    with borrowed(pool) as connection:
        return dict(connection.execute(_RESOLVED, (run_id,)).fetchall())


def cases_of_keys(
    pool: ConnectionPool, short_code: str, source: str, keys: Iterable[str]
) -> dict[str, int]:
    """How many cases about these are over, by kind, of those that this source brought up."""
    with borrowed(pool) as connection:
        return dict(connection.execute(_OF_KEYS, (short_code, source, list(keys))).fetchall())
