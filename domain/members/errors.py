"""Rules about members that can be broken."""

from domain.errors import BrokenRule, NotFound


class MemberNotFound(NotFound):
    """There is no member with this id."""

    code = "member_not_found"


class MemberNumberTaken(BrokenRule):
    """Another member already has this member number."""

    code = "member_number_taken"


class NationalIdTaken(BrokenRule):
    """A member with this national id is already registered."""

    code = "national_id_taken"
