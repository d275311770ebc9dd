"""What happens to a payout. They stand apart from the aggregate only because there are many.

Moments are ISO texts in UTC, amounts cents. `source` says how we know: by the `result` that
Safaricom posts, the answer to a `status` question, the `gateway` that refused the request, `us`,
or a `person`.
"""

from __future__ import annotations

from domain.aggregate import Created, Event


class Requested(Created):
    """Money is to go out, and whoever may approve it has. Written before any request leaves.

    It goes to the `phone`, or back by the receipt that it `reverses`.
    """

    TOPIC = "payout.requested"
    PERSONAL_FIELDS = ("phone",)
    KEY_OWNER_FIELD = "member_id"

    purpose: str
    source_id: str
    member_id: str | None
    phone: str | None
    reverses: str | None
    amount_cents: int
    short_code: str
    requested_by: str
    approved_by: str
    requested_at: str


class Held(Event):
    """It may not be sent now; it is looked at again from `retry_at` on. Said once a reason."""

    TOPIC = "payout.held"

    reason: str
    sentence: str
    held_at: str
    retry_at: str


class Sent(Event):
    """We are about to hand the request to Safaricom. Written before the request leaves."""

    TOPIC = "payout.sent"
    PERSONAL_FIELDS = ("phone",)
    KEY_OWNER_FIELD = "member_id"

    member_id: str | None
    phone: str | None
    attempt: int
    sent_at: str


class NotSent(Event):
    """Proven not received by Safaricom; it may be sent again from `retry_at` on."""

    TOPIC = "payout.not-sent"

    reason: str
    retry_at: str


class Accepted(Event):
    """Safaricom took the request, now or when it came before. This is not yet a payment.

    The ids are Safaricom's; the originator's is ours, but for a reversal. Empty where untold.
    """

    TOPIC = "payout.accepted"

    conversation_id: str
    originator_conversation_id: str
    accepted_at: str


class LeftInDoubt(Event):
    """Nobody knows whether the money left; we ask until somebody does."""

    TOPIC = "payout.left-in-doubt"

    result_code: str
    reason: str
    doubted_at: str


class FailureReported(Event):
    """Safaricom says that the money did not leave. It has said so of money that had: we ask."""

    TOPIC = "payout.failure-reported"

    result_code: str
    reason: str
    reported_at: str


class AnswerUnclear(Event):
    """Safaricom answered our question, and we are no wiser."""

    TOPIC = "payout.answer-unclear"

    reason: str
    unclear_answers: int
    answered_at: str


class PutUnderReview(Event):
    """A person must find out. `is_contradicted`: nothing that is told settles it any more."""

    TOPIC = "payout.put-under-review"

    reason: str
    is_contradicted: bool
    reviewed_at: str


class Contradicted(Event):
    """What we are told now is not what was settled. Nothing is undone before a person has looked.

    `told` is paid or not_paid.
    """

    TOPIC = "payout.contradicted"

    was: str
    told: str
    source: str
    result_code: str
    reason: str
    receipt_number: str | None
    told_at: str


class SettlementProposed(Event):
    """Somebody has found out what became of it (`told`: paid or not_paid), and says how."""

    TOPIC = "payout.settlement-proposed"

    told: str
    receipt_number: str | None
    completed_at: str
    evidence: str
    proposed_by: str
    proposed_at: str


class SettlementRejected(Event):
    """Another person was not convinced."""

    TOPIC = "payout.settlement-rejected"

    reason: str
    rejected_by: str
    rejected_at: str


class Succeeded(Event):
    """The money left. `is_placed`: what it was for counts it as paid.

    `utility_cents` is what the short code's utility account held after it, where told.
    """

    TOPIC = "payout.succeeded"

    short_code: str
    receipt_number: str | None
    amount_cents: int
    completed_at: str
    utility_cents: int | None
    source: str
    settled_by: str | None
    is_placed: bool


class Failed(Event):
    """The money did not leave. `is_placed`: what it was for counts it as unpaid."""

    TOPIC = "payout.failed"

    result_code: str
    reason: str
    failed_at: str
    source: str
    settled_by: str | None
    is_placed: bool


class ChargeBooked(Event):
    """What Safaricom takes for it, by the tariff or as told."""

    TOPIC = "payout.charge-booked"

    amount_cents: int
    basis: str
    booked_at: str


class ChargeCorrected(Event):
    """The charge is another than was booked."""

    TOPIC = "payout.charge-corrected"

    amount_cents: int
    change_cents: int
    basis: str
    corrected_at: str
