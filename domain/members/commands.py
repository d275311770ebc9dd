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
