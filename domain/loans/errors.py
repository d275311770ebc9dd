"""Rules about loans that can be broken."""

from domain.errors import BrokenRule, NotFound
from domain.money import spoken


class LoanNotFound(NotFound):
    """There is no loan with this id."""

    code = "loan_not_found"


class LoanProductNotFound(NotFound):
    """There is no loan product with this code."""

    code = "loan_product_not_found"


class RepaymentNotFound(NotFound):
    """This loan has no repayment with this id."""

    code = "repayment_not_found"


class ProductNotOffered(BrokenRule):
    """This loan product is not offered on that day."""

    code = "product_not_offered"


class VersionNotLater(BrokenRule):
    """The terms of a product can only be changed from a later day than the last change."""

    code = "version_not_later"


class AmountOutsideLimits(BrokenRule):
    """The amount is outside the limits of this loan product."""

    code = "amount_outside_limits"

    def __init__(self, *, least_cents: int, most_cents: int) -> None:
        super().__init__(f"This product lends from {spoken(least_cents)} to {spoken(most_cents)}.")


class TermOutsideLimits(BrokenRule):
    """The term is outside the limits of this loan product."""

    code = "term_outside_limits"

    def __init__(self, *, least_months: int, most_months: int) -> None:
        super().__init__(f"This product is repaid in {least_months} to {most_months} months.")


class NotEligible(BrokenRule):
    """The member does not meet this product's conditions."""

    code = "not_eligible"


class NotPending(BrokenRule):
    """This loan has been decided already."""

    code = "loan_not_pending"

    def __init__(self, status: str) -> None:
        super().__init__(f"Only a pending application can be decided; this loan is {status}.")


class ApproverIsApplicant(BrokenRule):
    """Another person must decide: nobody decides a loan of their own, or one they entered."""

    code = "approver_is_applicant"


class ApprovedAmountTooHigh(BrokenRule):
    """No more can be approved than was applied for."""

    code = "approved_amount_too_high"


class NotApproved(BrokenRule):
    """Only an approved loan can be paid out, and once."""

    code = "loan_not_approved"

    def __init__(self, status: str) -> None:
        super().__init__(f"Only an approved loan can be paid out, once; this loan is {status}.")


class PayoutUnderWay(BrokenRule):
    """This loan is being paid out by M-Pesa; wait for what becomes of it."""

    code = "payout_under_way"


class PayoutUnderReview(BrokenRule):
    """It is under review whether an earlier payout of this loan was paid: settle that first."""

    code = "payout_under_review"


class TooLittleByMpesa(BrokenRule):
    """M-Pesa pays out no less than KES 10; pay this at the counter."""

    code = "too_little_by_mpesa"


class LoanNotOpen(BrokenRule):
    """This loan is not being repaid."""

    code = "loan_not_open"

    def __init__(self, status: str) -> None:
        super().__init__(f"This loan is {status.replace('_', ' ')}: nothing is due on it.")


class RecoveryTooHigh(BrokenRule):
    """The amount is more than what was written off and not yet recovered."""

    code = "recovery_too_high"


class RepaymentAlreadyReversed(BrokenRule):
    """This repayment has already been reversed."""

    code = "repayment_already_reversed"


class RepaymentBeforeRestructure(BrokenRule):
    """The loan was restructured after that day; what came before is settled by it."""

    code = "repayment_before_restructure"


class RepaymentBeforeDisbursement(BrokenRule):
    """A loan cannot be repaid before it was paid out."""

    code = "repayment_before_disbursement"


class RepaymentBeforeTakeOver(BrokenRule):
    """The loan was taken over after that day; what was paid before is counted in it."""

    code = "repayment_before_take_over"


class SurplusAlreadyUsed(BrokenRule):
    """The surplus of this loan went to the member's deposits and is no longer there."""

    code = "surplus_already_used"


class SettlementNotCovered(BrokenRule):
    """The amount does not settle the loan."""

    code = "settlement_not_covered"

    def __init__(self, *, total_cents: int) -> None:
        super().__init__(f"It takes {spoken(total_cents)} to settle this loan on that day.")


class NothingToRestructure(BrokenRule):
    """Nothing of the principal is left to spread anew."""

    code = "nothing_to_restructure"


class LoanNumberTaken(BrokenRule):
    """Another loan already has this number."""

    code = "loan_number_taken"


class LoanReferenceAlreadyUsed(BrokenRule):
    """A payment with the same reference is already recorded on this loan."""

    code = "payment_reference_already_used"
