"""How the simulated M-Pesa may behave towards payouts, reversals and questions, as one table.

All four go the same way: taken, decided, told at one of two addresses. `behaviours.py` says which
row applies; the numbers that pushes share mean the same here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from domain.mpesa.payout_result_codes import (
    PAYOUT_RESULT_CODES,
    REVERSAL_RESULT_CODES,
    PayoutVerdict,
)
from infra.mpesa.simulator.behaviours import Acknowledgement, Behaviour, BehaviourBook


class Tell(Enum):
    """One thing that is posted to us."""

    RESULT = "result"
    TIMEOUT = "timeout"  # the request itself, flat, with its SecurityCredential
    ENVELOPED_TIMEOUT = "enveloped_timeout"
    UNCLEAR = "unclear"  # a result that says 17, of what has succeeded
    FALSE_FAILURE = "false_failure"  # a failed result of what has succeeded


@dataclass(frozen=True, kw_only=True)
class RequestBehaviour(Behaviour):
    """One row: what happens to a request, from its coming to the last that is told of it."""

    code: str = "0"  # the truth; money moves when it is "0"
    is_taken: bool = True
    tells: tuple[Tell, ...] = (Tell.RESULT,)  # one after the other, with a pause between
    unclear_statuses: int = 0  # status questions about it that hear "Pending" before the truth


_ROWS = (
    RequestBehaviour(number=1, name="success", meaning="Done; one result."),
    RequestBehaviour(
        number=2, name="no_float", meaning="The Utility account is too low.", code="1"
    ),
    RequestBehaviour(
        number=3, name="wrong_credential", meaning="The initiator is refused.", code="2001"
    ),
    RequestBehaviour(
        number=4, name="unregistered", meaning="The receiver has no M-Pesa.", code="2040"
    ),
    RequestBehaviour(
        number=5, name="receiver_is_full", meaning="The receiver may hold no more.", code="8"
    ),
    RequestBehaviour(number=6, name="no_result", meaning="Done; nobody is told.", tells=()),
    RequestBehaviour(
        number=7,
        name="result_twice",
        meaning="Done; told twice.",
        tells=(Tell.RESULT, Tell.RESULT),
    ),
    RequestBehaviour(
        number=8,
        name="result_before_acknowledgement",
        meaning="Done; the result overtakes the answer.",
        acknowledgement=Acknowledgement.AFTER_CALLBACK,
    ),
    RequestBehaviour(
        number=9,
        name="timeout_then_success",
        meaning="A queue time-out is told, then the success.",
        tells=(Tell.TIMEOUT, Tell.RESULT),
    ),
    RequestBehaviour(
        number=10,
        name="acknowledgement_lost",
        meaning="Done; the connection breaks before the answer.",
        acknowledgement=Acknowledgement.LOST,
    ),
    RequestBehaviour(
        number=11,
        name="acknowledgement_withheld",
        meaning="Done; the answer never comes.",
        acknowledgement=Acknowledgement.WITHHELD,
    ),
    RequestBehaviour(
        number=12,
        name="request_lost",
        meaning="The connection breaks and nothing happens.",
        acknowledgement=Acknowledgement.LOST,
        is_taken=False,
    ),
    RequestBehaviour(
        number=13,
        name="timeout_only",
        meaning="Done; a queue time-out is all that is told.",
        tells=(Tell.TIMEOUT,),
    ),
    RequestBehaviour(
        number=14,
        name="enveloped_timeout_then_success",
        meaning="A queue time-out in an envelope is told, then the success.",
        tells=(Tell.ENVELOPED_TIMEOUT, Tell.RESULT),
    ),
    RequestBehaviour(
        number=15,
        name="token_killed",
        meaning="The token dies; the next call with a new one is taken.",
        refusal="token_killed",
    ),
    RequestBehaviour(
        number=16,
        name="spike_arrest",
        meaning="Three calls are too many, the fourth is taken.",
        refusal="spike_arrest",
        refused_calls=3,
    ),
    RequestBehaviour(
        number=17, name="html_503", meaning="A web page, HTTP 503, once.", refusal="html_503"
    ),
    RequestBehaviour(
        number=18, name="html_200", meaning="A web page, HTTP 200, once.", refusal="html_200"
    ),
    RequestBehaviour(
        number=19,
        name="busy_though_taken",
        meaning="Done; the answer says too busy.",
        acknowledgement=Acknowledgement.BUSY,
    ),
    RequestBehaviour(
        number=20,
        name="internal_error",
        meaning="A bare 500.003.1001, once.",
        refusal="internal_error",
    ),
    RequestBehaviour(
        number=21, name="empty_error", meaning="An error without words, once.", refusal="empty"
    ),
    RequestBehaviour(
        number=22, name="soap_fault", meaning="A SOAP fault as JSON, once.", refusal="soap_fault"
    ),
    RequestBehaviour(
        number=23,
        name="failure_told_before_success",
        meaning="Done; told as failed first, then as done.",
        tells=(Tell.FALSE_FAILURE, Tell.RESULT),
    ),
    RequestBehaviour(
        number=24,
        name="failure_told_after_success",
        meaning="Done and told; then told again as failed.",
        tells=(Tell.RESULT, Tell.FALSE_FAILURE),
    ),
    RequestBehaviour(
        number=25,
        name="unclear_status",
        meaning="Done; nobody is told, and three status questions hear Pending.",
        tells=(),
        unclear_statuses=3,
    ),
    RequestBehaviour(
        number=26,
        name="failed_untold",
        meaning="Not done (the float is too low), and nobody is told.",
        code="1",
        tells=(),
    ),
    RequestBehaviour(
        number=27,
        name="internal_failure",
        meaning="Not done; the result says 17, which proves nothing.",
        code="17",
    ),
    RequestBehaviour(
        number=28,
        name="internal_failure_though_done",
        meaning="Done; the result says 17, which proves nothing.",
        tells=(Tell.UNCLEAR,),
    ),
)

REQUEST_BEHAVIOURS: Mapping[str, RequestBehaviour] = MappingProxyType(
    {row.name: row for row in _ROWS}
)


def request_book() -> BehaviourBook[RequestBehaviour]:
    """A new book of this table."""
    return BehaviourBook(REQUEST_BEHAVIOURS, with_code=_failing_with)


def _failing_with(code: str) -> RequestBehaviour | None:
    known = PAYOUT_RESULT_CODES.get(code) or REVERSAL_RESULT_CODES.get(code)
    if known is None or known.verdict is PayoutVerdict.PAID:
        return None
    return RequestBehaviour(number=0, name=f"code_{code}", meaning=known.meaning, code=code)
