"""A principal: whoever acts. Every event names the one who caused it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from domain.aggregate import Aggregate, Created, event
from domain.errors import BrokenRule, InvalidInput
from domain.members.errors import MemberNotFound
from domain.members.member import Member
from domain.store import AggregateStore, Key

PRINCIPAL_NAME = "principal.name"
_NAME_LENGTH_MAX = 80


class PrincipalKind(StrEnum):
    """A person answers for what they do; a system does as it is told."""

    PERSON = "person"
    SYSTEM = "system"


class Role(StrEnum):
    """What a principal may do, from looking to running the house."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMINISTRATOR = "administrator"


class PrincipalNameTaken(BrokenRule):
    """There is already a principal of this name."""

    code = "principal_name_taken"


class Principal(Aggregate):
    """A person or system that acts."""

    TOPIC = "principal"

    class Added(Created):
        """Somebody, or something, may act from now on. The band is the largest sum they approve.

        Where the person is a member too, `member_id` says which: nobody decides for themselves.
        """

        TOPIC = "principal.added"
        PERSONAL_FIELDS = ("name",)
        class_version = 2

        name: str
        kind: str
        roles: list[str]
        approval_limit_cents: int
        member_id: str | None

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            """Of the first ones we do not know whether they are members."""
            state["member_id"] = None

    @event(Added)
    def __init__(
        self,
        *,
        name: str,
        kind: str,
        roles: list[str],
        approval_limit_cents: int,
        member_id: str | None,
    ) -> None:
        self.name = name
        self.kind = kind
        self.roles = roles
        self.approval_limit_cents = approval_limit_cents
        self.member_id = member_id


@dataclass(frozen=True)
class AddPrincipal:
    """Let a person or system act."""

    principal_id: UUID
    name: str
    kind: PrincipalKind
    roles: tuple[Role, ...]
    approval_limit_cents: int
    member_id: UUID | None = None


def add_principal(command: AddPrincipal, store: AggregateStore) -> Principal:
    """Add a principal. Names are unique, whatever their capitals; a member it names is known."""
    name = " ".join(command.name.split())
    if not 0 < len(name) <= _NAME_LENGTH_MAX or not name.isprintable():
        raise InvalidInput("name", f"Give a name of 1 to {_NAME_LENGTH_MAX} letters.")
    if command.approval_limit_cents < 0:
        raise InvalidInput("approval_limit", "The approval limit cannot be below zero.")
    if command.member_id is not None and store.find(Member, command.member_id) is None:
        raise MemberNotFound
    principal: Principal = Principal.begin(
        Principal.Added,
        stream_id=command.principal_id,
        name=name,
        kind=str(command.kind),
        roles=sorted({str(role) for role in command.roles}),
        approval_limit_cents=command.approval_limit_cents,
        member_id=str(command.member_id) if command.member_id else None,
    )
    store.save(principal, claims=(Key(PRINCIPAL_NAME, name.casefold(), taken=PrincipalNameTaken),))
    return principal
