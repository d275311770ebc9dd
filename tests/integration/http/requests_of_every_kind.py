"""A good request of every kind, to be spoiled in one place at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from domain.dates import business_day
from domain.members.commands import SuspendMember
from infra import clock
from tests.integration.http.house import (
    ALL_PERMISSIONS,
    CONTRIBUTIONS,
    MEMBERS,
    PUSH,
    RECORD,
    REGISTER,
    Client,
    House,
)

MEMBER_ACTS = ("contact", "suspend", "reactivate", "exit")
COMMANDS = ("register", "record", "reverse", "push", *MEMBER_ACTS)
STATUS_OF = dict.fromkeys(MEMBER_ACTS, 200) | dict.fromkeys(COMMANDS[:3], 201) | {"push": 202}
MONEY_COMMANDS = ("record", "reverse", "push")
LISTS = (MEMBERS, CONTRIBUTIONS)


@dataclass(frozen=True)
class Premises:
    """A house with one contribution and one push in it, and a member of every standing.

    `member_id` holds money with us and is asked for more; the idle member does not; the third is
    suspended.
    """

    house: House
    client: Client
    member_id: UUID
    contribution_id: UUID
    transaction_id: UUID
    idle_member_id: UUID
    suspended_member_id: UUID

    @classmethod
    def of(cls, house: House) -> Premises:
        today = business_day(clock.now())
        member_id = house.member(
            member_number="TAKEN01", national_id="TAKEN0001", phone="0712345678"
        )
        contribution_id = house.contribution(member_id, payment_reference="TAKEN-REFERENCE")
        transaction_id = house.co_operative.push(member_id)
        idle, suspended = (
            house.member(
                member_number=f"TAKEN0{number}",
                national_id=f"TAKEN000{number}",
                phone=f"071234567{number}",
                registered_on=today - timedelta(days=number),
            )
            for number in (2, 3)
        )
        house.co_operative.dispatch(SuspendMember(suspended, "asked by the board", today))
        house.follow()
        client = house.client(*ALL_PERMISSIONS)
        return cls(house, client, member_id, contribution_id, transaction_id, idle, suspended)

    def command(self, name: str) -> tuple[str, dict[str, Any]]:
        """Where a good command is posted, and its body."""
        today = business_day(clock.now()).isoformat()
        member_id = str(self.member_id)
        return {
            "register": (
                REGISTER,
                {
                    "member_number": "NEW00001",
                    "first_name": "Wanjiru",
                    "last_name": "Kamau",
                    "phone": "0722000111",
                    "email": "wanjiru@example.org",
                    "id_number": "31234567",
                    "registration_date": today,
                },
            ),
            "record": (
                RECORD,
                {
                    "member_id": member_id,
                    "amount": "2000.00",
                    "contribution_type": "monthly",
                    "payment_method": "cash",
                    "payment_reference": "RECEIPT-17",
                    "contribution_date": today,
                },
            ),
            "reverse": (
                f"{RECORD}/{self.contribution_id}/reversal",
                {"member_id": member_id, "reason": "typed twice"},
            ),
            "push": (
                PUSH,
                {
                    "member_id": member_id,
                    "amount": "1500.00",
                    "payment_purpose": "monthly",
                    "phone": "0733000222",
                },
            ),
            "contact": (
                f"{REGISTER}/{member_id}/contact",
                {"phone": "0744000333", "email": "new@example.org"},
            ),
            "suspend": (f"{REGISTER}/{member_id}/suspension", {"reason": "asked by the board"}),
            "reactivate": (
                f"{REGISTER}/{self.suspended_member_id}/reactivation",
                {"reason": "the board agreed"},
            ),
            "exit": (
                f"{REGISTER}/{self.idle_member_id}/exit",
                {"reason": "moved abroad", "exit_date": today},
            ),
        }[name]

    def spoiled(self, name: str, **fields: Any) -> tuple[str, dict[str, Any]]:
        """A good command with some of its fields replaced."""
        path, body = self.command(name)
        return path, body | fields

    def everything(self) -> list[tuple[str, str, dict[str, Any] | None]]:
        """Every protected door: method, path, a good body."""
        commands = (self.command(name) for name in COMMANDS)
        return [
            *(("GET", path, None) for path in LISTS),
            ("GET", f"/daystar/v1/mpesa/transactions/{self.transaction_id}", None),
            *(("POST", path, body) for path, body in commands),
        ]
