"""What happens to a loan.

They stand apart from the aggregate only because there are many; `Loan` takes each as its own.
`after` holds the result of an event that moves money: the `lines` it changed, and the sums
`payable_cents`, `paid_cents`, `balance_cents`, `principal_cents` (still out), `due_since` (the due
day of the oldest instalment that is not fully paid) and `balance_change_cents`.
"""

from __future__ import annotations

from typing import Any

from domain.aggregate import Created, Event


class Applied(Created):
    """A member asked for a loan. The terms are the product's on that day, whole."""

    TOPIC = "loan.applied"
    PERSONAL_FIELDS = ("purpose",)
    KEY_OWNER_FIELD = "member_id"

    loan_number: str
    member_id: str
    member_number: str
    product_code: str
    terms: dict[str, Any]
    amount_cents: int
    term_months: int
    purpose: str
    applied_on: str
    applied_by: str


class Approved(Event):
    """Another person granted it."""

    TOPIC = "loan.approved"

    member_id: str
    amount_cents: int
    approved_by: str
    approved_on: str


class Declined(Event):
    """Another person refused it. Why is told of a person: personal."""

    TOPIC = "loan.declined"
    PERSONAL_FIELDS = ("reason",)
    KEY_OWNER_FIELD = "member_id"

    member_id: str
    declined_by: str
    reason: str
    declined_on: str


class PayoutStarted(Event):
    """It is being paid out by M-Pesa, in `parts_cents` from here on; this payout is the first.

    `rest_cents` are what M-Pesa cannot move of it: they go to the deposits once all is paid.
    """

    TOPIC = "loan.payout-started"

    member_id: str
    payout_id: str
    number: int
    amount_cents: int
    parts_cents: list[int]
    rest_cents: int
    paid_out_cents: int
    requested_by: str
    first_due_on: str
    started_on: str


class PartPaid(Event):
    """A payout of it has reached the member; `paid_out_cents` is all that has so far."""

    TOPIC = "loan.part-paid"

    member_id: str
    payout_id: str
    amount_cents: int
    payment_reference: str
    paid_on: str
    paid_out_cents: int
    unpaid_cents: int


class PayoutFailed(Event):
    """A payout of it did not reach the member: the loan waits to be paid out, or for the rest."""

    TOPIC = "loan.payout-failed"

    member_id: str
    payout_id: str
    amount_cents: int
    reason: str
    failed_on: str
    paid_out_cents: int
    unpaid_cents: int


class Disbursed(Event):
    """The money went out, less what was kept back for fees and insurance.

    Of what went out, `paid_by_mpesa_cents` did by payouts, whatever way the last of it went, and
    `to_deposits_cents` are the cents that M-Pesa could not move.
    """

    TOPIC = "loan.disbursed"
    class_version = 2

    member_id: str
    amount_cents: int
    kept_back_cents: int
    payment_method: str
    payment_reference: str
    disbursed_on: str
    instalment_cents: int
    ends_on: str
    after: dict[str, Any]
    paid_by_mpesa_cents: int
    to_deposits_cents: int

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> None:
        """The first loans were paid out at the counter and through the bank only."""
        state["paid_by_mpesa_cents"] = 0
        state["to_deposits_cents"] = 0


class TakenOver(Created):
    """The loan was granted and paid out in older books; this is how it stood on a day.

    `after` holds the instalments still open, in arrears or to come; its `paid_cents` is all that
    was paid before. `accrues_from` is the day from which interest of the next instalment runs.
    """

    TOPIC = "loan.taken-over"

    loan_number: str
    member_id: str
    member_number: str
    product_code: str
    terms: dict[str, Any]
    amount_cents: int
    term_months: int
    disbursed_on: str
    taken_over_on: str
    accrues_from: str
    instalment_cents: int
    ends_on: str
    after: dict[str, Any]


class RepaymentReceived(Event):
    """Money came in. `parts` says what became of it; the surplus went to the deposits."""

    TOPIC = "loan.repayment-received"

    repayment_id: str
    member_id: str
    amount_cents: int
    parts: dict[str, int]
    payment_method: str
    payment_reference: str
    paid_on: str
    effective_on: str
    source_id: str | None
    waived_interest_cents: int
    after: dict[str, Any]


class RepaymentReversed(Event):
    """A repayment was undone, wholly."""

    TOPIC = "loan.repayment-reversed"

    repayment_id: str
    member_id: str
    amount_cents: int
    reason: str
    reversed_on: str
    after: dict[str, Any]


class RepaymentsReallocated(Event):
    """An entry that came late changed what became of these repayments: their new parts."""

    TOPIC = "loan.repayments-reallocated"

    member_id: str
    parts: dict[str, dict[str, int]]


class PenaltyCharged(Event):
    """An instalment was still unpaid when its days of grace were over."""

    TOPIC = "loan.penalty-charged"

    member_id: str
    number: int
    charged_on: str
    amount_cents: int
    after: dict[str, Any]


class PenaltyReversed(Event):
    """A penalty would not have arisen, as we know now."""

    TOPIC = "loan.penalty-reversed"

    member_id: str
    number: int
    charged_on: str
    amount_cents: int
    after: dict[str, Any]


class FeeCharged(Event):
    """Something was charged beside the schedule."""

    TOPIC = "loan.fee-charged"

    fee_id: str
    member_id: str
    amount_cents: int
    reason: str
    charged_on: str
    due_on: str
    after: dict[str, Any]


class BecameOverdue(Event):
    """Something that was due is late; `status` is defaulted when it is so for too long."""

    TOPIC = "loan.became-overdue"

    member_id: str
    status: str
    overdue_cents: int
    due_since: str
    noted_on: str


class BecameCurrent(Event):
    """Nothing is late any more."""

    TOPIC = "loan.became-current"

    member_id: str
    noted_on: str


class InstalmentDueSoon(Event):
    """An instalment falls due in a few days. Said once."""

    TOPIC = "loan.instalment-due-soon"

    member_id: str
    number: int
    due_on: str
    amount_cents: int


class Restructured(Event):
    """What is owed was spread anew; all of it is principal of the new schedule."""

    TOPIC = "loan.restructured"

    member_id: str
    principal_cents: int
    capitalised_cents: int
    approved_by: str
    reason: str
    terms: dict[str, Any]
    restructured_on: str
    instalment_cents: int
    ends_on: str
    after: dict[str, Any]


class Completed(Event):
    """Nothing is owed any more."""

    TOPIC = "loan.completed"

    member_id: str
    completed_on: str


class Reopened(Event):
    """A repayment of a completed loan was undone: something is owed again."""

    TOPIC = "loan.reopened"

    member_id: str
    reopened_on: str


class WrittenOff(Event):
    """We gave up what is owed; it may still be recovered."""

    TOPIC = "loan.written-off"

    member_id: str
    amount_cents: int
    principal_cents: int
    approved_by: str
    reason: str
    written_off_on: str
    balance_change_cents: int


class RecoveryReceived(Event):
    """Something came in of what was written off."""

    TOPIC = "loan.recovery-received"

    repayment_id: str
    member_id: str
    amount_cents: int
    payment_method: str
    payment_reference: str
    paid_on: str
    source_id: str | None
    recoverable_cents: int


class RecoveryReversed(Event):
    """A recovery was undone, wholly."""

    TOPIC = "loan.recovery-reversed"

    repayment_id: str
    member_id: str
    amount_cents: int
    reason: str
    reversed_on: str
    recoverable_cents: int
