"""Invented people. Names are drawn from lists; numbers are such as nobody can have.

Phones begin with 0199: mobile blocks beginning with 01 are given out from 0100 and 0110 upwards,
and none had come near it when this was written. National ids begin with 9, as none does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from uuid import UUID

PEOPLE_MAX = 1_000_000

_FIRST_NAMES = (
    *("Achieng", "Akinyi", "Amina", "Atieno", "Barasa", "Chebet", "Cherono", "Fatuma", "Halima"),
    *("Jeptoo", "Juma", "Kamande", "Karimi", "Kiprono", "Kipchoge", "Lokuta", "Makena", "Moraa"),
    *("Muthoni", "Mutua", "Mwende", "Nafula", "Naliaka", "Nduta", "Njeri", "Nyambura", "Ochieng"),
    *("Odhiambo", "Okoth", "Omondi", "Rehema", "Salim", "Wairimu", "Wambui", "Wanjiru", "Yusuf"),
)
_LAST_NAMES = (
    *("Abdi", "Barongo", "Cheruiyot", "Ekai", "Gitau", "Kamau", "Kariuki", "Kibet", "Kimani"),
    *("Kiptoo", "Koech", "Langat", "Macharia", "Maina", "Makokha", "Mbugua", "Mokaya", "Mugo"),
    *("Mumo", "Musyoka", "Mwangi", "Mwaura", "Ndegwa", "Njoroge", "Nyaga", "Nyongesa", "Ogutu"),
    *("Okello", "Onyango", "Otieno", "Rotich", "Simiyu", "Wafula", "Waweru", "Wekesa", "Wanyama"),
)
_FOUNDERS = 0.3  # the part of the members who were there when the history begins
_JOINING = 0.9  # the part of the history in which the others come
_WEALTHY = 0.02
_MONTH_DAYS = 30.4


@dataclass(frozen=True)
class Person:
    """A member to be, and how they pay. Amounts are cents."""

    index: int
    member_id: UUID
    member_number: str
    first_name: str
    last_name: str
    phone: str
    email: str
    national_id: str
    joined_on: date
    pays_by: str
    deposit_cents: int
    borrows: float
    """The chance that a month without a loan brings an application."""


def person(
    rng: Random, *, index: int, first_number: int, prefix: str, months: int, until: date
) -> Person:
    """Invent one."""
    assert 0 <= index < PEOPLE_MAX, "the block of invented phones holds so many"
    begins_on = until - timedelta(days=int(months * _MONTH_DAYS))
    days = (until - begins_on).days
    late = 0 if rng.random() < _FOUNDERS else rng.randrange(int(days * _JOINING) + 1)
    joined_on = begins_on + timedelta(days=late)
    first_name, last_name = rng.choice(_FIRST_NAMES), rng.choice(_LAST_NAMES)
    steps = rng.randint(100, 120) if rng.random() < _WEALTHY else rng.randint(4, 20)
    return Person(
        index=index,
        member_id=UUID(int=rng.getrandbits(128), version=4),
        member_number=f"{prefix}{joined_on.year}{first_number + index:05d}",
        first_name=first_name,
        last_name=last_name,
        phone=f"0199{index:06d}",
        email=f"{first_name}.{last_name}.{index}@example.org".lower(),
        national_id=f"9{index:07d}",
        joined_on=joined_on,
        pays_by=rng.choices(("check_off", "mpesa", "bank", "cash"), (71, 12, 10, 7))[0],
        deposit_cents=steps * 500_00,
        borrows=rng.choice((0.02, 0.06, 0.15)),
    )
