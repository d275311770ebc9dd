"""The financial summary says what the lists say, to the cent, whatever happened before."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from domain.contributions.commands import TakeOverBalances
from domain.contributions.rules import ContributionType
from domain.dates import business_day
from domain.errors import DomainError
from domain.loans.commands import ChargeFee, RestructureLoan, WriteOffLoan
from domain.periods import PeriodLength, period_of, window
from infra import clock
from tests.integration.http.house import (
    CONTRIBUTIONS,
    LOAN_BOOKS,
    MEMBERS,
    REPAYMENTS,
    SUMMARY,
    Client,
    assert_refused,
)
from tests.support.read_models import dumped, emptied
from tests.unit.domain.test_loans_taken_over import taken_over

STEPS = 120
DAYS = 300


class History:
    """What happens in a co-operative in any order, each thing on a day of its own."""

    def __init__(self, house, seed):
        self.house = house
        self.books = house.co_operative
        self.chance = random.Random(seed)
        self.today = business_day(clock.now())
        self.members = [house.member(registered_on=self.day(DAYS)) for _ in range(4)]
        self.product = self.books.product(contributed_cents_min=0)
        self.approver = self.books.principal()
        self.contributions, self.loans, self.repayments = [], [], []
        self.done = Counter()

    def day(self, days_ago):
        return self.today - timedelta(days=self.chance.randint(0, days_ago))

    def goes_on(self, steps):
        acts = (
            *(self.contribute, self.take_back, self.lend, self.lend, self.charge, self.assess),
            *(self.repay, self.repay, self.repay, self.repay, self.undo, self.undo),
            *(self.restructure, self.write_off),
        )
        for _ in range(steps):
            act = self.chance.choice(acts)
            try:
                act()
            except DomainError:
                self.done["refused"] += 1
            except IndexError:
                self.done["nothing to do it with"] += 1
            else:
                self.done[act.__name__] += 1

    def cents(self):
        return self.chance.randint(500_00, 25_000_00)

    def contribute(self):
        member = self.chance.choice(self.members)
        made = self.house.contribution(
            member, amount_cents=self.cents(), contributed_on=self.day(DAYS)
        )
        self.contributions.append((member, made))

    def take_back(self):
        self.books.reverse(*self.chance.choice(self.contributions))

    def lend(self):
        on = self.day(DAYS)
        self.loans.append(
            self.books.loan(
                self.chance.choice(self.members),
                product_code=self.product,
                term_months=self.chance.randint(1, 6),
                applied_on=on,
                disbursed_on=on,
                today=self.today,
            )
        )

    def repay(self):
        loan = self.chance.choice(self.loans)
        paid_on = self.day(DAYS)
        made = self.books.repayment(loan, self.cents(), paid_on=paid_on, today=self.today)
        self.repayments.append((loan, made))

    def undo(self):
        self.books.undo_repayment(*self.chance.choice(self.repayments), today=self.today)

    def charge(self):
        loan = self.chance.choice(self.loans)
        self.books.dispatch(ChargeFee(loan, uuid4(), 750_00, "a letter", self.today, self.today))

    def assess(self):
        self.books.assess(self.chance.choice(self.loans), self.today)

    def restructure(self):
        loan = self.chance.choice(self.loans)
        self.books.dispatch(
            RestructureLoan(loan, self.approver, 6, None, None, "lost work", self.today)
        )

    def write_off(self):
        loan = self.chance.choice(self.loans)
        self.books.dispatch(WriteOffLoan(loan, self.approver, "left", self.today))


def listed(client, path):
    answer = client.get(f"{path}?format=ndjson")
    rows = [json.loads(line) for line in answer.text.splitlines()]
    answer.close()
    return rows


def added_up(client, first, last):
    """The same from the lists, one row after the other."""

    def within(day):
        return day is not None and first.isoformat() <= day <= last.isoformat()

    loans = listed(client, LOAN_BOOKS)
    repaid, contributed = (
        [row for row in listed(client, path) if within(row[day]) and row["status"] == "completed"]
        for path, day in ((REPAYMENTS, "payment_date"), (CONTRIBUTIONS, "contribution_date"))
    )
    out = sum((Decimal(row["amount"]) for row in loans if within(row["disbursement_date"])), D0)
    back = sum((Decimal(row["amount"]) for row in repaid), D0)
    put_in = sum((Decimal(row["amount"]) for row in contributed), D0)
    return {
        "financial_data": {
            "loan_disbursements": str(out),
            "loan_repayments": str(back),
            "contributions": str(put_in),
            "outstanding_loans": str(sum((Decimal(row["balance"]) for row in loans), D0)),
            "net_cash_flow": str(back + put_in - out),
        },
        "member_data": {
            "total_members": len(listed(client, MEMBERS)),
            "active_members": len({row["member_id"] for row in [*repaid, *contributed]}),
        },
    }


D0 = Decimal("0.00")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_windows_summary_is_what_its_lists_add_up_to(house, client, owner_url, seed):
    history = History(house, seed)
    for _ in range(3):
        history.goes_on(STEPS // 3)
        house.follow()
        for first in (history.today - timedelta(days=DAYS), history.today, history.day(DAYS)):
            last = first + timedelta(days=history.chance.randint(0, DAYS))
            answer = client.get(f"{SUMMARY}?date_from={first}&date_to={last}").json
            expected = added_up(client, first, last)
            assert {name: answer[name] for name in expected} == expected
    assert {"contribute", "take_back", "lend", "repay", "undo"} <= set(history.done)
    before = dumped(owner_url)
    emptied(owner_url)
    house.follow()
    assert dumped(owner_url) == before


def told(client, query):
    answer = client.get(f"{SUMMARY}?{query}")
    assert answer.status_code == 200, answer.text
    return {name: value for name, value in answer.json.items() if name != "generated_at"}


def brought_along(house, member):
    """An opening balance, and its reversal."""
    made = uuid4()
    house.co_operative.dispatch(
        TakeOverBalances(
            member_id=member,
            balances_cents={ContributionType.MONTHLY: 9_000_00},
            contribution_ids={ContributionType.MONTHLY: made},
            as_of=business_day(clock.now()),
            today=business_day(clock.now()),
        )
    )
    house.co_operative.reverse(member, made)


def overpaid_late(history):
    """A repayment that was too much, until earlier ones are told: less and less is on the loan."""
    books, today = history.books, history.today
    on = today - timedelta(days=100)
    loan = books.loan(
        books.borrower(), product_code=history.product, applied_on=on, disbursed_on=on, today=today
    )
    books.repayment(loan, 29_000_00, paid_on=today, today=today)
    for days in (40, 80):
        earlier = today - timedelta(days=days)
        books.repayment(loan, 2_000_00, paid_on=earlier, today=today)
        yield


def test_what_any_window_added_up_to_is_told_again_when_all_has_changed(house, client):
    history = History(house, 6)
    brought_along(house, history.members[0])
    earlier_ones = overpaid_late(history)
    said = {}
    for _ in range(20):
        history.goes_on(6)
        next(earlier_ones, None)
        house.follow()
        position = house.services.store.log.max_notification_id()
        first = history.day(DAYS)
        last = first + timedelta(days=history.chance.randint(0, DAYS))
        for query in (f"date_from={first}&date_to={last}", "period=yearly", "period=weekly"):
            said[position, query] = told(client, query)
    restated = "SELECT count(*), count(DISTINCT movement_id) FROM read_summary.restatements"
    [[restatements, movements]] = house.owner.execute(restated).fetchall()
    assert restatements > movements > 1
    assert {"write_off", "restructure", "undo", "take_back"} <= set(history.done), history.done
    for (position, query), then in said.items():
        again = told(client, f"{query}&as_of_position={position}")
        assert again.pop("as_of_position") == str(position)
        assert again == then


def test_what_is_recovered_of_a_loan_written_off_counts_and_what_is_undone_does_not(house, client):
    today = business_day(clock.now())
    books = house.co_operative
    loan = books.loan(
        house.member(),
        product_code=books.product(contributed_cents_min=0),
        applied_on=today,
        disbursed_on=today,
        today=today,
    )
    books.dispatch(WriteOffLoan(loan, books.principal(), "left", today))
    kept, undone = (
        books.repayment(loan, cents, paid_on=today, today=today) for cents in (700_00, 300_00)
    )
    books.undo_repayment(loan, undone, today)
    house.follow()
    money = client.get(SUMMARY).json["financial_data"]
    assert money == {
        "loan_disbursements": "30000.00",
        "loan_repayments": "700.00",
        "contributions": "0.00",
        "outstanding_loans": "0.00",
        "net_cash_flow": "-29300.00",
    }
    [row] = [row for row in listed(client, REPAYMENTS) if row["status"] == "completed"]
    assert row["id"] == str(kept)


def test_of_a_loan_taken_over_only_what_is_owed_counts(house, client):
    """It was paid out in the older books: no money of ours moved that day."""
    loan = taken_over(house.co_operative)
    house.follow()
    shown = client.get(f"{LOAN_BOOKS}/{loan.id}").json
    day = shown["disbursement_date"]
    money = client.get(f"{SUMMARY}?date_from={day}&date_to={day}").json["financial_data"]
    assert money["loan_disbursements"] == "0.00"
    assert money["outstanding_loans"] == shown["balance"]


def test_a_finished_loan_stays_among_those_paid_out(house, client):
    today = business_day(clock.now())
    books = house.co_operative
    loan = books.loan(
        house.member(),
        product_code=books.product(contributed_cents_min=0),
        applied_on=today,
        disbursed_on=today,
        today=today,
    )
    books.repayment(loan, 40_000_00, paid_on=today, today=today)
    house.follow()
    assert client.get(f"{LOAN_BOOKS}/{loan}").json["status"] == "completed"
    money = client.get(SUMMARY).json["financial_data"]
    assert (money["loan_disbursements"], money["outstanding_loans"]) == ("30000.00", "0.00")
    assert Decimal(money["loan_repayments"]) + Decimal(money["contributions"]) == 40_000


def test_without_dates_it_speaks_of_todays_calendar_period(client):
    today = business_day(clock.now())
    for length in PeriodLength:
        said = client.get(f"{SUMMARY}?period={length}").json["period"]
        held = period_of(business_day(clock.now()), length)
        assert said == {
            "from": held.first.isoformat(),
            "to": held.last.isoformat(),
            "type": str(length),
        }
    assert client.get(SUMMARY).json["period"]["from"] == today.replace(day=1).isoformat()


def test_one_date_reaches_to_the_end_of_its_period_and_two_are_taken_as_they_are(client):
    def said(query):
        period = client.get(f"{SUMMARY}?{query}").json["period"]
        return period["from"], period["to"]

    assert said("date_from=2026-02-10") == ("2026-02-10", "2026-02-28")
    assert said("date_to=2026-05-10&period=quarterly") == ("2026-04-01", "2026-05-10")
    assert said("date_from=2026-02-10&date_to=2027-01-01") == ("2026-02-10", "2027-01-01")


def test_both_addresses_answer_it_and_a_mistake_in_the_order_is_told(house, client):
    reader = house.client("read_financial_summary")
    for prefix in ("", "/wp-json"):
        assert reader.get(f"{prefix}{SUMMARY}").status_code == 200
    assert_refused(
        reader.get(f"{SUMMARY}?date_from=2026-02-02&date_to=2026-02-01"), 400, "rest_invalid_param"
    )
    assert_refused(reader.get(f"{SUMMARY}?period=hourly"), 400, "rest_invalid_param")
    others = house.client("read_loans", "read_repayments", "read_contributions", "read_members")
    assert_refused(others.get(SUMMARY), 403, "insufficient_permission")
    assert_refused(Client(house.app, None).get(SUMMARY), 401, "no_api_key")


def test_every_day_lies_in_one_period_of_each_length_and_periods_leave_no_gap():
    for length, days in itertools.product(PeriodLength, range(0, 800, 3)):
        day = date(2023, 12, 20) + timedelta(days=days)
        held = period_of(day, length)
        assert held.first <= day <= held.last
        assert period_of(held.first, length) == period_of(held.last, length) == held
        assert period_of(held.last + timedelta(days=1), length).first > held.last
        assert window(length, day, None, None) == held
    for edge in (date.min, date.max):
        assert all(period_of(edge, length).first <= edge for length in PeriodLength)


def test_what_was_brought_from_older_books_is_no_money_that_came_in(house):
    today = business_day(clock.now())
    member = house.member()
    house.co_operative.dispatch(
        TakeOverBalances(
            member_id=member,
            balances_cents={ContributionType.MONTHLY: 9_000_00},
            contribution_ids={ContributionType.MONTHLY: uuid4()},
            as_of=today,
            today=today,
        )
    )
    house.contribution(member, amount_cents=2_000_00)
    house.follow()
    told = house.client("read_financial_summary").get(SUMMARY).json
    assert told["financial_data"]["contributions"] == "2000.00"
    assert told["member_data"]["active_members"] == 1
