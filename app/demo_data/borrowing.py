"""A member's loans: asked for, decided by another, paid out, and what becomes of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from uuid import UUID

from app.demo_data.agenda import Agenda
from app.demo_data.lenders import Lenders
from app.demo_data.memory import MemoryStore
from app.demo_data.mpesa import Phone
from app.demo_data.people import Person
from app.demo_data.repaying import Manner, Repaying
from domain.contributions.account import MemberAccount
from domain.contributions.rules import ContributionType
from domain.identities import account_id, loan_product_id
from domain.loans.commands import (
    ApplyForLoan,
    ApproveLoan,
    AssessLoan,
    DeclineLoan,
    DisburseLoan,
)
from domain.loans.errors import NotEligible
from domain.loans.loan import Loan
from domain.loans.product import LoanProduct
from domain.members.errors import MemberNotActive
from domain.members.member import Member, MemberStatus

_DEPOSITS_MULTIPLE = 3
_THOUSAND_CENTS = 1_000_00
_TERMS = (1, 2, 3, 4, 6, 6, 10, 12, 12, 18, 24, 24, 36, 48)
_PRODUCTS = {
    "development": 34,
    "school_fees": 18,
    "emergency": 14,
    "special": 8,
    "super_saver": 60,  # only of the few who may have one
    "salary_advance": 10,
    "instant": 10,
    "refinance": 3,
}
_PURPOSES = ("school fees", "a roof", "a plot", "a dairy cow", "hospital", "stock for the shop")
_MANNERS = {
    Manner.IN_TIME: 62,
    Manner.LATE: 16,
    Manner.SETTLES_EARLY: 8,
    Manner.PAYS_MORE: 7,
    Manner.RESTRUCTURED: 3,
    Manner.WRITTEN_OFF: 3,
    Manner.STOPS: 1,
}
_DECLINED = 0.08


@dataclass(frozen=True)
class _Wish:
    """A loan somebody might ask for."""

    product_code: str
    amount_cents: int
    term_months: int


class Borrower:
    """One member as a borrower: one loan at a time."""

    def __init__(
        self,
        who: Person,
        rng: Random,
        everybody: Lenders,
        store: MemoryStore,
        agenda: Agenda,
        phone: Phone,
    ) -> None:
        self._who = who
        self._rng = rng
        self._everybody = everybody
        self._store = store
        self._agenda = agenda
        self._phone = phone
        self._loans: list[UUID] = []

    def new_id(self) -> UUID:
        """An id that the seed determines."""
        return UUID(int=self._rng.getrandbits(128), version=4)

    def perhaps_apply(self, day: date) -> None:
        """Ask for a loan, if there is none and this is the month for it."""
        rng = self._rng
        if rng.random() >= self._who.borrows or self._owes():
            return
        if self._store.get(Member, self._who.member_id).status != MemberStatus.ACTIVE:
            return
        wish = self._wish(day)
        if wish is None:
            return
        loan_id = self.new_id()
        command = ApplyForLoan(
            loan_id=loan_id,
            loan_number=f"D{self._who.index:07d}-{len(self._loans) + 1:02d}",
            member_id=self._who.member_id,
            product_code=wish.product_code,
            amount_cents=wish.amount_cents,
            term_months=wish.term_months,
            purpose=rng.choice(_PURPOSES),
            applied_on=day,
            principal_id=self._everybody.officer_id,
            today=day,
        )
        try:
            self._store.dispatch(command)
        except NotEligible:
            return
        self._loans.append(loan_id)
        self._agenda.at(
            day + timedelta(days=rng.randint(1, 6)), lambda on: self._decide(on, loan_id)
        )

    def assess_all(self, day: date) -> None:
        """What the day brings to the loans that are open."""
        for loan_id in self._loans:
            self._store.dispatch(AssessLoan(loan_id, day))

    def _owes(self) -> bool:
        return any(self._store.get(Loan, loan_id).is_unsettled for loan_id in self._loans)

    def _wish(self, day: date) -> _Wish | None:
        account = self._store.get(MemberAccount, account_id(self._who.member_id))
        deposits_cents = account.balances_cents[ContributionType.MONTHLY]
        codes = [code for code in _PRODUCTS if self._may_ask(code, deposits_cents, day)]
        if not codes:
            return None
        [code] = self._rng.choices(codes, [_PRODUCTS[each] for each in codes])
        terms = self._product(code).terms_on(day)
        most_cents = min(terms.amount_cents_max, deposits_cents * _DEPOSITS_MULTIPLE)
        amount_cents = int(most_cents * self._rng.uniform(0.3, 1)) // _THOUSAND_CENTS
        amount_cents = max(amount_cents * _THOUSAND_CENTS, terms.amount_cents_min)
        months = [m for m in _TERMS if terms.term_months_min <= m <= terms.term_months_max]
        return _Wish(code, amount_cents, self._rng.choice(months))

    def _may_ask(self, code: str, deposits_cents: int, day: date) -> bool:
        terms = self._product(code).terms_on(day)
        if deposits_cents < terms.deposits_cents_min:
            return False
        return deposits_cents * _DEPOSITS_MULTIPLE >= terms.amount_cents_min

    def _product(self, code: str) -> LoanProduct:
        return self._store.get(LoanProduct, loan_product_id(code))

    def _decide(self, day: date, loan_id: UUID) -> None:
        loan = self._store.get(Loan, loan_id)
        approver = self._everybody.approver_of(loan.amount_cents)
        if self._rng.random() < _DECLINED:
            reason = "commitments are too high"
            self._store.dispatch(DeclineLoan(loan_id, approver, reason, day))
            return
        try:
            self._store.dispatch(ApproveLoan(loan_id, approver, None, day))
        except MemberNotActive:
            self._agenda.at(day + timedelta(days=10), lambda on: self._decide(on, loan_id))
            return
        then = day + timedelta(days=self._rng.randint(1, 4))
        self._agenda.at(then, lambda on: self._pay_out(on, loan_id))

    def _pay_out(self, day: date, loan_id: UUID) -> None:
        rng = self._rng
        [method] = rng.choices(("bank", "cash", "cheque"), (80, 12, 8))
        reference = f"{method.upper()}-{len(self._loans)}-{day:%Y%m%d}"
        try:
            self._store.dispatch(DisburseLoan(loan_id, method, reference, day, None, day))
        except MemberNotActive:
            self._agenda.at(day + timedelta(days=10), lambda on: self._pay_out(on, loan_id))
            return
        [manner] = rng.choices(list(_MANNERS), list(_MANNERS.values()))
        loan = self._store.get(Loan, loan_id)
        approver = self._everybody.approver_of(10 * loan.amount_cents)
        Repaying(
            loan_id,
            manner,
            approver,
            self._who.pays_by,
            rng,
            self._store,
            self._agenda,
            self._phone,
        ).begin()
