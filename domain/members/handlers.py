"""How members come to be."""

from __future__ import annotations

import re

from domain.contributions.account import MemberAccount
from domain.dates import checked_value_day
from domain.errors import InvalidInput
from domain.identities import account_id
from domain.members.commands import RegisterMember
from domain.members.errors import MemberNumberTaken, NationalIdTaken
from domain.members.member import MEMBER_NUMBER, NATIONAL_ID, PHONE, Member
from domain.phones import normalised_phone
from domain.store import AggregateStore, Key

_MEMBER_NUMBER = re.compile(r"[A-Z0-9]{3,16}", re.ASCII)
_NATIONAL_ID = re.compile(r"[A-Z0-9]{5,12}", re.ASCII)
_EMAIL = re.compile(r"[^@\s,;<>\"]{1,64}@[A-Za-z0-9.-]{1,180}\.[A-Za-z]{2,24}")
_NAME_LENGTH_MAX = 60


def register_member(command: RegisterMember, store: AggregateStore) -> Member:
    """Register a person. Refuses a member number or national id that is already taken."""
    member_number = _matched(
        command.member_number, _MEMBER_NUMBER, "member_number", "3 to 16 letters and digits"
    )
    national_id = _matched(
        command.national_id, _NATIONAL_ID, "id_number", "5 to 12 letters and digits"
    )
    phone = normalised_phone(command.phone)
    day = checked_value_day(command.registered_on, today=command.today, field="registration_date")
    member: Member = Member.begin(
        Member.Registered,
        stream_id=command.member_id,
        member_number=member_number,
        first_name=_name(command.first_name, "first_name"),
        last_name=_name(command.last_name, "last_name"),
        phone=phone,
        email=_email(command.email),
        national_id=national_id,
        registered_on=day.isoformat(),
    )
    account = MemberAccount.begin(
        MemberAccount.Opened,
        stream_id=account_id(member.id),
        member_id=str(member.id),
        member_number=member_number,
    )
    store.save(
        member,
        claims=(
            Key(MEMBER_NUMBER, member_number, taken=MemberNumberTaken),
            Key(NATIONAL_ID, national_id, taken=NationalIdTaken),
            Key(PHONE, phone),
        ),
    )
    store.save(account)
    return member


def _matched(text: str, pattern: re.Pattern[str], field: str, what: str) -> str:
    tidy = text.strip().upper()
    if not pattern.fullmatch(tidy):
        raise InvalidInput(field, f"Give {what}.")
    return tidy


def _name(text: str, field: str) -> str:
    tidy = " ".join(text.split())
    if not 0 < len(tidy) <= _NAME_LENGTH_MAX or not tidy.isprintable():
        raise InvalidInput(field, f"Give a name of 1 to {_NAME_LENGTH_MAX} letters.")
    return tidy


def _email(text: str | None) -> str | None:
    if text is None or not text.strip():
        return None
    tidy = text.strip()
    if not _EMAIL.fullmatch(tidy) or not tidy.isprintable():
        raise InvalidInput("email", "Give an e-mail address such as jane@example.org.")
    return tidy
