"""What can come of a call to Daraja, as data. The client returns these and raises nothing.

The names of a push's outcomes answer one question: may it be sent again? A query moves no money, so
its outcomes only say what was learnt. A CheckoutRequestID ends in the payer's number, which is why
no repr shows it.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Accepted:
    """M-Pesa took the push. Nothing is paid yet: the result comes by callback or query."""

    merchant_request_id: str
    checkout_request_id: str = field(repr=False)


@dataclass(frozen=True)
class NotSent:
    """Proven not to have reached M-Pesa: it may be sent again, after a pause."""

    reason: str
    retry_after_seconds: float


@dataclass(frozen=True)
class Refused:
    """A definite no that repeating would not change: our data or our configuration is wrong."""

    code: str
    reason: str
    is_configuration: bool = False
    """Whether every other request of this short code would meet the same."""


@dataclass(frozen=True)
class Ambiguous:
    """M-Pesa may have taken the request. Sending it again could move the money twice."""

    reason: str


PushOutcome = Accepted | NotSent | Refused | Ambiguous


@dataclass(frozen=True)
class QueryAnswer:
    """M-Pesa named a result code; the domain decides what it means ("4999" is still pending)."""

    result_code: str
    result_description: str


@dataclass(frozen=True)
class StillProcessing:
    """M-Pesa has the push and no result yet."""


@dataclass(frozen=True)
class Unknown:
    """M-Pesa says there is no such push. Soon after the push, that can be untrue."""


@dataclass(frozen=True)
class NotAnswered:
    """Nothing was learnt; ask again after a pause."""

    reason: str
    retry_after_seconds: float


QueryOutcome = QueryAnswer | StillProcessing | Unknown | NotAnswered


@dataclass(frozen=True)
class Taken:
    """M-Pesa took a payout, a reversal or a question; the result comes by callback."""

    conversation_id: str
    originator_conversation_id: str = (
        ""  # Safaricom's where we sent none; a reversal is asked by it
    )


@dataclass(frozen=True)
class AlreadyTaken:
    """The same came before, and was taken then: this payout's id, or addresses registered."""


RequestOutcome = Taken | AlreadyTaken | NotSent | Refused | Ambiguous
