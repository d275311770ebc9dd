"""A loan product: what the co-operative lends, and on what terms from which day on.

Products are data. A change of terms is a new version, valid from a day; loans keep the terms they
were granted under.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from domain.aggregate import Aggregate, Created, Event, event
from domain.loans.errors import ProductNotOffered, VersionNotLater
from domain.loans.terms import LoanTerms


class LoanProduct(Aggregate):
    """A product and all versions of its terms."""

    TOPIC = "loan-product"

    class Defined(Created):
        """A product is offered from a day on."""

        TOPIC = "loan-product.defined"

        code: str
        name: str
        valid_from: str
        terms: dict[str, Any]

    class Revised(Event):
        """Other terms hold from a day on."""

        TOPIC = "loan-product.revised"

        code: str
        name: str
        valid_from: str
        terms: dict[str, Any]

    @event(Defined)
    def __init__(self, *, code: str, name: str, valid_from: str, terms: dict[str, Any]) -> None:
        self.code = code
        self.name = name
        self.versions: list[dict[str, Any]] = [{"valid_from": valid_from, "terms": terms}]

    def revise(self, *, name: str, valid_from: date, terms: LoanTerms) -> None:
        """Let other terms hold from a day on. Terms that hold already change nothing.

        Raises:
            VersionNotLater: an earlier version begins on or after that day.
        """
        latest = self.versions[-1]
        if latest["terms"] == terms.as_plain() and name == self.name:
            return
        if valid_from.isoformat() <= str(latest["valid_from"]):
            raise VersionNotLater
        self._revised(
            code=self.code,
            name=name,
            valid_from=valid_from.isoformat(),
            terms=terms.as_plain(),
        )

    @event(Revised)
    def _revised(self, *, code: str, name: str, valid_from: str, terms: dict[str, Any]) -> None:
        self.name = name
        self.versions.append({"valid_from": valid_from, "terms": terms})

    def terms_on(self, day: date) -> LoanTerms:
        """The terms that hold on a day. Raises ProductNotOffered."""
        for version in reversed(self.versions):
            if str(version["valid_from"]) <= day.isoformat():
                return LoanTerms.from_plain(version["terms"])
        raise ProductNotOffered
