"""What can be asked of members."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID


@dataclass(frozen=True)
class RegisterMember:
    """Make a person a member, and open the account that will hold their money."""

    member_id: UUID
    member_number: str
    first_name: str
    last_name: str
    phone: str
    email: str | None
    national_id: str
    registered_on: date
    today: date


@dataclass(frozen=True)
class ChangeContact:
    """Reach a member otherwise. What is None stays as it is; an empty e-mail takes it away."""

    member_id: UUID
    phone: str | None
    email: str | None


@dataclass(frozen=True)
class SuspendMember:
    """Hold a member off until somebody decides."""

    member_id: UUID
    reason: str
    today: date


@dataclass(frozen=True)
class ReactivateMember:
    """End a suspension."""

    member_id: UUID
    reason: str
    today: date


@dataclass(frozen=True)
class ExitMember:
    """Let a member go."""

    member_id: UUID
    reason: str
    exited_on: date
    today: date


@dataclass(frozen=True)
class EraseMember:
    """Forget a person for good. With `unexited`, one who never exited but holds no money too."""

    member_id: UUID
    reason: str
    today: date
    unexited: bool = False
