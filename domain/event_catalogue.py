"""Every event that history may hold, under its frozen topic.

A topic never changes and is never taken away. A changed payload raises `class_version` and brings
an upcaster; `tests/golden/events` holds one file for each version there ever was.
"""

from __future__ import annotations

from collections.abc import Mapping

from domain.aggregate import Aggregate, Event
from domain.api_keys.api_key import ApiKey
from domain.contributions.account import MemberAccount
from domain.contributions.refund import Refund
from domain.loans.loan import Loan
from domain.loans.product import LoanProduct
from domain.members.member import Member
from domain.mpesa.payout import Payout
from domain.mpesa.payout_lane import PayoutLane
from domain.mpesa.receipt import Receipt
from domain.mpesa.reconciliation_case import ReconciliationCase
from domain.mpesa.reconciliation_run import ReconciliationRun
from domain.mpesa.stk_push import Push
from domain.principals.principal import Principal
from domain.webhooks.endpoint import WebhookEndpoint

AGGREGATES: Mapping[str, type[Aggregate]] = {
    "member": Member,
    "account": MemberAccount,
    "refund": Refund,
    "loan-product": LoanProduct,
    "loan": Loan,
    "push": Push,
    "receipt": Receipt,
    "payout": Payout,
    "payout-lane": PayoutLane,
    "reconciliation-run": ReconciliationRun,
    "reconciliation-case": ReconciliationCase,
    "principal": Principal,
    "api-key": ApiKey,
    "webhook-endpoint": WebhookEndpoint,
}

EVENTS: Mapping[str, type[Event]] = {
    "member.registered": Member.Registered,
    "member.contact-changed": Member.ContactChanged,
    "member.suspended": Member.Suspended,
    "member.reactivated": Member.Reactivated,
    "member.exited": Member.Exited,
    "member.erased": Member.Erased,
    "account.opened": MemberAccount.Opened,
    "account.contribution-received": MemberAccount.ContributionReceived,
    "account.contribution-reversed": MemberAccount.ContributionReversed,
    "account.refund-held": MemberAccount.RefundHeld,
    "account.refund-paid": MemberAccount.RefundPaid,
    "account.refund-returned": MemberAccount.RefundReturned,
    "account.closed": MemberAccount.Closed,
    "refund.proposed": Refund.Proposed,
    "refund.rejected": Refund.Rejected,
    "refund.confirmed": Refund.Confirmed,
    "refund.paid": Refund.Paid,
    "refund.returned": Refund.Returned,
    "loan-product.defined": LoanProduct.Defined,
    "loan-product.revised": LoanProduct.Revised,
    "loan.applied": Loan.Applied,
    "loan.approved": Loan.Approved,
    "loan.declined": Loan.Declined,
    "loan.payout-started": Loan.PayoutStarted,
    "loan.part-paid": Loan.PartPaid,
    "loan.payout-failed": Loan.PayoutFailed,
    "loan.disbursed": Loan.Disbursed,
    "loan.taken-over": Loan.TakenOver,
    "loan.repayment-received": Loan.RepaymentReceived,
    "loan.repayment-reversed": Loan.RepaymentReversed,
    "loan.repayments-reallocated": Loan.RepaymentsReallocated,
    "loan.penalty-charged": Loan.PenaltyCharged,
    "loan.penalty-reversed": Loan.PenaltyReversed,
    "loan.fee-charged": Loan.FeeCharged,
    "loan.became-overdue": Loan.BecameOverdue,
    "loan.became-current": Loan.BecameCurrent,
    "loan.instalment-due-soon": Loan.InstalmentDueSoon,
    "loan.restructured": Loan.Restructured,
    "loan.completed": Loan.Completed,
    "loan.reopened": Loan.Reopened,
    "loan.written-off": Loan.WrittenOff,
    "loan.recovery-received": Loan.RecoveryReceived,
    "loan.recovery-reversed": Loan.RecoveryReversed,
    "push.requested": Push.Requested,
    "push.sent": Push.Sent,
    "push.not-sent": Push.NotSent,
    "push.accepted": Push.Accepted,
    "push.rejected": Push.Rejected,
    "push.left-in-doubt": Push.LeftInDoubt,
    "push.failure-reported": Push.FailureReported,
    "push.failed": Push.Failed,
    "push.cancelled": Push.Cancelled,
    "push.expired": Push.Expired,
    "push.paid-receipt-awaited": Push.PaidReceiptAwaited,
    "push.succeeded": Push.Succeeded,
    "receipt.received": Receipt.Received,
    "receipt.placed": Receipt.Placed,
    "receipt.placed-on-loan": Receipt.PlacedOnLoan,
    "receipt.suspended": Receipt.Suspended,
    "receipt.attached-to-push": Receipt.AttachedToPush,
    "payout.requested": Payout.Requested,
    "payout.held": Payout.Held,
    "payout.sent": Payout.Sent,
    "payout.not-sent": Payout.NotSent,
    "payout.accepted": Payout.Accepted,
    "payout.left-in-doubt": Payout.LeftInDoubt,
    "payout.failure-reported": Payout.FailureReported,
    "payout.answer-unclear": Payout.AnswerUnclear,
    "payout.put-under-review": Payout.PutUnderReview,
    "payout.contradicted": Payout.Contradicted,
    "payout.settlement-proposed": Payout.SettlementProposed,
    "payout.settlement-rejected": Payout.SettlementRejected,
    "payout.succeeded": Payout.Succeeded,
    "payout.failed": Payout.Failed,
    "payout.charge-booked": Payout.ChargeBooked,
    "payout.charge-corrected": Payout.ChargeCorrected,
    "payout-lane.opened": PayoutLane.Opened,
    "payout-lane.stopped": PayoutLane.Stopped,
    "payout-lane.resumed": PayoutLane.Resumed,
    "payout-lane.balance-told": PayoutLane.BalanceTold,
    "receipt.released": Receipt.Released,
    "receipt.proposed": Receipt.Proposed,
    "receipt.proposal-withdrawn": Receipt.ProposalWithdrawn,
    "receipt.proposal-rejected": Receipt.ProposalRejected,
    "receipt.proposal-confirmed": Receipt.ProposalConfirmed,
    "receipt.refund-started": Receipt.RefundStarted,
    "receipt.refund-finished": Receipt.RefundFinished,
    "receipt.refund-returned": Receipt.RefundReturned,
    "receipt.refund-undone": Receipt.RefundUndone,
    "receipt.reversal-started": Receipt.ReversalStarted,
    "receipt.reversal-finished": Receipt.ReversalFinished,
    "receipt.reversal-returned": Receipt.ReversalReturned,
    "receipt.reversal-undone": Receipt.ReversalUndone,
    "reconciliation-run.begun": ReconciliationRun.Begun,
    "reconciliation-run.compared": ReconciliationRun.Compared,
    "reconciliation-case.opened": ReconciliationCase.Opened,
    "reconciliation-case.decision-proposed": ReconciliationCase.DecisionProposed,
    "reconciliation-case.resolved": ReconciliationCase.Resolved,
    "principal.added": Principal.Added,
    "api-key.issued": ApiKey.Issued,
    "api-key.rotated": ApiKey.Rotated,
    "api-key.revoked": ApiKey.Revoked,
    "webhook-endpoint.created": WebhookEndpoint.Created,
    "webhook-endpoint.changed": WebhookEndpoint.Changed,
    "webhook-endpoint.paused": WebhookEndpoint.Paused,
    "webhook-endpoint.resumed": WebhookEndpoint.Resumed,
    "webhook-endpoint.secret-rotated": WebhookEndpoint.SecretRotated,
    "webhook-endpoint.disabled": WebhookEndpoint.Disabled,
    "webhook-endpoint.enabled": WebhookEndpoint.Enabled,
    "webhook-endpoint.deleted": WebhookEndpoint.Deleted,
}
