"""How members come, are reached, are held off, leave and are forgotten."""

from __future__ import annotations

from uuid import UUID

from domain.contributions.account import MemberAccount
from domain.contributions.rules import ContributionType
from domain.dates import checked_value_day
from domain.identities import account_id
from domain.loans.lookup import loans_of
from domain.members import particulars
from domain.members.commands import (
    ChangeContact,
    EraseMember,
    ExitMember,
    ReactivateMember,
    RegisterMember,
    SuspendMember,
)
from domain.members.errors import (
    LoansStillOwed,
    MemberHasNotExited,
    MemberNotFound,
    MemberNumberTaken,
    MoneyStillHeld,
    NationalIdTaken,
    RefundOnItsWay,
)
from domain.members.member import MEMBER_NUMBER, NATIONAL_ID, PHONE, Member
from domain.phones import normalised_phone
from domain.store import AggregateStore, Key
from domain.words import one_line

REASON_LENGTH_MAX = 200


def register_member(command: RegisterMember, store: AggregateStore) -> Member:
    """Register a person. Refuses a member number or national id that is already taken."""
    member_number = particulars.member_number(command.member_number)
    national_id = particulars.national_id(command.national_id)
    phone = normalised_phone(command.phone)
    day = checked_value_day(command.registered_on, today=command.today, field="registration_date")
    member: Member = Member.begin(
        Member.Registered,
        stream_id=command.member_id,
        member_number=member_number,
        first_name=particulars.name(command.first_name, "first_name"),
        last_name=particulars.name(command.last_name, "last_name"),
        phone=phone,
        email=particulars.email_address(command.email),
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


def change_contact(command: ChangeContact, store: AggregateStore) -> Member:
    """Reach a member otherwise; the key by which the phone finds them moves with it."""
    member = member_of(command.member_id, store)
    before = member.phone
    phone = before if command.phone is None else normalised_phone(command.phone)
    email = member.email if command.email is None else particulars.email_address(command.email)
    # An erased member has no phone; the aggregate refuses before anything is read from it.
    member.change_contact(phone=phone or "", email=email)
    moved = phone != before
    store.save(
        member,
        claims=(Key(PHONE, phone),) if moved and phone else (),
        releases=(Key(PHONE, before),) if moved and before else (),
    )
    return member


def suspend_member(command: SuspendMember, store: AggregateStore) -> Member:
    """Hold a member off: no payment at the counter, no request to pay."""
    member = member_of(command.member_id, store)
    member.suspend(
        reason=one_line(command.reason, "reason", length_max=REASON_LENGTH_MAX),
        on=command.today.isoformat(),
    )
    store.save(member)
    return member


def reactivate_member(command: ReactivateMember, store: AggregateStore) -> Member:
    """End a suspension."""
    member = member_of(command.member_id, store)
    member.reactivate(
        reason=one_line(command.reason, "reason", length_max=REASON_LENGTH_MAX),
        on=command.today.isoformat(),
    )
    store.save(member)
    return member


def exit_member(command: ExitMember, store: AggregateStore) -> Member:
    """Let a member go, once nothing of theirs is left with us. A registration fee is no deposit."""
    reason = one_line(command.reason, "reason", length_max=REASON_LENGTH_MAX)
    day = checked_value_day(command.exited_on, today=command.today, field="exit_date")
    member = member_of(command.member_id, store)
    member.exit(reason=reason, on=day.isoformat())
    account = _account_holding_nothing(member, store)
    account.close(on=day)
    store.save(member)
    store.save(account)
    return member


def erase_member(command: EraseMember, store: AggregateStore) -> Member:
    """Forget a person. The append of the event destroys their key and the keys that find them."""
    reason = one_line(command.reason, "reason", length_max=REASON_LENGTH_MAX)
    member = member_of(command.member_id, store)
    if member.belongs:
        if not command.unexited:
            raise MemberHasNotExited
        account = _account_holding_nothing(member, store)
        account.close(on=command.today)
        store.save(account)
    member.erase(reason=reason, on=command.today.isoformat())
    store.save(member)
    return member


def member_of(member_id: UUID, store: AggregateStore) -> Member:
    """The member as they stand. Raises MemberNotFound."""
    member = store.find(Member, member_id)
    if member is None:
        raise MemberNotFound
    return member


def _account_holding_nothing(member: Member, store: AggregateStore) -> MemberAccount:
    if any(loan.is_unsettled for loan in loans_of(member.id, store)):
        raise LoansStillOwed
    account = store.get(MemberAccount, account_id(member.id))
    deposits_cents = account.balances_cents[ContributionType.MONTHLY]
    share_capital_cents = account.balances_cents[ContributionType.SHARE_CAPITAL]
    if deposits_cents or share_capital_cents:
        raise MoneyStillHeld(deposits_cents=deposits_cents, share_capital_cents=share_capital_cents)
    if account.is_refunding:
        raise RefundOnItsWay
    return account
