"""A loan's whole life over HTTP, as a clerk, an officer and an accounting system see it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from app.personal_data import export_member
from domain.dates import business_day
from domain.loans.loan import Loan
from infra import clock
from infra.event_store.unit_of_work import UnitOfWork
from tests.integration.http.house import LOANS
from tests.support.co_operative import CAUSE, TODAY

BOOKS = "/daystar-accounting/v1"


@pytest.fixture
def clerk(house):
    return house.client("operate", "read_loans", "read_repayments", "read_contributions")


@pytest.fixture
def officer(house):
    """Approves up to a million."""
    return house.approver("approve", "read_loans")


@pytest.fixture
def applied(house, clerk):
    member_id = house.member()
    house.contribution(member_id, amount_cents=20_000_00)
    code = house.co_operative.product()
    answer = clerk.post(
        LOANS,
        {
            "member_id": str(member_id),
            "product_id": code,
            "amount": "30000",
            "term_months": 3,
            "purpose": "a water tank",
        },
    )
    assert answer.status_code == 201, answer.text
    return answer.json


def shown(house, clerk, loan_id):
    house.follow()
    answer = clerk.get(f"{BOOKS}/loans/{loan_id}")
    assert answer.status_code == 200, answer.text
    return answer.json


def disbursed(clerk, officer, applied):
    path = f"{LOANS}/{applied['id']}"
    assert officer.post(f"{path}/approval", {}).json["status"] == "approved"
    paid_out = clerk.post(
        f"{path}/disbursement", {"payment_method": "bank", "payment_reference": "FT26/101"}
    )
    assert paid_out.status_code == 200, paid_out.text
    return path


def test_a_loan_from_application_to_the_last_shilling(house, clerk, officer, applied):
    assert applied["loan_number"].startswith("LOAN")
    path = disbursed(clerk, officer, applied)
    loan = shown(house, clerk, applied["id"])
    assert (loan["status"], loan["amount"], loan["monthly_payment"]) == (
        "active",
        "30000.00",
        "10200.66",
    )
    assert [line["number"] for line in loan["schedule"]] == [1, 2, 3]
    assert loan["total_payable"] == loan["balance"] == "30601.99"

    cash = {"payment_method": "cash", "payment_reference": "R1"}
    first = clerk.post(f"{path}/repayments", {"amount": "12000.00", **cash})
    assert first.status_code == 201
    assert first.json["principal_amount"] == "12000.00"
    quote = clerk.get(f"{path}/settlement").json
    assert (quote["amount"], quote["interest_amount"]) == ("18000.00", "0.00")
    short = clerk.post(
        f"{path}/repayments",
        {"amount": "17999.99", "settles": True, **cash, "payment_reference": "R2"},
    )
    assert (short.status_code, short.json["code"]) == (409, "settlement_not_covered")
    last = clerk.post(f"{path}/repayments", {"amount": "18500", **cash, "payment_reference": "R3"})
    assert (last.json["status"], last.json["overpaid_amount"]) == ("completed", "500.00")

    loan = shown(house, clerk, applied["id"])
    assert (loan["status"], loan["balance"], loan["days_overdue"]) == ("completed", "0.00", 0)
    assert [each["amount"] for each in loan["repayments"]] == ["18000.00", "12000.00"]
    assert loan["repayments_total"] == 2
    assert clerk.get(loan["repayments_url"]).json["repayments"] == loan["repayments"]
    contributions = clerk.get(f"{BOOKS}/contributions?member_id={loan['member_id']}").json
    assert [each["amount"] for each in contributions["contributions"]] == ["500.00", "20000.00"]


def test_a_loan_shows_its_newest_hundred_repayments_and_the_way_to_the_rest(house, client):
    books = house.co_operative
    loan = books.loan(books.borrower())
    unit = UnitOfWork(books.store, CAUSE)
    taken = unit.get(Loan, loan)
    for number in range(103):
        taken.receive(
            repayment_id=str(uuid4()),
            amount_cents=1_00,
            payment_method="cash",
            payment_reference=f"R{number}",
            paid_on=TODAY,
            today=TODAY,
        )
    unit.save(taken)
    unit.commit()
    told = shown(house, client, loan)
    assert told["repayments_total"] == 103
    references = [each["payment_reference"] for each in told["repayments"]]
    assert references == [f"R{number}" for number in range(102, 2, -1)]
    rest = client.get(f"{told['repayments_url']}&per_page=100&page=2").json["repayments"]
    assert [each["payment_reference"] for each in rest] == ["R2", "R1", "R0"]


def test_the_lists_filter_as_the_contract_says(house, clerk, officer, applied):
    path = disbursed(clerk, officer, applied)
    body = {"amount": "100.00", "payment_method": "cash", "payment_reference": "R1"}
    repayment = clerk.post(f"{path}/repayments", body).json
    house.follow()
    today = business_day(clock.now())
    tomorrow = today + timedelta(days=1)
    loan_id, member_id = applied["id"], applied["member_id"]

    def ids(path):
        answer = clerk.get(path)
        assert answer.status_code == 200, answer.text
        plural = path.split("?")[0].rsplit("/", 1)[1]
        return [each["id"] for each in answer.json[plural]]

    for prefix in (BOOKS, "/wp-json/daystar-accounting/v1"):
        assert ids(f"{prefix}/loans") == [loan_id]
        assert ids(f"{prefix}/loans?status=active&date_from={today}&date_to={today}") == [loan_id]
        assert ids(f"{prefix}/loans?member_id={member_id}") == [loan_id]
        assert ids(f"{prefix}/loans?status=pending") == []
        assert ids(f"{prefix}/loans?date_from={tomorrow}") == []
        assert ids(f"{prefix}/loans?updated_since={tomorrow}T00:00:00Z") == []
        assert ids(f"{prefix}/repayments?loan_id={loan_id}") == [repayment["repayment_id"]]
        assert ids(f"{prefix}/repayments?member_id={member_id}") == [repayment["repayment_id"]]
        assert ids(f"{prefix}/repayments?loan_id={uuid4()}") == []
        assert ids(f"{prefix}/repayments?date_to={today - timedelta(days=1)}") == []
    reversal = clerk.post(
        f"{path}/repayments/{repayment['repayment_id']}/reversal", {"reason": "typed twice"}
    )
    assert reversal.json["balance"] == "30601.99"
    house.follow()
    [listed] = clerk.get(f"{BOOKS}/repayments").json["repayments"]
    assert (listed["status"], listed["amount"]) == ("reversed", "100.00")


@pytest.mark.parametrize("path", ["/loans?status=open", "/loans?status=", "/repayments?loan_id=7"])
def test_a_filter_of_nothing_known_is_a_400(clerk, path):
    answer = clerk.get(BOOKS + path)
    assert (answer.status_code, answer.json["code"]) == (400, "rest_invalid_param")


def test_a_loan_that_is_not_there_is_a_404(clerk):
    answer = clerk.get(f"{BOOKS}/loans/{uuid4()}")
    assert (answer.status_code, answer.json["code"]) == (404, "loan_not_found")


def test_each_act_wants_its_permission(house, applied):
    nobody = house.client("read_members")
    path = f"{LOANS}/{applied['id']}"
    for act in ("approval", "refusal", "disbursement", "repayments", "fees", "write-off"):
        assert nobody.post(f"{path}/{act}", {}).status_code == 403
    for read in (f"{BOOKS}/loans", f"{BOOKS}/loans/{applied['id']}", f"{BOOKS}/repayments"):
        assert nobody.get(read).status_code == 403


def test_refusals_are_sentences_and_change_nothing(house, clerk, officer, applied):
    path = f"{LOANS}/{applied['id']}"
    both = house.client("operate", "approve")
    own = both.post(
        LOANS,
        {
            "member_id": applied["member_id"],
            "product_id": house.co_operative.product(),
            "amount": "10000",
            "term_months": 1,
            "purpose": "a door",
        },
    ).json
    before = house.contents()
    cash = {"payment_method": "cash", "payment_reference": "R9", "amount": "5"}
    refused = {
        (f"{path}/disbursement", "loan_not_approved"): clerk.post(
            f"{path}/disbursement", {"payment_method": "cash", "payment_reference": "V9"}
        ),
        (f"{path}/repayments", "loan_not_open"): clerk.post(f"{path}/repayments", cash),
        (f"{LOANS}/own", "not_an_approver"): both.post(f"{LOANS}/{own['id']}/approval", {}),
    }
    assert clerk.get(f"{path}/settlement").json["amount"] == "0.00"
    for (_, code), answer in refused.items():
        assert (answer.status_code, answer.json["code"]) == (409, code)
        assert answer.json["message"].endswith(".")
    assert house.contents() == before


def test_a_push_repays_the_loan_it_names(house, clerk, officer, applied):
    disbursed(clerk, officer, applied)
    body = {
        "member_id": applied["member_id"],
        "amount": "1000.50",
        "payment_purpose": "loan_repayment",
        "loan_id": applied["id"],
    }
    push = clerk.post("/daystar/v1/mpesa/stk-push", body)
    assert push.status_code == 202, push.text
    house.co_operative.paid(UUID(push.json["id"]), checkout_request_id="ws_CO_1")
    house.follow()
    [repayment] = clerk.get(f"{BOOKS}/repayments?loan_id={applied['id']}").json["repayments"]
    assert (repayment["amount"], repayment["payment_method"]) == ("1001.00", "mpesa")
    told = clerk.get(f"/daystar/v1/mpesa/transactions/{push.json['id']}").json
    assert (told["status"], told["loan_id"]) == ("succeeded", applied["id"])


def test_what_is_held_of_a_person_includes_their_loans(house, clerk, officer, applied):
    disbursed(clerk, officer, applied)
    told = export_member(house.services, CAUSE, member_id=UUID(applied["member_id"]))
    [loan] = told["loans"]
    assert (loan["status"], loan["balance"]) == ("active", "30601.99")
    assert [each["topic"] for each in told["history"]["loans"]] == [
        "loan.applied",
        "loan.approved",
        "loan.disbursed",
    ]
    assert told["history"]["loans"][0]["purpose"] == "a water tank"
