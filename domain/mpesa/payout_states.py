"""The words for where a payout stands, what it is for, and why it waits."""

from __future__ import annotations

from enum import StrEnum

PAID, NOT_PAID = "paid", "not_paid"
"""What can be told of a payout in the end."""


class PayoutState(StrEnum):
    """Where a payout stands."""

    REQUESTED = "requested"
    HELD = "held"
    SENDING = "sending"
    ACCEPTED = "accepted"
    IN_DOUBT = "in_doubt"
    REVIEW = "review"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class PayoutPurpose(StrEnum):
    """What the money is for; `source_id` names the loan, the receipt or the refund."""

    LOAN_DISBURSEMENT = "loan_disbursement"
    SUSPENSE_REFUND = "suspense_refund"
    MEMBER_REFUND = "member_refund"
    REVERSAL = "reversal"


class HeldBecause(StrEnum):
    """Why a payout waits before it is sent."""

    LANE_STOPPED = "lane_stopped"
    FLOAT_UNKNOWN = "float_unknown"
    FLOAT_TOO_LOW = "float_too_low"
    MEMBER_SUSPENDED = "member_suspended"
    EARLIER_UNDER_REVIEW = "earlier_under_review"

    @property
    def sentence(self) -> str:
        """The reason as people read it."""
        return _HELD_SENTENCES[self]

    @property
    def pause_seconds(self) -> int:
        """When it is looked at again."""
        return _PAUSES_SECONDS.get(self, 30)


_HELD_SENTENCES = {
    HeldBecause.LANE_STOPPED: "Payouts from this short code are stopped.",
    HeldBecause.FLOAT_UNKNOWN: "It is not known what the utility account holds; M-Pesa was asked.",
    HeldBecause.FLOAT_TOO_LOW: "The utility account holds too little; top it up.",
    HeldBecause.MEMBER_SUSPENDED: "The member is suspended.",
    HeldBecause.EARLIER_UNDER_REVIEW: "An earlier payout of this loan is under review.",
}


UNSENT_STATES = frozenset({PayoutState.REQUESTED, PayoutState.HELD})
SETTLED_STATES = frozenset({PayoutState.SUCCEEDED, PayoutState.FAILED})
_PAUSES_SECONDS = {HeldBecause.FLOAT_UNKNOWN: 5, HeldBecause.MEMBER_SUSPENDED: 600}
