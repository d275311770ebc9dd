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
