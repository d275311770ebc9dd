"""Rules about members that can be broken."""

from domain.errors import BrokenRule, NotFound
from domain.money import spoken


class MemberNotFound(NotFound):
    """There is no member with this id."""

    code = "member_not_found"


class MemberNumberUnknown(MemberNotFound):
    """There is no member with this number."""


class MemberNumberTaken(BrokenRule):
    """Another member already has this member number."""

    code = "member_number_taken"


class NationalIdTaken(BrokenRule):
    """A member with this national id is already registered."""

    code = "national_id_taken"


class MemberNotActive(BrokenRule):
    """This needs an active member."""

    code = "member_not_active"

    def __init__(self, status: str) -> None:
        super().__init__(f"This member is {status}; only for an active member can this be done.")


class MemberNotSuspended(BrokenRule):
    """Only a suspended member can be reactivated."""

    code = "member_not_suspended"

    def __init__(self, status: str) -> None:
        super().__init__(f"This member is {status}; only a suspended member can be reactivated.")


class MemberHasExited(BrokenRule):
    """This member has left the co-operative."""

    code = "member_has_exited"


class MemberIsErased(BrokenRule):
    """This person's data was erased; nothing personal can be recorded about them any more."""

    code = "person_erased"


class ContactUnchanged(BrokenRule):
    """This is already how the member is reached."""

    code = "contact_unchanged"


class LoansStillOwed(BrokenRule):
    """The member has a loan that is asked for, granted or owed; it must be cleared first."""

    code = "loans_still_owed"


class MoneyStillHeld(BrokenRule):
    """The co-operative still holds money of this member."""

    code = "money_still_held"

    def __init__(self, *, deposits_cents: int, share_capital_cents: int) -> None:
        super().__init__(
            f"We still hold deposits of {spoken(deposits_cents)} and share capital of"
            f" {spoken(share_capital_cents)} of this member; pay them out first."
        )


class MemberHasNotExited(BrokenRule):
    """Only a member who has exited can be erased, or one without money where that is insisted."""

    code = "member_has_not_exited"


class RefundOnItsWay(BrokenRule):
    """A refund to this member is on its way; wait for what becomes of it."""

    code = "refund_on_its_way"
