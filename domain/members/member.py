"""A member of the co-operative: a person, known by a member number.

    active <-> suspended, either -> exited -> erased

A suspended member neither pays in at the counter nor is asked to pay; what reaches us by M-Pesa is
still theirs. Who has exited has taken out what was theirs, and may come back by registering anew.
An erased member is a number and a history of money, without a person.
"""

from __future__ import annotations

from enum import StrEnum

from domain.aggregate import Aggregate, Created, Event, event
from domain.members.errors import (
    ContactUnchanged,
    MemberHasExited,
    MemberIsErased,
    MemberNotActive,
    MemberNotSuspended,
)

MEMBER_NUMBER = "member.number"
NATIONAL_ID = "member.national_id"
PHONE = "member.phone"
"""Scopes of the keys by which a member is found."""


class MemberStatus(StrEnum):
    """Where a membership stands. The accounting API says `inactive` for exited and erased."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    EXITED = "exited"
    ERASED = "erased"

    @property
    def on_the_wire(self) -> str:
        """The accounting API's own word for it."""
        return "inactive" if self in (MemberStatus.EXITED, MemberStatus.ERASED) else str(self)


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

    class ContactChanged(Event):
        """The member is reached otherwise. Both fields are as they stand after the change."""

        TOPIC = "member.contact-changed"
        PERSONAL_FIELDS = ("phone", "email")

        phone: str
        email: str | None

    class Suspended(Event):
        """The member is held off until somebody decides. Why is told of a person: personal."""

        TOPIC = "member.suspended"
        PERSONAL_FIELDS = ("reason",)

        reason: str
        suspended_on: str

    class Reactivated(Event):
        """The suspension is over."""

        TOPIC = "member.reactivated"
        PERSONAL_FIELDS = ("reason",)

        reason: str
        reactivated_on: str

    class Exited(Event):
        """The person left the co-operative; nothing of theirs was left in it."""

        TOPIC = "member.exited"
        PERSONAL_FIELDS = ("reason",)

        reason: str
        exited_on: str

    class Erased(Event):
        """The person was forgotten: their key is destroyed by the very append of this event.

        The reason stays, to prove that we had one: it must not name the person.
        """

        TOPIC = "member.erased"

        reason: str
        erased_on: str

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
        self.first_name: str | None = first_name
        self.last_name: str | None = last_name
        self.phone: str | None = phone
        self.email: str | None = email
        self.national_id: str | None = national_id
        self.registered_on = registered_on
        self.status: str = MemberStatus.ACTIVE

    @property
    def belongs(self) -> bool:
        """Whether money that reaches us can be this member's: exited and erased ones have none."""
        return self.status in (MemberStatus.ACTIVE, MemberStatus.SUSPENDED)

    def check_active(self) -> None:
        """Raises MemberNotActive: people may not take or ask money of this member now."""
        if self.status != MemberStatus.ACTIVE:
            raise MemberNotActive(self.status)

    def change_contact(self, *, phone: str, email: str | None) -> None:
        """Note how the member is reached from now on.

        Raises:
            MemberHasExited, MemberIsErased: there is nobody to reach.
            ContactUnchanged: this is how the member is reached already.
        """
        self._check_belongs()
        if (phone, email) == (self.phone, self.email):
            raise ContactUnchanged
        self._contact_changed(phone=phone, email=email)

    @event(ContactChanged)
    def _contact_changed(self, *, phone: str, email: str | None) -> None:
        self.phone = phone
        self.email = email

    def suspend(self, *, reason: str, on: str) -> None:
        """Hold the member off. Raises MemberNotActive."""
        self.check_active()
        self._suspended(reason=reason, suspended_on=on)

    @event(Suspended)
    def _suspended(self, *, reason: str, suspended_on: str) -> None:
        self.status = MemberStatus.SUSPENDED

    def reactivate(self, *, reason: str, on: str) -> None:
        """End the suspension. Raises MemberNotSuspended."""
        if self.status != MemberStatus.SUSPENDED:
            raise MemberNotSuspended(self.status)
        self._reactivated(reason=reason, reactivated_on=on)

    @event(Reactivated)
    def _reactivated(self, *, reason: str, reactivated_on: str) -> None:
        self.status = MemberStatus.ACTIVE

    def exit(self, *, reason: str, on: str) -> None:
        """Let the member go. Raises MemberHasExited, MemberIsErased."""
        self._check_belongs()
        self._exited(reason=reason, exited_on=on)

    @event(Exited)
    def _exited(self, *, reason: str, exited_on: str) -> None:
        self.status = MemberStatus.EXITED

    def erase(self, *, reason: str, on: str) -> None:
        """Forget the person. One who was forgotten already stays so."""
        if self.status != MemberStatus.ERASED:
            self._erased(reason=reason, erased_on=on)

    @event(Erased)
    def _erased(self, *, reason: str, erased_on: str) -> None:
        self.status = MemberStatus.ERASED
        self.first_name = None
        self.last_name = None
        self.phone = None
        self.email = None
        self.national_id = None

    def _check_belongs(self) -> None:
        if self.status == MemberStatus.EXITED:
            raise MemberHasExited
        if self.status == MemberStatus.ERASED:
            raise MemberIsErased
