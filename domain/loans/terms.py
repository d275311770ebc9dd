"""The terms of a loan: all that a product promises, copied into each loan that is granted under it.

Rates and percentages are decimal strings ("12", "0.5"), exact; amounts are whole cents. The plain
form (`as_plain`, `from_plain`) is what events and files carry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from fractions import Fraction
from typing import Any, Self

from domain.errors import InvalidInput
from domain.money import AMOUNT_CENTS_MAX

TERM_MONTHS_MAX = 120
PERCENT = Fraction(1, 100)
_PERCENT_MAX = 100


class InterestMethod(StrEnum):
    """How interest is reckoned."""

    EQUAL_INSTALMENTS = "equal_instalments"  # on the reducing balance
    EQUAL_PRINCIPAL = "equal_principal"  # on the reducing balance
    FLAT = "flat"  # each period on the whole loan
    ONE_OFF_CHARGE = "one_off_charge"  # once, whatever the term


class RatePeriod(StrEnum):
    """What the rate is for. A one-off charge has none of it and says `loan`."""

    MONTH = "month"
    YEAR = "year"
    LOAN = "loan"


class DayCount(StrEnum):
    """What part of a year a period is: every month a twelfth, or its days over so many."""

    THIRTY_360 = "30/360"
    ACTUAL_360 = "actual/360"
    ACTUAL_364 = "actual/364"
    ACTUAL_365 = "actual/365"

    @property
    def days_in_year(self) -> int | None:
        """The divisor, or None where months count and days do not."""
        return None if self is DayCount.THIRTY_360 else int(self.removeprefix("actual/"))


class Component(StrEnum):
    """What an instalment is made of."""

    PENALTY = "penalty"
    FEE = "fee"
    INTEREST = "interest"
    PRINCIPAL = "principal"


class SettlementInterest(StrEnum):
    """For how long interest is owed by who settles early."""

    TO_THE_DAY = "to_the_day"
    TO_THE_INSTALMENT = "to_the_instalment"
    WHOLE_TERM = "whole_term"


@dataclass(frozen=True, kw_only=True)
class LoanTerms:
    """What a loan costs and asks for."""

    amount_cents_min: int
    amount_cents_max: int
    term_months_min: int
    term_months_max: int
    interest_method: str
    rate_percent: str
    rate_period: str
    day_count: str = DayCount.THIRTY_360
    money_multiple_cents: int = 1
    instalment_multiple_cents: int = 1
    principal_grace_months: int = 0
    fee_percent: str = "0"
    insurance_percent: str = "0"
    penalty_percent: str = "0"
    penalty_cents: int = 0
    penalty_grace_days: int = 0
    penalty_compounds: bool = False
    allocation: tuple[str, ...] = tuple(Component)
    settlement_interest: str = SettlementInterest.TO_THE_DAY
    default_after_days: int = 90
    membership_months_min: int = 0
    contributed_cents_min: int = 0
    share_capital_cents_min: int = 0
    deposits_cents_min: int = 0
    deposits_multiple: int = 0
    """The largest debt as a multiple of the member's deposits; 0 asks for none."""

    def __post_init__(self) -> None:
        for name, kind in _WORDS.items():
            if getattr(self, name) not in {str(word) for word in kind}:
                raise InvalidInput(name, f"Give one of: {', '.join(kind)}.")
        for name in _PERCENTS:
            _check_percent(name, getattr(self, name))
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int) and not 0 <= value <= AMOUNT_CENTS_MAX:
                raise InvalidInput(field.name, "Give a whole number of zero or more.")
        self._check_sense()

    def _check_sense(self) -> None:
        if not 0 < self.amount_cents_min <= self.amount_cents_max:
            raise InvalidInput("amount_cents_max", "The largest amount is below the smallest.")
        if not 0 < self.term_months_min <= self.term_months_max <= TERM_MONTHS_MAX:
            raise InvalidInput("term_months_max", f"Give terms of 1 to {TERM_MONTHS_MAX} months.")
        if self.principal_grace_months >= self.term_months_min:
            raise InvalidInput("principal_grace_months", "The grace is as long as the term.")
        if not (self.money_multiple_cents and self.instalment_multiple_cents):
            raise InvalidInput("money_multiple_cents", "Money is rounded to a cent at least.")
        if sorted(self.allocation) != sorted(Component):
            raise InvalidInput("allocation", f"Name each once: {', '.join(Component)}.")
        is_one_off = self.interest_method == InterestMethod.ONE_OFF_CHARGE
        if is_one_off != (self.rate_period == RatePeriod.LOAN):
            raise InvalidInput("rate_period", "A one-off charge, and it alone, is for the loan.")

    @property
    def monthly_rate(self) -> Fraction:
        """The rate of a month, or of the whole loan for a one-off charge."""
        rate = Fraction(self.rate_percent) * PERCENT
        return rate * Fraction(1, 12) if self.rate_period == RatePeriod.YEAR else rate

    @property
    def upfront_percent(self) -> Fraction:
        """What is kept back when the loan is paid out, in percent of it."""
        return Fraction(self.fee_percent) + Fraction(self.insurance_percent)

    def as_plain(self) -> dict[str, Any]:
        """The terms as JSON values."""
        words = {name: str(getattr(self, name)) for name in _WORDS}
        return asdict(self) | words | {"allocation": [str(part) for part in self.allocation]}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The terms from JSON values. Raises InvalidInput for what is unknown or missing."""
        known = {field.name for field in fields(cls)}
        for name in sorted(set(plain) - known):
            raise InvalidInput(name, f"A loan's terms know no {name}.")
        for field in fields(cls):
            value = plain.get(field.name)
            if value is not None and type(value).__name__ != _PLAIN_TYPES[str(field.type)]:
                raise InvalidInput(field.name, f"Give {_PLAIN_WORDS[str(field.type)]}.")
        values = dict(plain)
        if "allocation" in values:
            values["allocation"] = tuple(str(part) for part in values["allocation"])
        try:
            return cls(**values)
        except TypeError as error:
            missing = sorted(_REQUIRED - set(plain))
            raise InvalidInput(missing[0], f"The terms lack {', '.join(missing)}.") from error


_WORDS = {
    "interest_method": InterestMethod,
    "rate_period": RatePeriod,
    "day_count": DayCount,
    "settlement_interest": SettlementInterest,
}
_PERCENTS = ("rate_percent", "fee_percent", "insurance_percent", "penalty_percent")
_PLAIN_TYPES = {"int": "int", "str": "str", "bool": "bool", "tuple[str, ...]": "list"}
_PLAIN_WORDS = {
    "int": "a whole number",
    "str": "a text",
    "bool": "true or false",
    "tuple[str, ...]": "a list of words",
}
_REQUIRED = {
    "amount_cents_min",
    "amount_cents_max",
    "term_months_min",
    "term_months_max",
    "interest_method",
    "rate_percent",
    "rate_period",
}


def _check_percent(name: str, text: str) -> None:
    try:
        percent = Fraction(text)
    except (ValueError, ZeroDivisionError):
        percent = Fraction(-1)
    if not 0 <= percent <= _PERCENT_MAX or not text.replace(".", "", 1).isdecimal():
        raise InvalidInput(name, 'Give a percentage of 0 to 100 as text, such as "1.5".')
