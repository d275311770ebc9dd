"""How the simulated M-Pesa may behave towards a push, as one table.

`behaviours.py` says which row applies to which push.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from domain.mpesa.result_codes import STK_RESULT_CODES, Verdict
from infra.mpesa.simulator.behaviours import Acknowledgement, Behaviour, BehaviourBook


class Lie(Enum):
    """A callback that says "cancelled" of money that moved."""

    NONE = "none"
    INSTEAD = "instead"
    AFTER = "after"


@dataclass(frozen=True, kw_only=True)
class PushBehaviour(Behaviour):
    """One row: what happens to a push, from the request to the last callback."""

    results: tuple[str, ...] = ("0",)  # the truth, step by step; money moves when it becomes "0"
    callbacks_per_result: int = 1
    callback_is_late: bool = False
    lie: Lie = Lie.NONE
    pending_polls: int = 0  # queries that are answered "pending" before the truth
    pending_form: str = "4999"  # "4999", or "500" for the error envelope that means the same


_ROWS = (
    PushBehaviour(number=1, name="success", meaning="Paid; one callback."),
    PushBehaviour(number=2, name="cancelled", meaning="The payer declines.", results=("1032",)),
    PushBehaviour(number=3, name="wrong_pin", meaning="The PIN is wrong.", results=("2001",)),
    PushBehaviour(number=4, name="no_balance", meaning="The balance is too low.", results=("1",)),
    PushBehaviour(number=5, name="unreachable", meaning="The phone is off.", results=("1037",)),
    PushBehaviour(
        number=6, name="no_callback", meaning="Paid; nobody is told.", callbacks_per_result=0
    ),
    PushBehaviour(
        number=7, name="callback_twice", meaning="Paid; told twice.", callbacks_per_result=2
    ),
    PushBehaviour(
        number=8,
        name="callback_before_acknowledgement",
        meaning="Paid; the callback overtakes the answer.",
        acknowledgement=Acknowledgement.AFTER_CALLBACK,
    ),
    PushBehaviour(
        number=9,
        name="late_success",
        meaning="First unreachable, later paid after all.",
        results=("1037", "0"),
    ),
    PushBehaviour(
        number=10,
        name="acknowledgement_lost",
        meaning="Paid; the connection breaks before the answer.",
        acknowledgement=Acknowledgement.LOST,
    ),
    PushBehaviour(
        number=11,
        name="acknowledgement_withheld",
        meaning="Paid; the answer never comes.",
        acknowledgement=Acknowledgement.WITHHELD,
    ),
    PushBehaviour(
        number=12,
        name="request_lost",
        meaning="The connection breaks and nothing happens.",
        acknowledgement=Acknowledgement.LOST,
        results=(),
    ),
    PushBehaviour(
        number=13,
        name="still_processing",
        meaning="Paid without callback; three queries say 4999.",
        callbacks_per_result=0,
        pending_polls=3,
    ),
    PushBehaviour(
        number=14,
        name="processing_500",
        meaning="Paid without callback; three queries say HTTP 500, being processed.",
        callbacks_per_result=0,
        pending_polls=3,
        pending_form="500",
    ),
    PushBehaviour(
        number=15,
        name="token_killed",
        meaning="The token dies; the next call with a new one is taken.",
        refusal="token_killed",
    ),
    PushBehaviour(
        number=16,
        name="spike_arrest",
        meaning="Three calls are too many, the fourth is taken.",
        refusal="spike_arrest",
        refused_calls=3,
    ),
    PushBehaviour(
        number=17, name="html_503", meaning="A web page, HTTP 503, once.", refusal="html_503"
    ),
    PushBehaviour(
        number=18, name="html_200", meaning="A web page, HTTP 200, once.", refusal="html_200"
    ),
    PushBehaviour(
        number=19,
        name="subscriber_locked",
        meaning="The payer is busy, once.",
        refusal="subscriber_locked",
    ),
    PushBehaviour(
        number=20,
        name="internal_error",
        meaning="A bare 500.003.1001, once.",
        refusal="internal_error",
    ),
    PushBehaviour(
        number=21, name="empty_error", meaning="An error without words, once.", refusal="empty"
    ),
    PushBehaviour(
        number=22, name="soap_fault", meaning="A SOAP fault as JSON, once.", refusal="soap_fault"
    ),
    PushBehaviour(
        number=23,
        name="failure_told_though_paid",
        meaning="Paid; the callback says cancelled. A query tells the truth.",
        lie=Lie.INSTEAD,
    ),
    PushBehaviour(
        number=24,
        name="failure_told_after_success",
        meaning="Paid and told; then told again as cancelled.",
        lie=Lie.AFTER,
    ),
    PushBehaviour(
        number=25,
        name="callback_late",
        meaning="Paid; the callback comes long after.",
        callback_is_late=True,
    ),
)

BEHAVIOURS: Mapping[str, PushBehaviour] = MappingProxyType({row.name: row for row in _ROWS})


def push_book() -> BehaviourBook[PushBehaviour]:
    """A new book of this table."""
    return BehaviourBook(BEHAVIOURS, with_code=_failing_with)


def _failing_with(code: str) -> PushBehaviour | None:
    known = STK_RESULT_CODES.get(code)
    if known is None or known.verdict in {Verdict.SUCCESS, Verdict.PENDING}:
        return None
    return PushBehaviour(number=0, name=f"code_{code}", meaning=known.meaning, results=(code,))
