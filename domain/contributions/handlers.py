"""How contributions are recorded and undone by people. M-Pesa's own way in is `domain.mpesa`."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from domain.contributions.account import MemberAccount
from domain.contributions.commands import (
    RecordContribution,
    ReverseContribution,
    TakeOverBalances,
)
from domain.contributions.errors import OpeningBalanceAlreadyRecorded, ReferenceAlreadyUsed
from domain.contributions.rules import OPENING_BALANCE, PaymentMethod
from domain.dates import checked_value_day
from domain.errors import InvalidInput
from domain.identities import account_id
from domain.members.errors import MemberNotFound
from domain.members.member import Member
from domain.mpesa.suspense import return_to_suspense
from domain.store import AggregateStore, Key
from domain.words import one_line

PAYMENT_REFERENCE = "contribution.reference"
"""Scope: one bank or payroll reference pays one member once for one type of contribution."""

OPENING_REFERENCE = "OPENING"
REFERENCE_LENGTH_MAX = 40
REASON_LENGTH_MAX = 200


def record_contribution(command: RecordContribution, store: AggregateStore) -> MemberAccount:
    """Record money paid by other ways than M-Pesa."""
    if command.payment_method is PaymentMethod.MPESA:
        raise InvalidInput(
            "payment_method", "M-Pesa payments record themselves; choose cash, bank or check_off."
        )
    reference = one_line(
        command.payment_reference, "payment_reference", length_max=REFERENCE_LENGTH_MAX
    )
    day = checked_value_day(command.contributed_on, today=command.today, field="contribution_date")
    command.rules.check(
        contribution_type=command.contribution_type, amount_cents=command.amount_cents
    )
    account = account_of(command.member_id, store)
    store.get(Member, command.member_id).check_active()
    account.receive(
        contribution_id=command.contribution_id,
        contribution_type=command.contribution_type,
        amount_cents=command.amount_cents,
        payment_method=command.payment_method,
        payment_reference=reference,
        contributed_on=day,
    )
    claim = _reference_key(
        command.member_id,
        method=command.payment_method,
        contribution_type=command.contribution_type,
        reference=reference,
    )
    store.save(account, claims=(claim,))
    return account


def take_over_balances(command: TakeOverBalances, store: AggregateStore) -> MemberAccount:
    """Record a member's opening balances, each once: as contributions of a kind of their own.

    They count in the member's balances and totals, and are no money that moved on that day.
    """
    day = checked_value_day(command.as_of, today=command.today, field="as_of")
    account = account_of(command.member_id, store)
    member = store.get(Member, command.member_id)
    if not member.belongs:
        member.check_active()
    claims = []
    for kind, amount_cents in command.balances_cents.items():
        account.receive(
            contribution_id=command.contribution_ids[kind],
            contribution_type=kind,
            amount_cents=amount_cents,
            payment_method=OPENING_BALANCE,
            payment_reference=OPENING_REFERENCE,
            contributed_on=day,
        )
        key = _reference_key(
            command.member_id,
            method=OPENING_BALANCE,
            contribution_type=kind,
            reference=OPENING_REFERENCE,
        )
        claims.append(replace(key, taken=OpeningBalanceAlreadyRecorded))
    store.save(account, claims=tuple(claims))
    return account


def reverse_contribution(command: ReverseContribution, store: AggregateStore) -> MemberAccount:
    """Undo a contribution. What M-Pesa brought goes back to suspense: the money is still here."""
    reason = one_line(command.reason, "reason", length_max=REASON_LENGTH_MAX)
    account = account_of(command.member_id, store)
    undone = account.reverse(
        contribution_id=command.contribution_id, reason=reason, reversed_on=command.today
    )
    if undone["source_id"] is not None:
        return_to_suspense(
            UUID(undone["source_id"]), amount_cents=undone["amount_cents"], store=store
        )
    released = _reference_key(
        command.member_id,
        method=undone["method"],
        contribution_type=undone["type"],
        reference=undone["reference"],
    )
    store.save(account, releases=(released,))
    return account


def account_of(member_id: UUID, store: AggregateStore) -> MemberAccount:
    """The account of a member. Raises MemberNotFound."""
    account = store.find(MemberAccount, account_id(member_id))
    if account is None:
        raise MemberNotFound
    return account


def _reference_key(member_id: UUID, *, method: str, contribution_type: str, reference: str) -> Key:
    value = f"{member_id}/{method}/{contribution_type}/{reference.upper()}"
    return Key(PAYMENT_REFERENCE, value, taken=ReferenceAlreadyUsed)
