"""Rules about M-Pesa payments that can be broken."""

from domain.errors import BrokenRule, NotFound


class PushNotFound(NotFound):
    """There is no M-Pesa transaction with this id."""

    code = "transaction_not_found"


class PaymentRequestAlreadyWaiting(BrokenRule):
    """A payment request is already waiting on this phone; let it finish first."""

    code = "payment_request_waiting"


class AmountAboveMpesaLimit(BrokenRule):
    """M-Pesa moves at most KES 250,000 at a time."""

    code = "amount_above_mpesa_limit"


class AlreadyPosted(BrokenRule):
    """The money of this push has already been posted."""

    code = "push_already_posted"


class AccountReferenceTaken(BrokenRule):
    """Another push carries this account reference; draw another."""

    code = "account_reference_taken"


class ReceiptStillAwaited(BrokenRule):
    """The M-Pesa receipt of this payment has not come yet; it can be reversed once it has."""

    code = "receipt_still_awaited"


class LoanOfAnotherMember(BrokenRule):
    """This loan is another member's."""

    code = "loan_of_another_member"


class PayoutNotFound(NotFound):
    """There is no payout with this id."""

    code = "payout_not_found"


class LaneNotFound(NotFound):
    """Nothing was ever paid out from this short code."""

    code = "lane_not_found"


class ReceiptNotFound(NotFound):
    """There is no receipt with this id."""

    code = "receipt_not_found"


class NoSuchProposal(NotFound):
    """This proposal does not wait for anybody: it was decided or withdrawn, or never made."""

    code = "proposal_not_found"


class ProposalWaits(BrokenRule):
    """A proposal for this money waits already; let it be confirmed, rejected or withdrawn first."""

    code = "proposal_waits"


class NotSoMuchInSuspense(BrokenRule):
    """What is in suspense has changed, or nothing is; look at the receipt again."""

    code = "suspense_changed"


class NotAllInSuspense(BrokenRule):
    """Only a whole receipt can be reversed, and a part of this one is not in suspense."""

    code = "receipt_partly_placed"


class SettledOtherwise(BrokenRule):
    """This money going back was settled in another way before."""

    code = "settled_otherwise"


class MakerOnlyWithdraws(BrokenRule):
    """Only whoever made a proposal can withdraw it; others confirm or reject it."""

    code = "not_the_maker"


class PushAwaitsReceipt(BrokenRule):
    """A payment of this member and amount was posted already and awaits its receipt.

    If this is its receipt, assign it to that payment; else the money would be posted twice.
    """

    code = "push_awaits_receipt"

    def __init__(self, push_id: str) -> None:
        super().__init__(
            f"The payment {push_id} of the same member and amount was posted by query and awaits"
            " its receipt. If this is it, assign the receipt to that transaction."
        )


class PushHasReceipt(BrokenRule):
    """This payment has its receipt already, or is for another amount."""

    code = "push_not_matching"


class NoPhoneToRefund(BrokenRule):
    """The payer's number was not told in plain; give the number to refund to."""

    code = "no_phone_to_refund"


class NotWholeShillings(BrokenRule):
    """M-Pesa moves whole shillings only."""

    code = "not_whole_shillings"


class PayoutOutsideLimits(BrokenRule):
    """M-Pesa pays out from KES 10 to KES 250,000 at a time."""

    code = "payout_outside_limits"


class DisbursementAboveMpesaLimit(BrokenRule):
    """By M-Pesa a loan is paid out up to KES 500,000; pay larger sums out through the bank."""

    code = "disbursement_above_mpesa_limit"


class ReversedBefore(BrokenRule):
    """The reversal of this receipt was asked for before; refund the money instead."""

    code = "reversed_before"


class PayoutReceiptKnown(BrokenRule):
    """Another payout has this receipt number."""

    code = "payout_receipt_known"


class PayoutNotUnderReview(BrokenRule):
    """This payout is not under review: it settles by itself, or has."""

    code = "payout_not_under_review"


class NothingProposed(BrokenRule):
    """Nobody has proposed what became of this payout."""

    code = "nothing_proposed"


class ProposerMayNotConfirm(BrokenRule):
    """Another person must confirm: nobody confirms what they proposed."""

    code = "proposer_may_not_confirm"


class LaneNotStopped(BrokenRule):
    """Payouts from this short code are not stopped."""

    code = "lane_not_stopped"


class CannotAskAgain(BrokenRule):
    """Only a payment that failed, was cancelled, refused or never answered can be asked again."""

    code = "cannot_ask_again"


class AskedAgainAlready(BrokenRule):
    """This payment was asked again already; ask the newest one again."""

    code = "asked_again_already"


class AskedTooOften(BrokenRule):
    """This payment was asked as often as it may be; talk to the member."""

    code = "asked_too_often"


class AskedAMomentAgo(BrokenRule):
    """Within two minutes M-Pesa refuses the same amount from the same phone; wait."""

    code = "asked_a_moment_ago"
