"""What can be moved in: the columns of each file, and the command that a row becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID, uuid4

from app.adoption import values
from app.adoption.sheets import Column
from domain.contributions.commands import TakeOverBalances
from domain.contributions.errors import OpeningBalanceAlreadyRecorded
from domain.contributions.rules import ContributionType
from domain.errors import DomainError, InvalidInput
from domain.loans.commands import Arrears, TakeOverLoan
from domain.loans.errors import LoanNumberTaken, LoanProductNotFound, ProductNotOffered
from domain.members import particulars
from domain.members.commands import RegisterMember
from domain.members.errors import (
    MemberNotActive,
    MemberNumberTaken,
    MemberNumberUnknown,
    NationalIdTaken,
)
from domain.members.member import MEMBER_NUMBER
from domain.phones import normalised_phone
from domain.store import AggregateStore


@dataclass(frozen=True)
class Moment:
    """The day on which the older books were closed, and today."""

    as_of: date
    today: date


@dataclass(frozen=True)
class Kind:
    """One kind of file."""

    name: str
    columns: tuple[Column, ...]
    command: Callable[[Mapping[str, Any], AggregateStore, Moment], Any]


_NUMBER = Column(
    "member_number",
    lambda text, _: particulars.member_number(text),
    "as the member knows it: 3 to 16 letters and digits",
)
_SUMS = {
    "deposits": ContributionType.MONTHLY,
    "share_capital": ContributionType.SHARE_CAPITAL,
    "registration_fee": ContributionType.REGISTRATION_FEE,
}


def _member(row: Mapping[str, Any], _: AggregateStore, moment: Moment) -> RegisterMember:
    if row["registration_date"] > moment.today:
        raise InvalidInput("registration_date", "The day is in the future.")
    return RegisterMember(
        member_id=uuid4(),
        member_number=row["member_number"],
        first_name=row["first_name"],
        last_name=row["last_name"],
        phone=row["phone"],
        email=row["email"],
        national_id=row["id_number"],
        registered_on=row["registration_date"],
        today=moment.today,
    )


def _balances(row: Mapping[str, Any], store: AggregateStore, moment: Moment) -> TakeOverBalances:
    held = {kind: row[name] for name, kind in _SUMS.items() if row[name]}
    if not held:
        raise InvalidInput("deposits", "Nothing is held: leave the line out.")
    return TakeOverBalances(
        member_id=_member_id(row, store),
        balances_cents=held,
        contribution_ids={kind: uuid4() for kind in held},
        as_of=moment.as_of,
        today=moment.today,
    )


def _loan(row: Mapping[str, Any], store: AggregateStore, moment: Moment) -> TakeOverLoan:
    return TakeOverLoan(
        loan_id=uuid4(),
        loan_number=row["loan_number"],
        member_id=_member_id(row, store),
        product_code=row["product_code"],
        rate_percent=row["rate_percent"],
        amount_cents=row["amount"],
        term_months=row["term_months"],
        disbursed_on=row["disbursement_date"],
        paid_cents=row["paid_so_far"],
        principal_cents=row["principal_outstanding"],
        next_due_on=row["next_due_date"],
        remaining_months=row["remaining_months"],
        interest_to_come_cents=row["interest_to_come"],
        arrears=Arrears(
            principal_cents=row["principal_overdue"] or 0,
            interest_cents=row["interest_overdue"] or 0,
            fee_cents=row["fees_overdue"] or 0,
            penalty_cents=row["penalties_overdue"] or 0,
            since=row["overdue_since"],
        ),
        as_of=moment.as_of,
        today=moment.today,
    )


def _member_id(row: Mapping[str, Any], store: AggregateStore) -> UUID:
    found = store.lookup(MEMBER_NUMBER, row["member_number"])
    if not found:
        raise MemberNumberUnknown
    return found[0]


KINDS: Mapping[str, Kind] = {
    "members": Kind(
        "members",
        (
            _NUMBER,
            Column("first_name", particulars.name, "at most 60 letters"),
            Column("last_name", particulars.name, "at most 60 letters"),
            Column(
                "phone",
                lambda text, field: normalised_phone(text, field=field),
                "a Kenyan mobile number, such as 0712345678 or +254712345678",
            ),
            Column(
                "id_number",
                lambda text, _: particulars.national_id(text),
                "national id or passport: 5 to 12 letters and digits",
            ),
            Column("registration_date", values.day, "when they joined, such as 2019-03-31"),
            Column(
                "email", lambda text, _: particulars.email_address(text), "or empty", optional=True
            ),
        ),
        _member,
    ),
    "balances": Kind(
        "balances",
        (
            _NUMBER,
            Column(
                "deposits", values.amount_or_nothing, "shillings, such as 24000.00", optional=True
            ),
            Column("share_capital", values.amount_or_nothing, "shillings", optional=True),
            Column("registration_fee", values.amount_or_nothing, "shillings", optional=True),
        ),
        _balances,
    ),
    "loans": Kind(
        "loans",
        (
            Column("loan_number", values.number, "as the older books know it"),
            _NUMBER,
            Column("product_code", values.code, "of `daystar loan-products list`"),
            Column("amount", values.amount, "what was lent, in shillings"),
            Column("disbursement_date", values.day, "when it was paid out"),
            Column("term_months", values.months, "the whole term"),
            Column("rate_percent", values.percent, "empty: the product's own", optional=True),
            Column(
                "paid_so_far",
                values.amount_or_nothing,
                "all that was paid on it: principal, interest, fees, penalties",
            ),
            Column(
                "principal_outstanding",
                values.amount_or_nothing,
                "principal not yet repaid, what is overdue included",
            ),
            Column("remaining_months", values.months, "instalments still to come, perhaps 0"),
            Column(
                "next_due_date",
                values.day,
                "of the next of them; empty: none is to come",
                optional=True,
            ),
            Column(
                "interest_to_come",
                values.amount_or_nothing,
                "of those instalments, where interest is flat or charged once; else empty",
                optional=True,
            ),
            Column(
                "principal_overdue",
                values.amount_or_nothing,
                "due before and unpaid",
                optional=True,
            ),
            Column(
                "interest_overdue", values.amount_or_nothing, "due before and unpaid", optional=True
            ),
            Column(
                "fees_overdue", values.amount_or_nothing, "due before and unpaid", optional=True
            ),
            Column(
                "penalties_overdue", values.amount_or_nothing, "charged and unpaid", optional=True
            ),
            Column(
                "overdue_since",
                values.day,
                "due day of the oldest of it; empty: nothing is overdue",
                optional=True,
            ),
        ),
        _loan,
    ),
}

_COLUMN_OF: Mapping[type[DomainError], str] = {
    MemberNumberUnknown: "member_number",
    MemberNotActive: "member_number",
    MemberNumberTaken: "member_number",
    NationalIdTaken: "id_number",
    OpeningBalanceAlreadyRecorded: "member_number",
    LoanNumberTaken: "loan_number",
    LoanProductNotFound: "product_code",
    ProductNotOffered: "product_code",
}


def column_of(error: DomainError) -> str:
    """In which column a refused row is wrong; a dash where no single one is."""
    if isinstance(error, InvalidInput):
        return error.field
    return _COLUMN_OF.get(type(error), "-")
