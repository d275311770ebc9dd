"""Who may borrow, and how much. Each condition that is not met is a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from domain.contributions.account import MemberAccount
from domain.contributions.rules import ContributionType
from domain.loans.errors import AmountOutsideLimits, NotEligible, TermOutsideLimits
from domain.loans.loan import Loan, LoanStatus
from domain.loans.schedule import months_after
from domain.loans.terms import LoanTerms
from domain.members.member import Member
from domain.money import spoken


def check_limits(terms: LoanTerms, *, amount_cents: int, term_months: int) -> None:
    """Raises AmountOutsideLimits, TermOutsideLimits."""
    if not terms.amount_cents_min <= amount_cents <= terms.amount_cents_max:
        raise AmountOutsideLimits(
            least_cents=terms.amount_cents_min, most_cents=terms.amount_cents_max
        )
    if not terms.term_months_min <= term_months <= terms.term_months_max:
        raise TermOutsideLimits(
            least_months=terms.term_months_min, most_months=terms.term_months_max
        )


def check_eligible(
    terms: LoanTerms,
    *,
    amount_cents: int,
    member: Member,
    account: MemberAccount,
    loans: Iterable[Loan],
    today: date,
) -> None:
    """Raises NotEligible with every condition that is not met, or MemberNotActive."""
    member.check_active()
    unmet = list(
        _unmet(
            terms,
            amount_cents=amount_cents,
            member=member,
            account=account,
            loans=list(loans),
            today=today,
        )
    )
    if unmet:
        raise NotEligible("Not eligible: " + "; ".join(unmet) + ".")


def _unmet(
    terms: LoanTerms,
    *,
    amount_cents: int,
    member: Member,
    account: MemberAccount,
    loans: list[Loan],
    today: date,
) -> Iterable[str]:
    months = terms.membership_months_min
    if months_after(date.fromisoformat(member.registered_on), months) > today:
        yield f"a member for less than {months} months"
    deposits_cents = account.balances_cents[ContributionType.MONTHLY]
    shares_cents = account.balances_cents[ContributionType.SHARE_CAPITAL]
    for what, held_cents, least_cents in (
        ("contributions", account.contributed_cents, terms.contributed_cents_min),
        ("share capital", shares_cents, terms.share_capital_cents_min),
        ("deposits", deposits_cents, terms.deposits_cents_min),
    ):
        if held_cents < least_cents:
            yield f"{what} of {spoken(held_cents)} are below {spoken(least_cents)}"
    if any(loan.is_open and loan.overdue_cents(today) for loan in loans):
        yield "another loan is overdue"
    if any(loan.status == LoanStatus.WRITTEN_OFF and loan.recoverable_cents for loan in loans):
        yield "another loan was written off"
    debt_cents = amount_cents + sum(
        loan.principal_cents if loan.is_open else loan.amount_cents
        for loan in loans
        if loan.is_open or loan.status in (LoanStatus.PENDING, LoanStatus.APPROVED)
    )
    multiple = terms.deposits_multiple
    if multiple and debt_cents > deposits_cents * multiple:
        yield f"loans of {spoken(debt_cents)} would exceed {multiple} times the deposits"
