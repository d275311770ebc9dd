"""What became of something that Safaricom told us."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """The words stand beside the raw callback, for whoever looks it up."""

    APPLIED = "applied"
    ALREADY_KNOWN = "already_known"
    STILL_PENDING = "still_pending"
    OTHER_CHECKOUT_REQUEST = "checkout_request_id_does_not_match"
    CONTRADICTS_PAYMENT = "says_failed_but_money_was_received"
    RECEIPT_OF_ANOTHER_PUSH = "receipt_belongs_to_another_push"
    RECEIPT_WITH_OTHER_AMOUNT = "receipt_known_with_another_amount"
    RECEIPT_BELOW_POSTED = "receipt_is_for_less_than_was_posted"
    SECOND_RECEIPT = "push_already_has_another_receipt"
    NOTHING_LEARNT = "nothing_learnt"
    OTHER_CONVERSATION = "conversation_id_does_not_match"
    CONTRADICTS_PAYOUT = "contradicts_what_was_settled"
    PAYOUT_UNDER_REVIEW = "payout_is_under_review"
    PAYOUT_OF_OTHER_AMOUNT = "paid_another_amount"
    RECEIPT_OF_ANOTHER_PAYOUT = "receipt_belongs_to_another_payout"
    POSTED_APART = "receipt_and_push_were_each_posted"
    OTHER_SHORT_CODE = "tells_of_another_short_code"

    @property
    def needs_a_person(self) -> bool:
        """Whether the callback is set aside for somebody to look at."""
        return self in _NEEDS_A_PERSON


_NEEDS_A_PERSON = frozenset(
    {
        Outcome.OTHER_CHECKOUT_REQUEST,
        Outcome.CONTRADICTS_PAYMENT,
        Outcome.RECEIPT_OF_ANOTHER_PUSH,
        Outcome.RECEIPT_WITH_OTHER_AMOUNT,
        Outcome.RECEIPT_BELOW_POSTED,
        Outcome.SECOND_RECEIPT,
        Outcome.OTHER_CONVERSATION,
        Outcome.CONTRADICTS_PAYOUT,
        Outcome.PAYOUT_UNDER_REVIEW,
        Outcome.PAYOUT_OF_OTHER_AMOUNT,
        Outcome.RECEIPT_OF_ANOTHER_PAYOUT,
        Outcome.POSTED_APART,
        Outcome.OTHER_SHORT_CODE,
    }
)
