"""What the environment says of payouts: how patient we are, and how loans are paid out."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from infra.mpesa.settings import paying_short_code
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


@dataclass(frozen=True)
class PayoutSettings:
    """All that is told of payouts."""

    pays_from: str | None = None
    disburse_by: DisburseBy = DisburseBy.COUNTER
    patience: PayoutPatience = field(default_factory=PayoutPatience)


def payout_settings(variables: Variables) -> PayoutSettings:
    """Read what is told of payouts."""
    return PayoutSettings(
        pays_from=paying_short_code(variables),
        disburse_by=_disburse_by(variables),
        patience=_patience(variables),
    )


def _patience(variables: Variables) -> PayoutPatience:
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


def _disburse_by(variables: Variables) -> DisburseBy:
    return variables.choice(
        "DAYSTAR_DISBURSE_BY",
        DisburseBy.COUNTER,
        "`mpesa` or `counter`: how an approved loan is paid out where its approval does not say;"
        " by M-Pesa at once, at the counter when somebody records it",
        otherwise="`counter`",
        kind=DisburseBy,
    )
