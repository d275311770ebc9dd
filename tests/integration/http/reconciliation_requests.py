"""Good requests about reconciliation, and what they speak of."""

from __future__ import annotations

import base64
from typing import Any
from uuid import UUID

from domain.mpesa.reconciliation import compare
from domain.mpesa.reconciliation_case import Decision, ReconciliationCase, Source
from domain.mpesa.reconciling import ProposeDecision, TakeUpDifference
from domain.mpesa.statement import Window
from infra import clock
from tests.integration.http.house import House
from tests.support.reconciling import BY, Reconciling
from tests.support.statements import FIRST, SHORT_CODE, Moved, balanced, newer_layout

RECONCILIATION = "/daystar/v1/mpesa/reconciliation"
RECONCILIATION_ACTS = ("import_statement", "propose", "confirm")
RECONCILIATION_LISTS = (f"{RECONCILIATION}/runs", f"{RECONCILIATION}/cases")


def short_code_of(house: House) -> str:
    """The paybill; or one that was, where nothing is configured any more."""
    return next(iter(house.services.short_codes.all()), SHORT_CODE)


def statement_file(house: House, *numbers: int) -> str:
    """An exported statement of some payments, as it is sent."""
    lines = [line for number in numbers for line in Moved(number, "payment", 750).lines()]
    told = newer_layout(balanced(lines), short_code_of(house))
    return base64.b64encode(told).decode()


def make_cases(house: House) -> dict[str, UUID]:
    """A run, and a case for each thing that may be done with one."""
    reconciling = Reconciling(house.co_operative)
    short_code = short_code_of(house)
    transfers = balanced([Moved(number, "transfer", 900).lines()[0] for number in (40, 41)])
    run_id = reconciling.imported(transfers, short_code=short_code)
    reconciling.matching.match(run_id, by=BY)
    found = compare(transfers, (), certain=Window(FIRST, FIRST)).differences
    cases: list[ReconciliationCase] = [
        house.co_operative.dispatch(
            TakeUpDifference(
                short_code, each, Source.STATEMENT, run_id, receipt=None, by=BY, now=clock.now()
            )
        )
        for each in found
    ]
    to_propose, to_confirm = (case.id for case in cases)
    maker = house.co_operative.principal(name="Maker of proposals")
    why = "the weekly transfer to our bank"
    house.co_operative.dispatch(
        ProposeDecision(to_confirm, Decision.ACCEPT, why, maker, clock.now())
    )
    return {"run": run_id, "propose": to_propose, "confirm": to_confirm}


def reconciliation_commands(house: House, cases: dict[str, UUID]) -> dict[str, Any]:
    """Where each is posted, and its body."""
    return {
        "import_statement": (
            f"{RECONCILIATION}/statements",
            {"content": statement_file(house, 50, 51), "short_code": short_code_of(house)},
        ),
        "propose": (
            f"{RECONCILIATION}/cases/{cases['propose']}/proposal",
            {"decision": "accept", "reason": "the weekly transfer to our bank"},
        ),
        "confirm": (f"{RECONCILIATION}/cases/{cases['confirm']}/confirmation", {}),
    }
