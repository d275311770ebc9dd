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
