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


UNSENT_STATES = frozenset({PayoutState.REQUESTED, PayoutState.HELD})
SETTLED_STATES = frozenset({PayoutState.SUCCEEDED, PayoutState.FAILED})
