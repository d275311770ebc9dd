"""What falls due, and when: the schedule of a loan, exact to the cent.

Interest of a period is the balance at its start times the period's factor, rounded half up to the
terms' multiple; the last instalment takes whatever rounding left. Factors are fractions, never
floats. The formulas are the ordinary annuity's (equal instalments), equal parts of the principal,
the flat rate, and a charge made once.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from domain.loans.terms import DayCount, InterestMethod, LoanTerms


@dataclass(frozen=True)
class Instalment:
    """What falls due on one day. `balance_cents` is the principal left after it."""

    number: int
    due_on: date
    principal_cents: int
    interest_cents: int
    balance_cents: int

    @property
    def total_cents(self) -> int:
        """What the member pays."""
        return self.principal_cents + self.interest_cents


@dataclass(frozen=True)
class Rounding:
    """To what multiples, in cents, money and whole instalments are rounded."""

    money_multiple_cents: int = 1
    instalment_multiple_cents: int = 1


def schedule(
    terms: LoanTerms,
    *,
    principal_cents: int,
    term_months: int,
    disbursed_on: date,
    first_due_on: date,
) -> tuple[Instalment, ...]:
    """The schedule of a loan granted under these terms."""
    due_on = [months_after(first_due_on, month) for month in range(term_months)]
    return instalments(
        method=InterestMethod(terms.interest_method),
        principal_cents=principal_cents,
        factors=period_factors(terms, disbursed_on=disbursed_on, due_on=due_on),
        due_on=due_on,
        rounding=Rounding(terms.money_multiple_cents, terms.instalment_multiple_cents),
        principal_grace=terms.principal_grace_months,
    )


def months_after(day: date, months: int) -> date:
    """The same day of a later month, or its last day where the month is shorter."""
    year, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + year, month + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def period_factors(
    terms: LoanTerms, *, disbursed_on: date, due_on: Sequence[date]
) -> tuple[Fraction, ...]:
    """The interest of one shilling in each period.

    With 30/360 every month is a month. Otherwise a period counts its days: the first from the
    disbursement, the others from the due day before.
    """
    days_in_year = DayCount(terms.day_count).days_in_year
    if days_in_year is None or terms.interest_method == InterestMethod.ONE_OFF_CHARGE:
        return (terms.monthly_rate,) * len(due_on)
    daily_rate = terms.monthly_rate * Fraction(12, days_in_year)
    starts = [disbursed_on, *due_on[:-1]]
    return tuple(daily_rate * (end - start).days for start, end in zip(starts, due_on, strict=True))


def instalments(
    *,
    method: InterestMethod,
    principal_cents: int,
    factors: Sequence[Fraction],
    due_on: Sequence[date],
    rounding: Rounding,
    principal_grace: int = 0,
) -> tuple[Instalment, ...]:
    """The instalments for one factor and one due day each. Principal parts sum to the principal."""
    assert principal_cents > 0, "a loan is above zero"
    assert len(factors) == len(due_on) > principal_grace >= 0, "each period has factor and day"
    if method is InterestMethod.ONE_OFF_CHARGE:
        interest = shared(principal_cents * factors[0], len(due_on), rounding)
    elif method is InterestMethod.FLAT:
        interest = [rounded(principal_cents * f, rounding.money_multiple_cents) for f in factors]
    else:
        interest = None  # on the balance, as it goes down
    repaying = factors[principal_grace:]
    level_cents = _level(method, principal_cents, repaying, interest, rounding)
    lines: list[Instalment] = []
    balance_cents = principal_cents
    for index, (factor, day) in enumerate(zip(factors, due_on, strict=True)):
        interest_cents = (
            interest[index]
            if interest is not None
            else rounded(balance_cents * factor, rounding.money_multiple_cents)
        )
        if index == len(due_on) - 1:
            part_cents = balance_cents
        elif index < principal_grace:
            part_cents = 0
        else:
            by_principal = method is InterestMethod.EQUAL_PRINCIPAL
            wanted_cents = level_cents if by_principal else level_cents - interest_cents
            part_cents = min(max(wanted_cents, 0), balance_cents)
        balance_cents -= part_cents
        lines.append(Instalment(index + 1, day, part_cents, interest_cents, balance_cents))
    return tuple(lines)


def _level(
    method: InterestMethod,
    principal_cents: int,
    factors: Sequence[Fraction],
    interest: Sequence[int] | None,
    rounding: Rounding,
) -> int:
    """What is the same in each repaying period: the instalment, or its principal."""
    if method is InterestMethod.EQUAL_PRINCIPAL:
        return rounded(Fraction(principal_cents, len(factors)), rounding.money_multiple_cents)
    multiple_cents = max(rounding.money_multiple_cents, rounding.instalment_multiple_cents)
    if interest is not None:
        total_cents = principal_cents + sum(interest[-len(factors) :])
        return rounded(Fraction(total_cents, len(factors)), multiple_cents)
    growth = Fraction(1)  # of a shilling from the end of a period to the end of the last
    annuity = Fraction(0)
    for factor in reversed(factors):
        annuity += growth
        growth *= 1 + factor
    return rounded(Fraction(principal_cents * growth, annuity), multiple_cents)


def shared(total: Fraction, parts: int, rounding: Rounding) -> list[int]:
    """One charge in equal parts; the last takes the remainder."""
    total_cents = rounded(total, rounding.money_multiple_cents)
    part_cents = rounded(Fraction(total_cents, parts), rounding.money_multiple_cents)
    shares: list[int] = []
    for _ in range(parts - 1):
        shares.append(min(part_cents, total_cents - sum(shares)))
    return [*shares, total_cents - sum(shares)]


def rounded(exact_cents: Fraction, multiple_cents: int = 1) -> int:
    """Half up, to a multiple of cents."""
    return multiple_cents * int(Fraction(exact_cents, multiple_cents) + Fraction(1, 2))
