"""What happens to a receipt.

They stand apart from the aggregate only because there are many; `Receipt` takes each as its own.
Each names the results of the change: what is unplaced, in suspense, on its way back, after it.
"""

from __future__ import annotations

from typing import Any

from domain.aggregate import Created, Event


class Received(Created):
    """Money reached us. What is told of the payer, and what the payer typed, is personal.

    `payer_phone` is a number told in plain, `payer_hint` one that was told hashed or masked. All of
    it is encrypted under the key of the member whose money it is, or under the receipt's own.
    """

    TOPIC = "receipt.received"
    PERSONAL_FIELDS = ("payer_phone", "account_number", "payer_name", "payer_hint")
    KEY_OWNER_FIELD = "member_id"
    OUTLIVES_PERSON = True
    class_version = 2

    receipt_number: str
    amount_cents: int
    paid_at: str
    channel: str
    member_id: str | None
    payer_phone: str | None
    short_code: str | None
    account_number: str | None
    payer_name: str | None
    payer_hint: str | None

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> None:
        """The first receipts were those of pushes; nothing was typed, and no name was told."""
        state["short_code"] = None
        state["account_number"] = None
        state["payer_name"] = None
        state["payer_hint"] = None


class Placed(Event):
    """A part of the money became a contribution."""

    TOPIC = "receipt.placed"

    contribution_id: str
    member_id: str
    amount_cents: int
    unplaced_cents: int


class PlacedOnLoan(Event):
    """A part of the money repaid a loan."""

    TOPIC = "receipt.placed-on-loan"

    repayment_id: str
    loan_id: str
    member_id: str
    amount_cents: int
    unplaced_cents: int


class Suspended(Event):
    """A part of the money waits in suspense until a person decides."""

    TOPIC = "receipt.suspended"

    amount_cents: int
    reason: str
    suspended_cents: int


class AttachedToPush(Event):
    """This receipt is that of a push of this member; `posted_cents` were posted under it before."""

    TOPIC = "receipt.attached-to-push"
    class_version = 2

    push_id: str
    posted_cents: int
    unplaced_cents: int
    member_id: str | None

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> None:
        """The first receipts said whose they are when they were received."""
        state["member_id"] = None


class Released(Event):
    """Money left suspense, to be placed in this very commit: `because` says why."""

    TOPIC = "receipt.released"

    amount_cents: int
    because: str
    suspended_cents: int
    unplaced_cents: int


class Proposed(Event):
    """Somebody says what is to become of money in suspense; another must agree.

    `phone` is where a refund is to go; it and the note are as personal as the payer.
    """

    TOPIC = "receipt.proposed"
    PERSONAL_FIELDS = ("phone", "note")
    KEY_OWNER_FIELD = "key_owner_id"
    OUTLIVES_PERSON = True

    proposal_id: str
    resolution: str
    amount_cents: int
    member_id: str | None
    loan_id: str | None
    push_id: str | None
    purpose: str | None
    phone: str | None
    note: str | None
    proposed_by: str
    proposed_at: str
    key_owner_id: str | None


class ProposalWithdrawn(Event):
    """Whoever made the proposal took it back."""

    TOPIC = "receipt.proposal-withdrawn"

    proposal_id: str
    withdrawn_by: str
    withdrawn_at: str


class ProposalRejected(Event):
    """Another person did not agree. Why may tell of a person: personal."""

    TOPIC = "receipt.proposal-rejected"
    PERSONAL_FIELDS = ("note",)
    KEY_OWNER_FIELD = "key_owner_id"
    OUTLIVES_PERSON = True

    proposal_id: str
    rejected_by: str
    note: str | None
    rejected_at: str
    key_owner_id: str | None


class ProposalConfirmed(Event):
    """Another person agreed; what follows in this commit is what was proposed."""

    TOPIC = "receipt.proposal-confirmed"

    proposal_id: str
    resolution: str
    confirmed_by: str
    confirmed_at: str


class RefundStarted(Event):
    """Money left suspense and is on its way back to a payer, by a payout of this id."""

    TOPIC = "receipt.refund-started"

    payout_id: str
    amount_cents: int
    suspended_cents: int
    refunding_cents: int


class RefundFinished(Event):
    """The payout arrived."""

    TOPIC = "receipt.refund-finished"

    payout_id: str
    amount_cents: int
    refunding_cents: int
    refunded_cents: int


class RefundReturned(Event):
    """The payout is proven to have failed: the money is in suspense again."""

    TOPIC = "receipt.refund-returned"

    payout_id: str
    amount_cents: int
    suspended_cents: int
    refunding_cents: int


class RefundUndone(Event):
    """It was counted as gone, and persons found that it never left: it is in suspense again."""

    TOPIC = "receipt.refund-undone"

    payout_id: str
    amount_cents: int
    suspended_cents: int
    refunded_cents: int


class ReversalStarted(Event):
    """Safaricom is asked to give the whole receipt back to whoever paid."""

    TOPIC = "receipt.reversal-started"

    amount_cents: int
    suspended_cents: int
    reversing_cents: int


class ReversalFinished(Event):
    """Safaricom gave it back."""

    TOPIC = "receipt.reversal-finished"

    amount_cents: int
    reversing_cents: int
    reversed_cents: int


class ReversalReturned(Event):
    """Safaricom did not give it back: the money is in suspense again."""

    TOPIC = "receipt.reversal-returned"

    amount_cents: int
    suspended_cents: int
    reversing_cents: int


class ReversalUndone(Event):
    """It was counted as gone, and persons found that it never left: it is in suspense again."""

    TOPIC = "receipt.reversal-undone"

    amount_cents: int
    suspended_cents: int
    reversed_cents: int
