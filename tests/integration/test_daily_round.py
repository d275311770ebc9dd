"""The daily round says what a day brings once, however often and by however many it is walked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest

from consumers.loans.daily_round import DailyRound
from domain.loans.loan import Loan
from projections.installation import install_read_models
from projections.read_models import READ_MODELS

DISBURSED = date(2026, 9, 30)


@pytest.fixture
def follower(co_operative, owner_url):
    install_read_models(owner_url, READ_MODELS.values())
    return co_operative.follower()


def walk(co_operative, day):
    rounds = DailyRound(co_operative.store, co_operative.store.pool)
    while rounds.work_once(day):
        pass


def events_of(co_operative, topic):
    with co_operative.store.pool.connection() as connection:
        return connection.execute(
            "SELECT count(*) FROM event_store.events WHERE topic = %s", (topic,)
        ).fetchone()[0]


def test_a_hundred_days_walked_by_two_at_once_say_each_thing_once(co_operative, follower):
    code = co_operative.product()
    loans = [co_operative.loan(product_code=code, disbursed_on=DISBURSED) for _ in range(3)]
    co_operative.repayment(loans[0], 40_000_00)  # was late, had a penalty, and paid it all
    for days in range(100):
        follower.catch_up()
        day = date(2026, 11, 24) + timedelta(days=days)
        with ThreadPoolExecutor(2) as walkers:
            list(walkers.map(lambda _, day=day: walk(co_operative, day), range(2)))
    late = [co_operative.load(Loan, loan_id) for loan_id in loans[1:]]
    for loan in late:
        assert loan.status == "defaulted"
        assert [len(line["penalties"]) for line in loan.lines] == [4, 3, 2]
    assert events_of(co_operative, "loan.penalty-charged") == 1 + 2 * 9
    # Late when it was entered; defaulted later on.
    assert events_of(co_operative, "loan.became-overdue") == 1 + 2 * 2
    assert events_of(co_operative, "loan.instalment-due-soon") == 2 * 2
    assert co_operative.load(Loan, loans[0]).status == "completed"


def test_a_round_that_was_walked_is_not_walked_again_that_day(co_operative, follower):
    loan_id = co_operative.loan(disbursed_on=DISBURSED)
    follower.catch_up()
    rounds = DailyRound(co_operative.store, co_operative.store.pool)
    day = date(2026, 11, 24)
    assert rounds.work_once(day) == 1
    assert [rounds.work_once(day) for _ in range(3)] == [0, 0, 0]
    assert rounds.work_once(day - timedelta(days=1)) == 0
    assert rounds.work_once(day + timedelta(days=1)) == 1
    assert co_operative.load(Loan, loan_id).overdue


def test_days_that_fell_out_are_made_up_for(co_operative, follower):
    missed = co_operative.loan(disbursed_on=DISBURSED)
    follower.catch_up()
    walk(co_operative, date(2027, 3, 3))
    daily = co_operative.loan(disbursed_on=DISBURSED)
    for days in range(100):
        co_operative.assess(daily, date(2026, 11, 24) + timedelta(days=days))
    assert co_operative.load(Loan, missed).lines == co_operative.load(Loan, daily).lines


def test_a_loan_nobody_looked_at_for_years_is_caught_up_with_in_one_round(co_operative, follower):
    code = co_operative.product(term_months_max=36, penalty_percent="1")
    loan_id = co_operative.loan(product_code=code, term_months=36, disbursed_on=DISBURSED)
    follower.catch_up()
    walk(co_operative, date(2032, 1, 1))
    loan = co_operative.load(Loan, loan_id)
    assert sum(len(line["penalties"]) for line in loan.lines) > 500
    before = loan.version
    assert co_operative.assess(loan_id, date(2032, 1, 1)).version == before
