"""What a payer may type as account number, and whose the money then is.

A payer types a member number, a loan number or a phone, often with a word behind it that says what
the money is for. Case, spaces and separators do not matter. A fact is never refused: what leads
nowhere, or to several, is a reason for suspense.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from uuid import UUID

from domain.errors import InvalidInput
from domain.identities import account_id
from domain.loans.handlers import LOAN_NUMBER
from domain.loans.loan import Loan
from domain.loans.lookup import LOAN_OF_MEMBER, loans_of
from domain.members.member import MEMBER_NUMBER, PHONE, Member
from domain.mpesa.posting import Destination
from domain.mpesa.receipt import SuspenseReason
from domain.mpesa.stk_push import PushPurpose
from domain.phones import normalised_phone
from domain.store import AggregateStore, Key

ACCOUNT_NUMBER_LENGTH_MAX = 40  # M-Pesa carries twenty; who sends more has no account here
READINGS_KEPT_MAX = 200  # more than one batch of confirmations
_DROPPED = re.compile(r"[^A-Z0-9]+")


class AccountKind(StrEnum):
    """What an account number may be."""

    MEMBER = "member"
    LOAN = "loan"
    PHONE = "phone"


@dataclass(frozen=True)
class AccountRules:
    """Which account numbers are understood, in which order, and what a word behind one means."""

    kinds: tuple[AccountKind, ...] = (AccountKind.MEMBER, AccountKind.LOAN, AccountKind.PHONE)
    words: tuple[tuple[str, PushPurpose], ...] = (
        ("S", PushPurpose.SHARE_CAPITAL),
        ("R", PushPurpose.REGISTRATION_FEE),
        ("L", PushPurpose.LOAN_REPAYMENT),
    )


@dataclass(frozen=True)
class _Reading:
    """One way to read what was typed. Without a word behind it, no purpose is said."""

    kind: AccountKind
    number: str
    purpose: PushPurpose | None


_SCOPES = {
    AccountKind.MEMBER: MEMBER_NUMBER,
    AccountKind.LOAN: LOAN_NUMBER,
    AccountKind.PHONE: PHONE,
}


def normalised(account_number: str | None) -> str:
    """What was typed, without what does not matter: capitals and digits only."""
    if account_number is None or len(account_number) > ACCOUNT_NUMBER_LENGTH_MAX:
        return ""
    return _DROPPED.sub("", account_number.upper())


def keys_of(account_number: str | None, rules: AccountRules) -> list[Key]:
    """The keys that `destination_of` looks up first, so that many can be read at once."""
    readings = _readings(account_number, rules)
    return [Key(_SCOPES[reading.kind], reading.number) for reading in readings]


def streams_of(
    account_number: str | None, rules: AccountRules, store: AggregateStore
) -> Iterator[UUID]:
    """The loans, and the members with their accounts, that those keys lead to."""
    for key in keys_of(account_number, rules):
        for found in store.lookup(key.scope, key.value):
            yield found
            if key.scope != LOAN_NUMBER:
                yield account_id(found)


def loan_keys_of(
    account_number: str | None, rules: AccountRules, store: AggregateStore
) -> Iterator[Key]:
    """The keys that `destination_of` looks up next: the loans of who pays on `their loan`."""
    for reading in _readings(account_number, rules):
        if reading.purpose is PushPurpose.LOAN_REPAYMENT and reading.kind is not AccountKind.LOAN:
            for member_id in store.lookup(_SCOPES[reading.kind], reading.number):
                yield Key(LOAN_OF_MEMBER, str(member_id))


def destination_of(
    account_number: str | None, rules: AccountRules, store: AggregateStore
) -> Destination | SuspenseReason:
    """Whose the money is and what it is for, or why that cannot be told.

    The first reading that leads somewhere decides; a member who left has no money here.
    """
    if not (account_number or "").strip():
        return SuspenseReason.ACCOUNT_NUMBER_MISSING
    for reading in _readings(account_number, rules):
        found = store.lookup(_SCOPES[reading.kind], reading.number)
        if found:
            return _destination(reading, found, store)
    return SuspenseReason.ACCOUNT_NUMBER_UNKNOWN


@lru_cache(maxsize=READINGS_KEPT_MAX)
def _readings(account_number: str | None, rules: AccountRules) -> tuple[_Reading, ...]:
    """Each is asked for several times: to look up many at once, and to decide."""
    return tuple(_read(account_number, rules))


def _read(account_number: str | None, rules: AccountRules) -> Iterator[_Reading]:
    """All ways to read it, the likeliest first: as a whole, then with a word taken off its end.

    Numbers of loans that were taken over from older books hold whatever they held there.
    """
    text = normalised(account_number)
    if not text:
        return
    written = " ".join((account_number or "").split())
    if AccountKind.LOAN in rules.kinds and written != text:
        for number in dict.fromkeys((written, written.upper())):
            yield _Reading(AccountKind.LOAN, number, None)
    parts: list[tuple[str, PushPurpose | None]] = [(text, None)]
    for word, meant in rules.words:
        if text.endswith(word) and len(text) > len(word):
            parts.append((text[: -len(word)], meant))
    for number, purpose in parts:
        for kind in rules.kinds:
            if kind is AccountKind.LOAN and purpose not in (None, PushPurpose.LOAN_REPAYMENT):
                continue
            found = _as_phone(number) if kind is AccountKind.PHONE else number
            if found is not None:
                yield _Reading(kind, found, purpose)


def _as_phone(number: str) -> str | None:
    try:
        return normalised_phone(number)
    except InvalidInput:
        return None


def _destination(
    reading: _Reading, found: list[UUID], store: AggregateStore
) -> Destination | SuspenseReason:
    if len(found) > 1:
        return SuspenseReason.SEVERAL_MEMBERS
    if reading.kind is AccountKind.LOAN:
        loan = store.get(Loan, found[0])
        return _if_belongs(Destination.of_loan(loan), store)
    meant = reading.purpose or PushPurpose.MONTHLY
    if meant is not PushPurpose.LOAN_REPAYMENT:
        return _if_belongs(Destination(found[0], meant), store)
    open_loans = [loan for loan in loans_of(found[0], store) if loan.takes_money]
    if len(open_loans) > 1:
        return SuspenseReason.SEVERAL_LOANS
    if not open_loans:
        return _if_belongs(Destination(found[0], PushPurpose.MONTHLY), store)
    return _if_belongs(Destination.of_loan(open_loans[0]), store)


def _if_belongs(destination: Destination, store: AggregateStore) -> Destination | SuspenseReason:
    """A suspended member's money is theirs; one who exited or was erased has none here."""
    member = store.find(Member, destination.member_id)
    if member is None:
        return SuspenseReason.NO_ACCOUNT
    return destination if member.belongs else SuspenseReason.MEMBER_NOT_ACTIVE
