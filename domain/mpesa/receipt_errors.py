"""Rules about receipts and the money of theirs in suspense that can be broken."""

from domain.errors import BrokenRule, NotFound


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


class PushNotMatching(BrokenRule):
    """This payment has its receipt already, failed for certain, or is for another amount."""

    code = "push_not_matching"


class NoPhoneToRefund(BrokenRule):
    """The payer's number was not told in plain; give the number to refund to."""

    code = "no_phone_to_refund"


class ShortCodeUnknown(BrokenRule):
    """It is not known which short code was paid; refund the money instead."""

    code = "short_code_unknown"


class NobodyPaysOut(BrokenRule):
    """No short code may pay out; nothing can be refunded by M-Pesa."""

    code = "nobody_pays_out"
