"""A member of the co-operative: a person, known by a member number."""

from __future__ import annotations

from domain.aggregate import Aggregate, Created, event

MEMBER_NUMBER = "member.number"
NATIONAL_ID = "member.national_id"
PHONE = "member.phone"
"""Scopes of the keys by which a member is found."""


class Member(Aggregate):
    """A person's membership. Personal fields are encrypted under the member's own key."""

    TOPIC = "member"

    class Registered(Created):
        """A person became a member."""

        TOPIC = "member.registered"
        PERSONAL_FIELDS = ("first_name", "last_name", "phone", "email", "national_id")

        member_number: str
        first_name: str
        last_name: str
        phone: str
        email: str | None
        national_id: str
        registered_on: str

    @event(Registered)
    def __init__(
        self,
        *,
        member_number: str,
        first_name: str,
        last_name: str,
        phone: str,
        email: str | None,
        national_id: str,
        registered_on: str,
    ) -> None:
        self.member_number = member_number
        self.first_name = first_name
        self.last_name = last_name
        self.phone = phone
        self.email = email
        self.national_id = national_id
        self.registered_on = registered_on
        self.status = "active"
