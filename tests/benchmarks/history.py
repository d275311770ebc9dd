"""A long log, made by the real domain: a co-operative's months, many members to a commit.

Everybody joins first; then each month every member pays by check-off, and in some months also by a
push that Safaricom confirms. Some contributions are reversed, some telephones change. Two processes
write at once, so members stand interleaved in the log, as they do in life.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

from app.wiring import Services
from domain.aggregate import Aggregate
from domain.contributions.account import MemberAccount
from domain.contributions.rules import ContributionRules, ContributionType, PaymentMethod
from domain.dates import business_day
from domain.identities import account_id, receipt_id
from domain.members.commands import RegisterMember
from domain.members.handlers import register_member
from domain.members.member import Member
from domain.mpesa.commands import RecordPushResult, RequestPush
from domain.mpesa.handlers import record_push_result, request_push
from domain.mpesa.sending import (
    RecordAcknowledgement,
    StartSending,
    record_acknowledgement,
    start_sending,
)
from infra import clock
from infra.event_store.unit_of_work import Cause, UnitOfWork
from infra.settings import read_settings

MONTHS = 16
PUSH_MONTHS = (5, 11)
EVENTS_OF_A_MEMBER = 2 + MONTHS + 8 * len(PUSH_MONTHS) + 1 / 20 + 1 / 10
WRITERS = 2
_MEMBERS_A_COMMIT = 60  # a push and what becomes of it is eight events
_CAUSE = Cause("bench", "bench")


def make_history(events: int) -> int:
    """Append about so many events to the log of the house in the environment. Answers members."""
    members = round(events / EVENTS_OF_A_MEMBER)
    context = multiprocessing.get_context("spawn")
    with context.Pool(WRITERS) as pool:
        shares = [(writer, members // WRITERS) for writer in range(WRITERS)]
        pool.starmap(_write, shares)
    return members // WRITERS * WRITERS


def _write(writer: int, members: int) -> None:
    services = Services(read_settings())
    years = _Years(services, writer)
    ids = [uuid4() for _ in range(members)]
    years.each(ids, years.join)
    for month in range(MONTHS):
        years.month = month
        years.each(ids, years.check_off)
        if month in PUSH_MONTHS:
            years.each(ids, years.ask_by_push)
            years.each(ids, years.pay_what_was_asked)
        if writer == 0:
            print(f"  month {month + 1} of {MONTHS}", file=sys.stderr, flush=True)
    years.each(ids[::20], years.reverse)
    years.each(ids[::10], years.change_contact)
    services.close()


class _Years:
    """One writer's members. Aggregates stay in memory: nobody is loaded twice."""

    def __init__(self, services: Services, writer: int) -> None:
        self._store = services.store
        self._known: dict[UUID, Aggregate | None] = {}
        self._settled: list[UUID] = []
        self._numbers: dict[UUID, int] = {}
        self._pushes: dict[UUID, UUID] = {}
        self._first_number = writer * 10_000_000
        self._now = clock.now()
        self._today = business_day(self._now)
        self._unit = UnitOfWork(self._store, _CAUSE)
        self.month = 0

    def each(self, members: list[UUID], act: Callable[[UUID], None]) -> None:
        """Let each of them act, some sixty to a commit."""
        for start in range(0, len(members), _MEMBERS_A_COMMIT):
            chosen = members[start : start + _MEMBERS_A_COMMIT]
            self._unit = UnitOfWork(self._store, _CAUSE)
            self._unit._loaded = self._known
            self._store.mapper._keys.get_many(chosen)
            for member_id in chosen:
                act(member_id)
            self._unit.commit()
            for stream_id in self._settled:
                del self._known[stream_id]
            self._settled = []

    def join(self, member_id: UUID) -> None:
        number = self._first_number + len(self._numbers)
        self._numbers[member_id] = number
        self._known[member_id] = self._known[account_id(member_id)] = None
        register_member(
            RegisterMember(
                member_id=member_id,
                member_number=f"B{number:08d}",
                first_name="Bench",
                last_name=f"Member {number}",
                phone=f"07{number:08d}",
                email=f"member{number}@example.org",
                national_id=f"{10_000_000 + number}",
                registered_on=self._today - timedelta(days=30 * MONTHS),
                today=self._today,
            ),
            self._unit,
        )

    def check_off(self, member_id: UUID) -> None:
        account = self._unit.get(MemberAccount, account_id(member_id))
        account.receive(
            contribution_id=uuid4(),
            contribution_type=ContributionType.MONTHLY,
            amount_cents=2_000_00 + self.month,
            payment_method=PaymentMethod.CHECK_OFF,
            payment_reference=f"PAYROLL-{self.month}",
            contributed_on=self._today - timedelta(days=30 * (MONTHS - self.month)),
        )
        self._unit.save(account)

    def ask_by_push(self, member_id: UUID) -> None:
        push_id = self._pushes[member_id] = uuid4()
        request_push(
            RequestPush(
                push_id=push_id,
                member_id=member_id,
                phone=None,
                purpose=ContributionType.SHARE_CAPITAL,
                amount_cents=1_000_00,
                account_reference=push_id.hex[:12].upper(),
                short_code="174379",
                now=self._now,
                rules=ContributionRules(),
            ),
            self._unit,
        )
        start_sending(StartSending(push_id, self._now), self._unit)
        record_acknowledgement(
            RecordAcknowledgement(push_id, "bench", f"ws_CO_{push_id.hex}", self._now), self._unit
        )

    def pay_what_was_asked(self, member_id: UUID) -> None:
        push_id = self._pushes.pop(member_id)
        receipt_number = push_id.hex[:10].upper()
        self._known[receipt_id(receipt_number)] = None
        record_push_result(
            RecordPushResult(
                push_id=push_id,
                checkout_request_id=f"ws_CO_{push_id.hex}",
                result_code="0",
                result_description="The service request is processed successfully.",
                receipt_number=receipt_number,
                amount_cents=1_000_00,
                paid_at=self._now,
                payer_phone=self._unit.get(Member, member_id).phone,
                now=self._now,
            ),
            self._unit,
        )
        self._settled += [push_id, receipt_id(receipt_number)]

    def reverse(self, member_id: UUID) -> None:
        account = self._unit.get(MemberAccount, account_id(member_id))
        account.reverse(
            contribution_id=UUID(next(iter(account.contributions))),
            reason="typed twice",
            reversed_on=self._today,
        )
        self._unit.save(account)

    def change_contact(self, member_id: UUID) -> None:
        member = self._unit.get(Member, member_id)
        member.change_contact(phone=f"2541{self._numbers[member_id]:08d}", email=None)
        self._unit.save(member)
