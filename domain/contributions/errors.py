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
    """This contribution is the surplus of a loan repayment; reverse the repayment instead."""

    code = "belongs_to_repayment"
