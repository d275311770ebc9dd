"""A push: our request that a member's phone ask them to pay, and everything that became of it.

    requested -> sent -> accepted -> succeeded | failed | cancelled | expired | paid receipt awaited
                   |-> requested again (proven not sent)      in doubt -> any of them, if told
                   |-> rejected

Only a callback or a query settles a push; an acknowledgement never does. Money proves itself: a
success told late, after a time-out or an expiry, is believed. Success told after a definite failure
is believed too, but its money goes to suspense for a person to look at.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from domain.aggregate import Aggregate, Created, Event, event


class PushState(StrEnum):
    """Where a push stands."""

    REQUESTED = "requested"
    SENT = "sent"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SUCCEEDED = "succeeded"
    PAID_RECEIPT_AWAITED = "paid_receipt_awaited"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    IN_DOUBT = "in_doubt"


class PushPurpose(StrEnum):
    """What the money is asked for."""

    MONTHLY = "monthly"
    SHARE_CAPITAL = "share_capital"
    REGISTRATION_FEE = "registration_fee"
    LOAN_REPAYMENT = "loan_repayment"


OPEN_STATES = frozenset(
    {PushState.REQUESTED, PushState.SENT, PushState.ACCEPTED, PushState.IN_DOUBT}
)
PAID_STATES = frozenset({PushState.SUCCEEDED, PushState.PAID_RECEIPT_AWAITED})


class Push(Aggregate):
    """One request to pay. The phone is the member's, encrypted under the member's key."""

    TOPIC = "push"

    class Requested(Created):
        """Somebody asked for `push_shillings`: the `try_number`th time, after `retry_of`."""

        TOPIC = "push.requested"
        PERSONAL_FIELDS = ("phone",)
        KEY_OWNER_FIELD = "member_id"
        class_version = 3

        member_id: str
        phone: str
        purpose: str
        amount_cents: int
        push_shillings: int
        account_reference: str
        short_code: str
        requested_at: str
        loan_id: str | None
        retry_of: str | None
        try_number: int

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            """The first pushes asked for contributions only."""
            state["loan_id"] = None

        @staticmethod
        def upcast_v2_v3(state: dict[str, Any]) -> None:
            """What failed was not asked again."""
            state["retry_of"] = None
            state["try_number"] = 1

    class Sent(Event):
        """We are about to hand the request to Safaricom. Written before the request leaves."""

        TOPIC = "push.sent"

        attempt: int
        sent_at: str

    class NotSent(Event):
        """Proven not received by Safaricom; it may be sent again from `retry_at` on."""

        TOPIC = "push.not-sent"

        reason: str
        retry_at: str

    class Accepted(Event):
        """Safaricom took the request. This is not yet a payment."""

        TOPIC = "push.accepted"
        PERSONAL_FIELDS = ("checkout_request_id",)
        KEY_OWNER_FIELD = "member_id"
        OUTLIVES_PERSON = True

        member_id: str
        merchant_request_id: str
        checkout_request_id: str
        accepted_at: str

    class Rejected(Event):
        """Safaricom refused the request, or it could not be handed over at all."""

        TOPIC = "push.rejected"

        result_code: str
        reason: str
        rejected_at: str

    class LeftInDoubt(Event):
        """Nobody knows whether Safaricom has the request; only a callback can tell."""

        TOPIC = "push.left-in-doubt"

        reason: str
        doubted_at: str

    class FailureReported(Event):
        """A callback tells of a failure that is not always true; a query will tell."""

        TOPIC = "push.failure-reported"

        result_code: str
        reason: str
        reported_at: str

    class Failed(Event):
        """No payment. Where not `definite`, a late success is still believed."""

        TOPIC = "push.failed"

        result_code: str
        reason: str
        definite: bool
        failed_at: str

    class Cancelled(Event):
        """The member declined, or let the prompt lapse."""

        TOPIC = "push.cancelled"

        result_code: str
        reason: str
        cancelled_at: str

    class Expired(Event):
        """No answer came in time."""

        TOPIC = "push.expired"

        expired_at: str

    class PaidReceiptAwaited(Event):
        """A query says paid, but tells no receipt: what was asked is posted under the push.

        Nothing is posted for a member who has exited: the receipt, once told, goes to suspense.
        """

        TOPIC = "push.paid-receipt-awaited"

        posted_cents: int
        paid_at: str

    class Succeeded(Event):
        """Paid, with a receipt. `placed` tells whether the money was placed or is in suspense."""

        TOPIC = "push.succeeded"
        class_version = 2

        receipt_id: str
        receipt_number: str
        amount_cents: int
        paid_at: str
        placed: bool
        contribution_ids: list[str]
        repayment_id: str | None

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            """The first pushes paid contributions only."""
            state["repayment_id"] = None

    @event(Requested)
    def __init__(
        self,
        *,
        member_id: str,
        phone: str,
        purpose: str,
        amount_cents: int,
        push_shillings: int,
        account_reference: str,
        short_code: str,
        requested_at: str,
        loan_id: str | None,
        try_number: int,
    ) -> None:
        self.member_id = member_id
        self.phone: str | None = phone  # None once the member is erased
        self.purpose = purpose
        self.amount_cents = amount_cents
        self.push_shillings = push_shillings
        self.account_reference = account_reference
        self.short_code = short_code
        self.requested_at = requested_at
        self.loan_id = loan_id
        self.try_number = try_number
        self.asked_at = requested_at
        self.state: str = PushState.REQUESTED
        self.attempts = 0
        self.definite_failure = False
        self.checkout_request_id: str | None = None
        self.posted_cents = 0
        self.receipt_id: str | None = None

    @property
    def push_cents(self) -> int:
        """What the member pays: the amount asked, rounded up to whole shillings."""
        return self.push_shillings * 100

    @property
    def is_open(self) -> bool:
        """Whether a first answer is still to come."""
        return self.state in OPEN_STATES

    @property
    def believes_late_success(self) -> bool:
        """Whether success told now is simply success."""
        return self.is_open or not self.definite_failure

    def mark_sent(self, *, at: str) -> bool:
        """Claim the right to send, once for each request. Answers whether to go on."""
        if self.state != PushState.REQUESTED:
            return False
        self._sent(attempt=self.attempts + 1, sent_at=at)
        return True

    @event(Sent)
    def _sent(self, *, attempt: int, sent_at: str) -> None:
        self.state = PushState.SENT
        self.attempts = attempt
        self.asked_at = sent_at

    def mark_not_sent(self, *, reason: str, retry_at: str) -> None:
        """Let it be sent again."""
        if self.state == PushState.SENT:
            self._not_sent(reason=reason, retry_at=retry_at)

    @event(NotSent)
    def _not_sent(self, *, reason: str, retry_at: str) -> None:
        self.state = PushState.REQUESTED

    def accept(self, *, merchant_request_id: str, checkout_request_id: str, at: str) -> None:
        """Note the acknowledgement. One that comes after the outcome changes nothing."""
        handed_over = self.state == PushState.REQUESTED and self.attempts > 0
        if handed_over or self.state in (PushState.SENT, PushState.IN_DOUBT):
            self._accepted(
                member_id=self.member_id,
                merchant_request_id=merchant_request_id,
                checkout_request_id=checkout_request_id,
                accepted_at=at,
            )

    @event(Accepted)
    def _accepted(
        self,
        *,
        member_id: str,
        merchant_request_id: str,
        checkout_request_id: str,
        accepted_at: str,
    ) -> None:
        self.state = PushState.ACCEPTED
        self.checkout_request_id = checkout_request_id

    def reject(self, *, result_code: str, reason: str, at: str) -> None:
        """The request was refused for good."""
        if self.state in (PushState.REQUESTED, PushState.SENT):
            self._rejected(result_code=result_code, reason=reason, rejected_at=at)

    @event(Rejected)
    def _rejected(self, *, result_code: str, reason: str, rejected_at: str) -> None:
        self.state = PushState.REJECTED
        self.definite_failure = True

    def leave_in_doubt(self, *, reason: str, at: str) -> None:
        """The answer was lost."""
        if self.state == PushState.SENT:
            self._left_in_doubt(reason=reason, doubted_at=at)

    def doubt_after_restore(self, *, reason: str, at: str) -> None:
        """The log was restored, and does not know whether the request has left since."""
        if self.state in (PushState.REQUESTED, PushState.SENT):
            self._left_in_doubt(reason=reason, doubted_at=at)

    @event(LeftInDoubt)
    def _left_in_doubt(self, *, reason: str, doubted_at: str) -> None:
        self.state = PushState.IN_DOUBT

    def report_failure(self, *, result_code: str, reason: str, at: str) -> None:
        """Note a failure that a query must confirm."""
        if self.is_open:
            self._failure_reported(result_code=result_code, reason=reason, reported_at=at)

    @event(FailureReported)
    def _failure_reported(self, *, result_code: str, reason: str, reported_at: str) -> None:
        pass

    def fail(self, *, result_code: str, reason: str, definite: bool, at: str) -> None:
        """No payment."""
        if self.is_open or (self.state == PushState.EXPIRED and definite):
            self._failed(result_code=result_code, reason=reason, definite=definite, failed_at=at)

    @event(Failed)
    def _failed(self, *, result_code: str, reason: str, definite: bool, failed_at: str) -> None:
        self.state = PushState.FAILED
        self.definite_failure = definite

    def cancel(self, *, result_code: str, reason: str, at: str) -> None:
        """The member declined."""
        if self.is_open or self.state == PushState.EXPIRED:
            self._cancelled(result_code=result_code, reason=reason, cancelled_at=at)

    @event(Cancelled)
    def _cancelled(self, *, result_code: str, reason: str, cancelled_at: str) -> None:
        self.state = PushState.CANCELLED
        self.definite_failure = True

    def expire(self, *, at: str) -> None:
        """Stop waiting."""
        if self.state == PushState.ACCEPTED:
            self._expired(expired_at=at)

    @event(Expired)
    def _expired(self, *, expired_at: str) -> None:
        self.state = PushState.EXPIRED

    def await_receipt(self, *, posted_cents: int, at: str) -> None:
        """Paid, says a query; what was asked is posted, or nothing where it has no place."""
        assert self.state not in PAID_STATES, "a push is paid once"
        assert posted_cents in (0, self.push_cents), "a push is posted wholly"
        self._receipt_awaited(posted_cents=posted_cents, paid_at=at)

    @event(PaidReceiptAwaited)
    def _receipt_awaited(self, *, posted_cents: int, paid_at: str) -> None:
        self.state = PushState.PAID_RECEIPT_AWAITED
        self.posted_cents = posted_cents

    def succeed(
        self,
        *,
        receipt_id: str,
        receipt_number: str,
        amount_cents: int,
        paid_at: str,
        placed: bool,
        contribution_ids: list[str],
        repayment_id: str | None,
    ) -> None:
        """Paid, with the receipt that proves it."""
        assert self.receipt_id is None, "a push has one receipt"
        self._succeeded(
            receipt_id=receipt_id,
            receipt_number=receipt_number,
            amount_cents=amount_cents,
            paid_at=paid_at,
            placed=placed,
            contribution_ids=contribution_ids,
            repayment_id=repayment_id,
        )

    @event(Succeeded)
    def _succeeded(
        self,
        *,
        receipt_id: str,
        receipt_number: str,
        amount_cents: int,
        paid_at: str,
        placed: bool,
        contribution_ids: list[str],
        repayment_id: str | None,
    ) -> None:
        self.state = PushState.SUCCEEDED
        self.receipt_id = receipt_id
