"""What the environment says of payouts: how patient we are, and how loans are paid out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from infra.variables import Variables


class DisburseBy(StrEnum):
    """How an approved loan is paid out where its approval does not say."""

    COUNTER = "counter"
    MPESA = "mpesa"


@dataclass(frozen=True)
class PayoutPatience:
    """How long to wait, in seconds, before each next step of a payout."""

    answer_seconds: float = 90.0
    doubt_seconds: float = 30.0
    result_seconds: float = 300.0
    backoff_seconds: tuple[float, ...] = (60.0, 300.0, 900.0, 3_600.0)
    review_seconds: float = 86_400.0
    float_seconds: float = 900.0


def payout_patience(variables: Variables) -> PayoutPatience:
    """How long to wait for Safaricom before each next step of a payout."""
    usual = PayoutPatience()
    return PayoutPatience(
        answer_seconds=variables.seconds(
            "DAYSTAR_PAYOUT_ANSWER_SECONDS",
            usual.answer_seconds,
            "after this a payout without acknowledgement is in doubt",
        ),
        doubt_seconds=variables.seconds(
            "DAYSTAR_PAYOUT_DOUBT_SECONDS",
            usual.doubt_seconds,
            "when to ask about a payout in doubt",
        ),
        result_seconds=variables.seconds(
            "DAYSTAR_PAYOUT_RESULT_SECONDS",
            usual.result_seconds,
            "when to ask about a payout that was taken and has no result",
        ),
        backoff_seconds=variables.pauses(
            "DAYSTAR_PAYOUT_BACKOFF_SECONDS",
            usual.backoff_seconds,
            "and when again; the last one repeats",
        ),
        review_seconds=variables.seconds(
            "DAYSTAR_PAYOUT_REVIEW_SECONDS",
            usual.review_seconds,
            "when to stop asking: a person must find out",
        ),
        float_seconds=variables.seconds(
            "DAYSTAR_PAYOUT_FLOAT_SECONDS",
            usual.float_seconds,
            "how old what is known of the float may be; then the balance is asked for",
        ),
    )


def disburse_by(variables: Variables) -> DisburseBy:
    """How approved loans are paid out."""
    return variables.choice(
        "DAYSTAR_DISBURSE_BY",
        DisburseBy.COUNTER,
        "`mpesa` or `counter`: how an approved loan is paid out where its approval does not say;"
        " by M-Pesa at once, at the counter when somebody records it",
        otherwise="`counter`",
        kind=DisburseBy,
    )
