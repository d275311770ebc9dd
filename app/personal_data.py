"""What we hold about one person, told or forgotten: the two rights the law gives every member."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import orjson
from eventsourcing.persistence import StoredEvent

from app.wiring import Services
from domain.contributions.account import MemberAccount
from domain.dates import business_day
from domain.errors import BrokenRule
from domain.identities import account_id
from domain.loans.lookup import loans_of
from domain.members.commands import EraseMember
from domain.members.handlers import member_of
from domain.members.member import MemberStatus
from domain.money import text_from_cents
from infra import clock
from infra.errors import InfrastructureError
from infra.event_store.dispatch import dispatch
from infra.event_store.unit_of_work import Cause, UnitOfWork
from projections.personal_data import HistoryRow, PersonalData
from projections.read_models import READ_MODELS

FOLLOW_SECONDS_MAX = 30.0
_IMPLIED = frozenset({"originator_id", "originator_version", "originator_topic", "timestamp"})
_PROFILE = (
    *("member_number", "first_name", "last_name", "phone", "email", "national_id"),
    *("registered_on", "status"),
)


class PaymentsUnderWay(BrokenRule):
    """A payment of this member is under way; let it finish, then erase."""

    code = "payments_under_way"

    def __init__(self, *, pushes: int, callbacks: int) -> None:
        super().__init__(
            f"{pushes} payment requests and {callbacks} callbacks of this member are under way;"
            " let them finish (a request is given up after a while), then try again."
        )


class ErasureUnfinished(InfrastructureError):
    """The person is erased in the log, but a table still holds something of them."""


def erase_member(
    services: Services, cause: Cause, *, member_id: UUID, reason: str, force: bool
) -> None:
    """Forget a person: in the log at once, then in every table. Running it again finishes it.

    Raises:
        MemberNotFound, MemberHasNotExited, MoneyStillHeld, PaymentsUnderWay: nothing was changed.
        ErasureUnfinished: says which tables still hold something, and what to do.
    """
    held = PersonalData(services.pool, member_id)
    member = member_of(member_id, UnitOfWork(services.store, cause))
    if member.status != MemberStatus.ERASED:
        pushes, callbacks = held.under_way()
        if pushes or callbacks:
            raise PaymentsUnderWay(pushes=pushes, callbacks=callbacks)
    command = EraseMember(member_id, reason, business_day(clock.now()), unexited=force)
    dispatch(services.store, command, cause)
    _follow(services, held)
    held.wipe()
    remains = held.remains()
    if remains:
        raise ErasureUnfinished(
            f"The person is erased in the log, but {', '.join(remains)} still hold something of"
            " them: let stopped read models follow again (`daystar status`), rebuild those whose"
            " old tables are still there, let `daystar intake` finish, then run this again."
        )


def _follow(services: Services, held: PersonalData) -> None:
    """Fold the erasure into every read model, beside whoever else follows the log."""
    head = services.store.log.max_notification_id() or 0
    follower = services.follower()
    deadline = time.monotonic() + FOLLOW_SECONDS_MAX
    while time.monotonic() < deadline:
        follower.catch_up()
        if held.followed(READ_MODELS, head):
            return
        time.sleep(0.05)


def export_member(services: Services, cause: Cause, *, member_id: UUID) -> dict[str, Any]:
    """Everything we hold about a person, in words they can read. Raises MemberNotFound."""
    unit = UnitOfWork(services.store, cause)
    member = member_of(member_id, unit)
    account = unit.get(MemberAccount, account_id(member_id))
    held = PersonalData(services.pool, member_id)
    pushes, receipts, payouts = held.pushes(), held.receipts(), held.payouts()
    loans = loans_of(member_id, unit)
    streams = {
        "membership": [member_id],
        "account": [account.id],
        "loans": [loan.id for loan in loans],
        "pushes": pushes,
        "receipts": receipts,
        "payouts": payouts,
    }
    return {
        "member_id": str(member_id),
        "exported_at": clock.now().isoformat(),
        "profile": {name: getattr(member, name) for name in _PROFILE},
        "balances": {
            name: text_from_cents(cents) for name, cents in account.balances_cents.items()
        },
        "contributions": [
            {"id": contribution_id, **in_shillings(contribution)}
            for contribution_id, contribution in account.contributions.items()
        ],
        "loans": [
            {
                "id": str(loan.id),
                "loan_number": loan.loan_number,
                "status": loan.status,
                "amount": text_from_cents(loan.amount_cents),
                "balance": text_from_cents(loan.owed_cents),
            }
            for loan in loans
        ],
        "history": {
            name: [_told(services, row) for row in held.history(ids)]
            for name, ids in streams.items()
        },
        "callbacks": held.callbacks(),
    }


def export_json(told: dict[str, Any]) -> str:
    """The export as a person reads it."""
    return orjson.dumps(told, option=orjson.OPT_INDENT_2, default=str).decode()


def _told(services: Services, row: HistoryRow) -> dict[str, Any]:
    position, stream_id, version, topic, state, recorded_at, metadata = row
    event = services.store.mapper.to_domain_event(
        StoredEvent(stream_id, version, topic, bytes(state))
    )
    fields = {name: value for name, value in vars(event).items() if name not in _IMPLIED}
    return {
        "position": str(position),
        "stream_id": str(stream_id),
        "topic": topic,
        "recorded_at": recorded_at,
        "actor": orjson.loads(metadata)["actor"],
        **in_shillings(fields),
    }


def in_shillings(fields: dict[str, Any]) -> dict[str, Any]:
    """Cents are ours; people read shillings."""
    return {
        name.removesuffix("_cents"): _in_shillings(value) if name.endswith("_cents") else value
        for name, value in fields.items()
    }


def _in_shillings(cents: Any) -> Any:
    if isinstance(cents, list):
        return [text_from_cents(each) for each in cents]
    return None if cents is None else text_from_cents(cents)
