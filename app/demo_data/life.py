"""A member's life with the co-operative: joining, saving each month, a mistake, a pause.

All of it is commands to the domain's own handlers. The same seed and number give the same life.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from app.demo_data.agenda import Agenda
from app.demo_data.borrowing import Borrower
from app.demo_data.lenders import Lenders
from app.demo_data.memory import MemoryStore
from app.demo_data.mpesa import Phone
from app.demo_data.people import Person, person
from domain.contributions.commands import RecordContribution, ReverseContribution
from domain.contributions.rules import ContributionRules, ContributionType, PaymentMethod
from domain.loans.schedule import months_after
from domain.members.commands import ReactivateMember, RegisterMember, SuspendMember
from domain.members.member import Member, MemberStatus
from domain.mpesa.stk_push import PushPurpose

_SKIPS_A_MONTH = 0.03
_ENTERED_TWICE = 0.01
_IS_SUSPENDED = 0.001
_BUYS_SHARES = 0.03


@dataclass(frozen=True)
class Plan:
    """What history is asked for."""

    members: int
    months: int
    seed: int
    until: date
    prefix: str
    first_number: int
    rules: ContributionRules


def live(plan: Plan, index: int, everybody: Lenders, store: MemoryStore) -> None:
    """Make one member's whole history in a store that knows the lenders and their products."""
    rng = Random(f"{plan.seed}/{index}")  # noqa: S311 (a demo, not a secret)
    who = person(
        rng,
        index=index,
        first_number=plan.first_number,
        prefix=plan.prefix,
        months=plan.months,
        until=plan.until,
    )
    _Life(plan, who, rng, everybody, store).run()


class _Life:
    def __init__(
        self, plan: Plan, who: Person, rng: Random, everybody: Lenders, store: MemoryStore
    ) -> None:
        self._plan = plan
        self._who = who
        self._rng = rng
        self._store = store
        self._agenda = Agenda(plan.until)
        self._payments = 0
        self._phone = Phone(store, rng, member_id=who.member_id, index=who.index, rules=plan.rules)
        self._borrower = Borrower(who, rng, everybody, store, self._agenda, self._phone)

    def run(self) -> None:
        who = self._who
        self._join(who.joined_on)
        for month in range(self._plan.months + 1):
            month_end = months_after(date(who.joined_on.year, who.joined_on.month, 1), month + 1)
            month_end -= timedelta(days=1)
            self._agenda.at(max(month_end, who.joined_on), self._save)
            self._agenda.at(month_end + timedelta(days=5), self._borrower.perhaps_apply)
            if self._rng.random() < _IS_SUSPENDED:
                self._agenda.at(month_end + timedelta(days=2), self._be_suspended)
        self._agenda.at(self._plan.until, self._borrower.assess_all)
        self._agenda.run()

    def _join(self, day: date) -> None:
        who = self._who
        self._store.dispatch(
            RegisterMember(
                member_id=who.member_id,
                member_number=who.member_number,
                first_name=who.first_name,
                last_name=who.last_name,
                phone=who.phone,
                email=who.email,
                national_id=who.national_id,
                registered_on=day,
                today=day,
            )
        )
        self._contribute(day, ContributionType.REGISTRATION_FEE, 1_000_00)
        if self._rng.random() < 0.5:
            self._contribute(day, ContributionType.SHARE_CAPITAL, 5_000_00)
            return
        for month in range(5):
            later = months_after(day, month)
            self._agenda.at(
                later, lambda on: self._contribute(on, ContributionType.SHARE_CAPITAL, 1_000_00)
            )

    def _save(self, day: date) -> None:
        if self._rng.random() < _SKIPS_A_MONTH or not self._is_active():
            return
        self._contribute(day, ContributionType.MONTHLY, self._who.deposit_cents)
        if self._rng.random() < _BUYS_SHARES:
            self._contribute(day, ContributionType.SHARE_CAPITAL, 1_000_00)

    def _contribute(self, day: date, kind: ContributionType, amount_cents: int) -> None:
        if not self._is_active():
            return
        if self._who.pays_by == "mpesa":
            purpose = PushPurpose(kind)
            if self._phone.pay(day, purpose=purpose, amount_cents=amount_cents):
                return
        self._record(day, kind, amount_cents, again=False)
        if self._rng.random() < _ENTERED_TWICE:
            self._record(day, kind, amount_cents, again=True)

    def _record(self, day: date, kind: ContributionType, amount_cents: int, *, again: bool) -> None:
        self._payments += 1
        method = "cash" if self._who.pays_by == "mpesa" else self._who.pays_by
        contribution_id = self._borrower.new_id()
        self._store.dispatch(
            RecordContribution(
                contribution_id=contribution_id,
                member_id=self._who.member_id,
                contribution_type=kind,
                amount_cents=amount_cents,
                payment_method=PaymentMethod(method),
                payment_reference=f"{method[0].upper()}{day:%Y%m%d}-{self._payments}",
                contributed_on=day,
                today=day,
                rules=self._plan.rules,
            )
        )
        if again:
            undo = ReverseContribution(
                self._who.member_id, contribution_id, "entered twice", day + timedelta(days=1)
            )
            self._agenda.at(undo.today, lambda _: self._store.dispatch(undo))

    def _is_active(self) -> bool:
        return self._store.get(Member, self._who.member_id).status == MemberStatus.ACTIVE

    def _be_suspended(self, day: date) -> None:
        if not self._is_active():
            return
        member_id = self._who.member_id
        self._store.dispatch(SuspendMember(member_id, "away, not reached", day))
        back = day + timedelta(days=self._rng.randint(20, 90))
        self._agenda.at(
            back, lambda on: self._store.dispatch(ReactivateMember(member_id, "came back", on))
        )
