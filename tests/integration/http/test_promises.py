"""What accounting systems may rely on, because they once could not: a claim for each old mistake.

Seen from outside: what the books show over HTTP after the thing has happened.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from domain.loans.schedule import schedule
from domain.loans.terms import LoanTerms
from domain.mpesa.outcome import Outcome
from domain.mpesa.stk_push import PushPurpose
from tests.integration.http.house import (
    CONTRIBUTIONS,
    LOAN_BOOKS,
    MEMBERS,
    PUSH,
    REPAYMENTS,
    SUMMARY,
    Client,
    assert_refused,
    open_house,
)
from tests.support.co_operative import DEVELOPMENT_LOAN, TODAY

FREE_OF_INTEREST = {"rate_percent": "0", "penalty_percent": "0"}
READS = {
    MEMBERS: "read_members",
    CONTRIBUTIONS: "read_contributions",
    LOAN_BOOKS: "read_loans",
    REPAYMENTS: "read_repayments",
    SUMMARY: "read_financial_summary",
}


@pytest.fixture
def books(house):
    return house.co_operative


@pytest.fixture
def borrower(books):
    return books.borrower()


@pytest.fixture
def loan(books, borrower):
    """30,000 over three months, free of interest."""
    return books.loan(borrower, product_code=books.product(**FREE_OF_INTEREST))


def rows(house, client, path):
    house.follow()
    return client.get(path).json[path.partition("?")[0].rpartition("/")[2]]


def asked(books, borrower, loan, **fields):
    return books.accepted_push(borrower, purpose=PushPurpose.LOAN_REPAYMENT, loan_id=loan, **fields)


# Money by M-Pesa.


@pytest.mark.parametrize("purpose", list(PushPurpose))
def test_a_payment_is_posted_for_what_it_was_asked_for(
    house, client, books, borrower, loan, purpose
):
    """Its purpose is kept with it, and the books show it at once."""
    is_repayment = purpose is PushPurpose.LOAN_REPAYMENT
    fields = {"loan_id": loan} if is_repayment else {"amount_cents": 5_000_00}
    push_id = books.accepted_push(borrower, purpose=purpose, **fields)
    assert books.paid(push_id) is Outcome.APPLIED
    repaid = rows(house, client, REPAYMENTS)
    put_in = [r for r in rows(house, client, CONTRIBUTIONS) if r["payment_method"] == "mpesa"]
    if is_repayment:
        assert [(row["loan_id"], row["amount"]) for row in repaid] == [(str(loan), "2000.00")]
        assert put_in == []
    else:
        assert repaid == []
        assert [(r["contribution_type"], r["amount"]) for r in put_in] == [(purpose, "5000.00")]


def test_a_payment_is_posted_on_the_loan_it_was_asked_for_not_on_the_oldest(
    house, client, books, borrower, loan
):
    newer = books.loan(borrower, product_code=books.product(**FREE_OF_INTEREST))
    books.paid(asked(books, borrower, newer))
    assert [row["loan_id"] for row in rows(house, client, REPAYMENTS)] == [str(newer)]


def test_a_payment_that_is_known_as_paid_is_posted(house, client, books, borrower, loan):
    """There is no push that succeeded, by callback or by query, without its money in the books."""
    by_callback = asked(books, borrower, loan)
    books.paid(by_callback)
    by_query = asked(books, borrower, loan)
    books.queried(by_query, "0")
    house.follow()
    states = {
        client.get(f"/daystar/v1/mpesa/transactions/{push}").json["status"]
        for push in (by_callback, by_query)
    }
    assert states == {"succeeded", "paid_receipt_awaited"}
    assert len(rows(house, client, REPAYMENTS)) == 2


def test_a_payment_told_again_is_not_posted_again(house, client, books, borrower, loan):
    push_id = asked(books, borrower, loan)
    books.paid(push_id)
    for _ in range(3):
        books.paid(push_id)
        books.queried(push_id, "0")
    assert len(rows(house, client, REPAYMENTS)) == 1


def test_another_amount_than_was_asked_for_credits_nobody(house, client, books, borrower, loan):
    books.paid(asked(books, borrower, loan), amount_cents=200_000_00)
    assert rows(house, client, REPAYMENTS) == []
    assert client.get(f"{LOAN_BOOKS}/{loan}").json["balance"] == "30000.00"


def test_whoever_guesses_the_callbacks_address_credits_nobody(house, client, books, borrower, loan):
    asked(books, borrower, loan)
    body = {"Body": {"stkCallback": {"ResultCode": 0}}}
    assert Client(house.app, None).post("/hooks/stk/guessed", body).status_code == 404
    assert rows(house, client, REPAYMENTS) == []


def test_a_payment_still_under_way_is_not_called_failed(house, client, books, borrower, loan):
    push_id = asked(books, borrower, loan)
    books.queried(push_id, "4999")
    house.follow()
    shown = client.get(f"/daystar/v1/mpesa/transactions/{push_id}").json
    assert shown["status"] == "accepted"
    books.paid(push_id)
    assert len(rows(house, client, REPAYMENTS)) == 1


# Loans.


def test_a_loan_is_completed_by_its_last_shilling_of_interest_and_not_before(house, client, books):
    months_ago = date(2026, 8, 23)  # all three instalments are due today
    order = ["principal", "interest", "fee", "penalty"]  # so that interest comes last
    terms = {"penalty_percent": "0", "day_count": "30/360", "allocation": order}
    loan = books.loan(
        books.borrower(), product_code=books.product(**terms), disbursed_on=months_ago
    )

    def shown_after(shillings):
        books.repayment(loan, shillings * 100, paid_on=TODAY)
        house.follow()
        shown = client.get(f"{LOAN_BOOKS}/{loan}").json
        paid, balance = Decimal(shown["paid_amount"]), Decimal(shown["balance"])
        assert paid + balance == Decimal(shown["total_payable"]) == Decimal("30601.99")
        parts = ("principal_amount", "interest_amount", "fee_amount", "penalty_amount")
        assert paid == sum(Decimal(row[part]) for row in shown["repayments"] for part in parts)
        return shown["status"], shown["balance"], shown["principal_balance"]

    assert shown_after(30_000) == ("active", "601.99", "500.99"), "more is owed than was lent"
    assert shown_after(501) == ("active", "100.99", "0.00"), "of interest alone"
    assert shown_after(100) == ("active", "0.99", "0.00")
    assert shown_after(1) == ("completed", "0.00", "0.00")


def test_interest_by_the_month_is_interest_by_the_month(house, client, books):
    """Five percent a month of 30,000 is 1,500 in the first month, not 125."""
    terms = {
        "rate_percent": "5",
        "rate_period": "month",
        "interest_method": "equal_principal",
        "day_count": "30/360",
    }
    loan = books.loan(books.borrower(), product_code=books.product(**terms))
    house.follow()
    shown = client.get(f"{LOAN_BOOKS}/{loan}").json
    assert (shown["interest_rate"], shown["rate_period"]) == ("5", "month")
    assert shown["schedule"][0]["interest"] == "1500.00"


def test_a_schedule_is_the_annuity_and_not_a_figure_from_a_brochure():
    """50,000 at twelve percent over twelve months: 4,442.44 a month."""
    terms = LoanTerms.from_plain(DEVELOPMENT_LOAN.as_plain() | {"day_count": "30/360"})
    lines = schedule(
        terms,
        principal_cents=50_000_00,
        term_months=12,
        disbursed_on=date(2026, 1, 1),
        first_due_on=date(2026, 2, 1),
    )
    assert lines[0].total_cents == 4_442_44
    assert sum(line.principal_cents for line in lines) == 50_000_00


def test_every_list_and_the_summary_answer_from_the_first_day(house, client):
    """An empty co-operative's books are empty; nothing they are read from is missing."""
    for path in READS:
        assert client.get(path).status_code == 200
        assert client.get(f"/wp-json{path}").status_code == 200


# The summary. That it agrees with the lists in any window, and counts finished loans among those
# paid out, stands in test_summary.


def test_the_last_day_of_a_window_counts_to_its_end_and_amounts_are_exact(house, client, books):
    for cents in (10, 20):
        books.loan(books.borrower())
        books.contribution(books.member(), amount_cents=500_00 + cents)
    house.follow()
    said = client.get(f"{SUMMARY}?date_from={TODAY}&date_to={TODAY}&period=daily").json
    money = said["financial_data"]
    assert money["contributions"] == "41000.30"  # and twice 20,000 that made them borrowers
    assert money["loan_disbursements"] == "60000.00"
    assert money["net_cash_flow"] == "-18999.70"
    assert said["period"] == {"from": str(TODAY), "to": str(TODAY), "type": "daily"}
    assert all(type(value) is str for value in money.values())


def test_a_period_is_a_window_and_not_only_a_word(house, client, books):
    books.contribution(
        books.member(registered_on=date(2026, 1, 5)), contributed_on=date(2026, 1, 5)
    )
    house.follow()

    def put_in(period):
        query = f"date_to=2026-03-31&period={period}"
        return client.get(f"{SUMMARY}?{query}").json["financial_data"]["contributions"]

    assert put_in("monthly") == "0.00"
    assert put_in("quarterly") == put_in("yearly") == "2000.00"


# The door.


def test_a_key_reads_what_it_may_and_nothing_else(house, premises):
    for path, permission in READS.items():
        reader = premises.house.client(permission)
        for other in READS:
            answer = reader.get(other)
            if other == path:
                assert answer.status_code == 200
            else:
                assert_refused(answer, 403, "insufficient_permission")
        whole = reader.get(f"{path}?format=csv") if path != SUMMARY else reader.get(path)
        assert whole.status_code == 200
        whole.close()
        assert_refused(reader.post(PUSH, {}), 403, "insufficient_permission")


def test_no_identity_number_is_shown_to_who_may_not_read_members(premises):
    others = [permission for permission in READS.values() if permission != "read_members"]
    reader = premises.house.client(*others)
    for path in READS:
        for query in ("", "?format=ndjson"):
            answer = reader.get(path + query)
            assert "TAKEN000" not in answer.get_data(as_text=True)
            answer.close()


def test_a_key_is_kept_as_a_digest_and_shown_to_nobody_again(house):
    _, key = house.issue("read_loans", name="Sage")
    stored = house.owner.execute(
        "SELECT count(*) FROM event_store.events WHERE position(%s::bytea IN state) > 0",
        (key.encode(),),
    ).fetchone()
    assert stored == (0,)


def test_a_key_that_asks_too_often_is_told_to_wait(owner_url, tmp_path):
    with open_house(owner_url, tmp_path, rate_limit=2) as strict:
        reader = strict.client("read_loans")
        answers = [reader.get(LOAN_BOOKS) for _ in range(6)]  # in one minute, or in two
    assert answers[0].status_code == 200
    limited = [answer for answer in answers if answer.status_code == 429]
    assert len(limited) >= 2
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in limited)
