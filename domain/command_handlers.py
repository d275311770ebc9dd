"""The table of contents of all that can be done: each command, and the function that does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from domain.api_keys import handlers as api_keys
from domain.contributions import commands as contribution_commands
from domain.contributions import handlers as contributions
from domain.contributions import refunds
from domain.loans import commands as loan_commands
from domain.loans import handlers as loans
from domain.loans import payouts as loan_payouts
from domain.loans import repayments, take_over
from domain.members import commands as member_commands
from domain.members import handlers as members
from domain.mpesa import commands as mpesa_commands
from domain.mpesa import (
    desk,
    payout_lane,
    payout_results,
    payout_review,
    payout_sending,
    receipts,
    reconciling,
    sending,
)
from domain.mpesa import handlers as mpesa
from domain.principals import principal as principals
from domain.webhooks import commands as webhook_commands
from domain.webhooks import handlers as webhooks

COMMAND_HANDLERS: Mapping[type[Any], Callable[..., Any]] = {
    member_commands.RegisterMember: members.register_member,
    member_commands.ChangeContact: members.change_contact,
    member_commands.SuspendMember: members.suspend_member,
    member_commands.ReactivateMember: members.reactivate_member,
    member_commands.ExitMember: members.exit_member,
    member_commands.EraseMember: members.erase_member,
    contribution_commands.RecordContribution: contributions.record_contribution,
    contribution_commands.TakeOverBalances: contributions.take_over_balances,
    contribution_commands.ReverseContribution: contributions.reverse_contribution,
    refunds.ProposeRefund: refunds.propose_refund,
    refunds.ConfirmRefund: refunds.confirm_refund,
    refunds.RejectRefund: refunds.reject_refund,
    loan_commands.DefineLoanProduct: loans.define_loan_product,
    loan_commands.ApplyForLoan: loans.apply_for_loan,
    loan_commands.ApproveLoan: loans.approve_loan,
    loan_commands.DeclineLoan: loans.decline_loan,
    loan_commands.DisburseLoan: loans.disburse_loan,
    loan_commands.PayOutLoan: loan_payouts.pay_out_loan,
    loan_commands.TakeOverLoan: take_over.take_over_loan,
    loan_commands.RecordRepayment: repayments.record_repayment,
    loan_commands.ReverseRepayment: repayments.reverse_repayment,
    loan_commands.ChargeFee: loans.charge_fee,
    loan_commands.RestructureLoan: loans.restructure_loan,
    loan_commands.WriteOffLoan: loans.write_off_loan,
    loan_commands.AssessLoan: loans.assess_loan,
    mpesa_commands.RequestPush: mpesa.request_push,
    mpesa_commands.RetryPush: mpesa.retry_push,
    mpesa_commands.RecordReceipt: receipts.record_receipt,
    mpesa_commands.RecordPushResult: mpesa.record_push_result,
    mpesa_commands.RecordQueryAnswer: mpesa.record_query_answer,
    desk.ProposeAssignment: desk.propose_assignment,
    desk.ProposeRefund: desk.propose_refund,
    desk.ProposeReversal: desk.propose_reversal,
    desk.WithdrawProposal: desk.withdraw_proposal,
    desk.RejectProposal: desk.reject_proposal,
    desk.ConfirmProposal: desk.confirm_proposal,
    sending.StartSending: sending.start_sending,
    sending.RecordAcknowledgement: sending.record_acknowledgement,
    sending.RecordNotSent: sending.record_not_sent,
    sending.RecordRefusal: sending.record_refusal,
    sending.RecordDoubt: sending.record_doubt,
    sending.DoubtAfterRestore: sending.doubt_after_restore,
    sending.StopWaiting: sending.stop_waiting,
    payout_sending.StartPayout: payout_sending.start_payout,
    payout_sending.RecordPayoutTaken: payout_sending.record_payout_taken,
    payout_sending.RecordPayoutNotSent: payout_sending.record_payout_not_sent,
    payout_sending.RecordPayoutRefused: payout_sending.record_payout_refused,
    payout_sending.RecordPayoutDoubt: payout_sending.record_payout_doubt,
    payout_sending.DoubtPayoutAfterRestore: payout_sending.doubt_payout_after_restore,
    payout_results.RecordPayoutResult: payout_results.record_payout_result,
    payout_results.RecordStatusAnswer: payout_results.record_status_answer,
    payout_results.GiveUpAsking: payout_results.give_up_asking,
    payout_review.ProposeSettlement: payout_review.propose_settlement,
    payout_review.ConfirmSettlement: payout_review.confirm_settlement,
    payout_review.RejectSettlement: payout_review.reject_settlement,
    payout_lane.RecordBalance: payout_lane.record_balance,
    payout_lane.StopLane: payout_lane.stop_lane,
    payout_lane.ResumeLane: payout_lane.resume_lane,
    reconciling.BeginRun: reconciling.begin_run,
    reconciling.RecordStanding: reconciling.record_standing,
    reconciling.TakeUpDifference: reconciling.take_up_difference,
    reconciling.EndCase: reconciling.end_case,
    reconciling.ProposeDecision: reconciling.propose_decision,
    reconciling.ConfirmDecision: reconciling.confirm_decision,
    principals.AddPrincipal: principals.add_principal,
    api_keys.IssueApiKey: api_keys.issue_api_key,
    api_keys.RotateApiKey: api_keys.rotate_api_key,
    api_keys.RevokeApiKey: api_keys.revoke_api_key,
    webhook_commands.CreateWebhookEndpoint: webhooks.create_webhook_endpoint,
    webhook_commands.ChangeWebhookEndpoint: webhooks.change_webhook_endpoint,
    webhook_commands.PauseWebhookEndpoint: webhooks.pause_webhook_endpoint,
    webhook_commands.ResumeWebhookEndpoint: webhooks.resume_webhook_endpoint,
    webhook_commands.RotateWebhookSecret: webhooks.rotate_webhook_secret,
    webhook_commands.DeleteWebhookEndpoint: webhooks.delete_webhook_endpoint,
    webhook_commands.DisableWebhookEndpoint: webhooks.disable_webhook_endpoint,
}
