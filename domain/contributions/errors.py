"""Rules about contributions that can be broken."""

from domain.errors import BrokenRule, NotFound
from domain.money import spoken


class ContributionNotFound(NotFound):
    """This member has no contribution with this id."""

    code = "contribution_not_found"


class AmountBelowMinimum(BrokenRule):
    """The amount is below the smallest the co-operative accepts."""

    code = "amount_below_minimum"

    def __init__(self, *, contribution_type: str, minimum_cents: int) -> None:
        kind = contribution_type.replace("_", " ")
        super().__init__(f"The smallest {kind} contribution is {spoken(minimum_cents)}.")


class AlreadyReversed(BrokenRule):
    """This contribution has already been reversed."""

    code = "contribution_already_reversed"


class BalanceTooLow(BrokenRule):
    """The member's balance is too low: reversing this contribution would take it below zero."""

    code = "balance_too_low"


class ReferenceAlreadyUsed(BrokenRule):
    """A contribution of this member with the same payment reference is already recorded."""

    code = "payment_reference_already_used"


class OpeningBalanceAlreadyRecorded(BrokenRule):
    """This member's opening balance of this type is already recorded."""

    code = "opening_balance_already_recorded"


class BelongsToRepayment(BrokenRule):
    """This contribution came with a loan's repayment or payout, and is undone only with that."""

    code = "belongs_to_repayment"


class BalanceTooLowToRefund(BrokenRule):
    """The member's balance is lower than what is to be refunded."""

    code = "balance_too_low_to_refund"

    def __init__(self, *, balance_cents: int) -> None:
        super().__init__(f"The member's balance is {spoken(balance_cents)}: no more is refunded.")


class RefundNotFound(NotFound):
    """There is no refund with this id."""

    code = "refund_not_found"


class RefundNotProposed(BrokenRule):
    """Only a refund that is proposed can be decided."""

    code = "refund_not_proposed"

    def __init__(self, state: str) -> None:
        super().__init__(f"Only a proposed refund can be decided; this one is {state}.")


class LoansBeforeRefund(BrokenRule):
    """The member has a loan that is asked for, granted or owed: it is cleared before a refund."""

    code = "loans_before_refund"


class RefundReferenceUsed(BrokenRule):
    """A refund to this member with the same payment reference is already recorded."""

    code = "payment_reference_already_used"
