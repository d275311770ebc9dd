"""Taking a running loan over from older books, as it stands on a day.

What was due before that day and is unpaid becomes one instalment, in arrears since its day; what is
still to come is scheduled from the principal not yet due. Penalties until that day are the older
books' own: they are taken over as they are, and ours begin with the next month in arrears.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from domain.dates import checked_value_day
from domain.errors import InvalidInput
from domain.identities import loan_product_id
from domain.loans import standing
from domain.loans.commands import TakeOverLoan
from domain.loans.errors import LoanNumberTaken, LoanProductNotFound
from domain.loans.first_due import FIRST_DUE_DAYS_MAX
from domain.loans.handlers import LOAN_NUMBER
from domain.loans.loan import Loan
from domain.loans.lookup import LOAN_OF_MEMBER
from domain.loans.product import LoanProduct
from domain.loans.schedule import Instalment, Rounding, months_after, schedule, shared
from domain.loans.standing import Line, Penalty
from domain.loans.terms import TERM_MONTHS_MAX, InterestMethod, LoanTerms
from domain.members.handlers import member_of
from domain.store import AggregateStore, Key
from domain.words import one_line

CLOSED_DAYS_MAX = 92
"""What a loan's days since then bring is said at once, so they are few."""

_ONCE = (InterestMethod.FLAT, InterestMethod.ONE_OFF_CHARGE)
"""Where interest is not on the balance, only the older books know how much is still to come."""


def take_over_loan(command: TakeOverLoan, store: AggregateStore) -> Loan:
    """Begin a loan's stream with how it stood in older books."""
    number = one_line(command.loan_number, "loan_number", length_max=40)
    day = checked_value_day(command.as_of, today=command.today, field="as_of")
    if (command.today - day).days > CLOSED_DAYS_MAX:
        raise InvalidInput(
            "as_of", f"Close the older books within the last {CLOSED_DAYS_MAX} days."
        )
    member = member_of(command.member_id, store)
    if not member.belongs:
        member.check_active()
    product = store.find(LoanProduct, loan_product_id(command.product_code))
    if product is None:
        raise LoanProductNotFound
    plain = product.terms_on(day).as_plain() | {"principal_grace_months": 0}
    if command.rate_percent is not None:
        plain |= {"rate_percent": command.rate_percent}
    terms = LoanTerms.from_plain(plain)
    _check_amounts(command)
    _check_days(command, day)
    _check_interest(command, terms)
    to_come = _instalments_to_come(command, terms)
    arrears = _arrears(command, terms, day)
    loan: Loan = Loan.begin(
        Loan.TakenOver,
        stream_id=command.loan_id,
        loan_number=number,
        member_id=str(member.id),
        member_number=member.member_number,
        product_code=product.code,
        terms=terms.as_plain(),
        amount_cents=command.amount_cents,
        term_months=command.term_months,
        disbursed_on=command.disbursed_on.isoformat(),
        taken_over_on=day.isoformat(),
        accrues_from=_accrues_from(command, day).isoformat(),
        instalment_cents=to_come[0].total_cents if to_come else 0,
        ends_on=to_come[-1].due_on.isoformat() if to_come else arrears[-1]["due_on"],
        after=_after(command, arrears, to_come),
    )
    loan.assess(command.today)
    store.save(
        loan,
        claims=(
            Key(LOAN_OF_MEMBER, str(member.id)),
            Key(LOAN_NUMBER, number, taken=LoanNumberTaken),
        ),
    )
    return loan


def _check_amounts(command: TakeOverLoan) -> None:
    arrears = command.arrears
    repaid_cents = command.amount_cents - command.principal_cents
    if repaid_cents < 0:
        raise InvalidInput("principal_outstanding", "It is more than was lent.")
    if arrears.principal_cents > command.principal_cents:
        raise InvalidInput("principal_overdue", "It is more than the principal outstanding.")
    if command.paid_cents < repaid_cents:
        raise InvalidInput("paid_so_far", "It is less than the principal that was repaid.")
    if not (command.principal_cents or arrears.total_cents or command.interest_to_come_cents):
        raise InvalidInput("principal_outstanding", "Nothing is owed on this loan.")


def _check_days(command: TakeOverLoan, day: date) -> None:
    arrears, next_due_on = command.arrears, command.next_due_on
    if command.disbursed_on > day:
        raise InvalidInput("disbursement_date", "It is after the day of the taking over.")
    if bool(arrears.total_cents) != (arrears.since is not None):
        raise InvalidInput("overdue_since", "Give it where something is overdue, and only there.")
    if arrears.since is not None and not command.disbursed_on < arrears.since < day:
        raise InvalidInput(
            "overdue_since", "It lies between the disbursement and the day of the taking over."
        )
    is_to_come = _principal_to_come(command) + (command.interest_to_come_cents or 0) > 0
    if is_to_come != (0 < command.remaining_months < TERM_MONTHS_MAX):
        raise InvalidInput(
            "remaining_months",
            f"Give 1 to {TERM_MONTHS_MAX - 1} months where something is to come, else 0.",
        )
    if is_to_come != (next_due_on is not None):
        raise InvalidInput("next_due_date", "Give it where something is to come, and only there.")
    if next_due_on is not None and not 0 <= (next_due_on - day).days <= FIRST_DUE_DAYS_MAX:
        raise InvalidInput(
            "next_due_date",
            f"It is the day of the taking over or one of the {FIRST_DUE_DAYS_MAX} days after it.",
        )


def _check_interest(command: TakeOverLoan, terms: LoanTerms) -> None:
    is_told = command.interest_to_come_cents is not None
    if terms.interest_method in _ONCE and not is_told:
        raise InvalidInput(
            "interest_to_come", "Interest of this product is not on the balance: give what is left."
        )
    if terms.interest_method not in _ONCE and is_told:
        raise InvalidInput(
            "interest_to_come", "Interest of this product is on the balance: leave it empty."
        )


def _principal_to_come(command: TakeOverLoan) -> int:
    return command.principal_cents - command.arrears.principal_cents


def _accrues_from(command: TakeOverLoan, day: date) -> date:
    """The day from which the interest of the next instalment runs."""
    if command.next_due_on is None:
        return day
    return max(months_after(command.next_due_on, -1), command.disbursed_on)


def _instalments_to_come(command: TakeOverLoan, terms: LoanTerms) -> Sequence[Instalment]:
    months, principal_cents = command.remaining_months, _principal_to_come(command)
    if command.next_due_on is None:
        return ()
    if command.interest_to_come_cents is None:
        return schedule(
            terms,
            principal_cents=principal_cents,
            term_months=months,
            disbursed_on=months_after(command.next_due_on, -1),
            first_due_on=command.next_due_on,
        )
    rounding = Rounding(terms.money_multiple_cents)
    parts = shared(Fraction(principal_cents), months, rounding)
    interest = shared(Fraction(command.interest_to_come_cents), months, rounding)
    # A remainder of rounding is no reason to forgive a cent: the last line takes it.
    parts[-1] += principal_cents - sum(parts)
    interest[-1] += command.interest_to_come_cents - sum(interest)
    return [
        Instalment(
            number=month + 1,
            due_on=months_after(command.next_due_on, month),
            principal_cents=parts[month],
            interest_cents=interest[month],
            balance_cents=principal_cents - sum(parts[: month + 1]),
        )
        for month in range(months)
    ]


def _arrears(command: TakeOverLoan, terms: LoanTerms, day: date) -> list[Line]:
    """All that is in arrears, as one line. None where nothing is."""
    arrears = command.arrears
    if arrears.since is None:
        return []
    [line] = standing.opening_lines(
        [Instalment(1, arrears.since, arrears.principal_cents, arrears.interest_cents, 0)]
    )
    line["fee"] = arrears.fee_cents
    line["penalties"] = _penalties(arrears.since, arrears.penalty_cents, terms, day)
    return [line]


def _penalties(since: date, cents: int, terms: LoanTerms, day: date) -> list[Penalty]:
    """One for each month in which ours would have been charged, so that none is charged again.

    The older books' sum stands with the last of them; what they charged earlier than we would have
    counts as the first.
    """
    days: list[date] = []
    while True:
        charged_on = months_after(since, len(days))
        charged_on += timedelta(days=terms.penalty_grace_days + 1)
        if charged_on > day:
            break
        days.append(charged_on)
    if cents and not days:
        days = [day]
    penalties = [Penalty(charged_on=each.isoformat(), cents=0) for each in days]
    if cents:
        penalties[-1]["cents"] = cents
    return penalties


def _after(
    command: TakeOverLoan, arrears: list[Line], to_come: Sequence[Instalment]
) -> dict[str, Any]:
    lines = arrears + standing.opening_lines(to_come)
    for number, line in enumerate(lines, 1):
        line["number"] = number
    balance_cents = standing.payable_cents(lines)
    return {
        "lines": lines,
        "payable_cents": command.paid_cents + balance_cents,
        "paid_cents": command.paid_cents,
        "balance_cents": balance_cents,
        "balance_change_cents": balance_cents,
        "principal_cents": standing.principal_cents(lines),
        "due_since": standing.due_since(lines),
    }
