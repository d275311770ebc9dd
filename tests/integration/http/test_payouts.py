"""Money out over HTTP: loans paid out at their approval, refunds, and what waits for a person."""

from __future__ import annotations

from uuid import UUID

import pytest

from infra.mpesa.payout_settings import DisburseBy, PayoutSettings
from tests.integration.http.house import (
    LANES,
    LOANS,
    MEMBERS,
    PAYOUTS,
    REFUNDS,
    assert_refused,
    open_house,
)
from tests.support import payout_states as told


@pytest.fixture
def clerk(house):
    return house.client("operate", "read_loans", "read_members")


@pytest.fixture
def officer(house):
    return house.approver("approve", "operate", "read_loans")


@pytest.fixture
def loan(house):
    """An application of 30,000, entered by somebody else."""
    return house.co_operative.application()


@pytest.fixture
def saver(house):
    member = house.member()
    house.contribution(member, amount_cents=2_000_00)
    return member


def sent_and(house, payout, *, paid):
    told.sending_started(house.co_operative, payout)
    told.taken(house.co_operative, payout)
    tell = told.result_paid if paid else told.not_paid
    tell(house.co_operative, payout)
    house.follow()


def waiting(house, clerk):
    house.follow()
    return clerk.get(f"{PAYOUTS}/waiting").json


def test_an_approval_says_how_the_loan_is_paid_out_and_else_the_house_does(house, officer, loan):
    path = f"{LOANS}/{loan}"
    answer = officer.post(f"{path}/approval", {"disburse_by": "mpesa"})
    assert answer.json["status"] == "approved"
    payout = UUID(answer.json["payout_id"])
    cash = {"payment_method": "cash", "payment_reference": "V-1"}
    assert_refused(officer.post(f"{path}/disbursement", cash), 409, "payout_under_way")
    sent_and(house, payout, paid=True)
    shown = officer.get(f"{PAYOUTS}/{payout}").json
    assert (shown["status"], shown["amount"], shown["charge"]) == (
        *("succeeded", "29550.00"),
        "13.00",
    )
    assert [step["happened"] for step in shown["story"]] == [
        *("requested", "sent", "accepted", "succeeded", "charge booked")
    ]
    assert_refused(officer.post(f"{path}/disbursement", cash), 409, "loan_not_approved")


def test_where_the_approval_does_not_say_the_setting_does(owner_url, tmp_path):
    by_mpesa = PayoutSettings(disburse_by=DisburseBy.MPESA)
    with open_house(owner_url, tmp_path, payouts=by_mpesa) as house:
        officer = house.approver("approve")
        for body, is_sent in (({}, True), ({"disburse_by": "counter"}, False)):
            loan_id = house.co_operative.application()
            answer = officer.post(f"{LOANS}/{loan_id}/approval", body).json
            assert (answer["payout_id"] is not None) == is_sent
    with open_house(owner_url, tmp_path, payouts=by_mpesa, mpesa=None) as house:
        officer = house.approver("approve", name="Chair")
        path = f"{LOANS}/{house.co_operative.application()}/approval"
        assert_refused(officer.post(path, {}), 409, "mpesa_not_configured")


def test_a_loan_whose_payout_failed_waits_for_a_person_who_pays_it_anew(
    house, officer, clerk, loan
):
    answer = officer.post(f"{LOANS}/{loan}/approval", {"disburse_by": "mpesa"})
    sent_and(house, UUID(answer.json["payout_id"]), paid=False)
    [found] = waiting(house, clerk)["loans"]
    assert (found["loan_id"], found["unpaid"]) == (str(loan), "29550.00")
    again = clerk.post(f"{LOANS}/{loan}/disbursement", {"payment_method": "mpesa"})
    assert again.json["payout_id"] != answer.json["payout_id"]
    assert waiting(house, clerk)["loans"] == []
    sent_and(house, UUID(again.json["payout_id"]), paid=True)
    listed = clerk.get(f"{PAYOUTS}?source_id={loan}").json["payouts"]
    assert [each["status"] for each in listed] == ["succeeded", "failed"]


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("payment_reference", {"payment_method": "mpesa", "payment_reference": "V-1"}),
        ("payment_reference", {"payment_method": "cash"}),
        ("disbursement_date", {"payment_method": "mpesa", "disbursement_date": "2026-01-01"}),
    ],
)
def test_what_mpesa_tells_nobody_else_does(clerk, loan, field, body):
    response = clerk.post(f"{LOANS}/{loan}/disbursement", body)
    assert set(assert_refused(response, 422, "invalid_body")["errors"]) == {field}


def test_a_refund_is_proposed_confirmed_by_another_and_paid(house, clerk, officer, saver):
    body = {
        "member_id": str(saver),
        "contribution_type": "monthly",
        "amount": "1500.00",
        "payment_method": "mpesa",
        "reason": "leaves the co-operative",
    }
    refund = clerk.post(REFUNDS, body).json
    assert (refund["status"], refund["payout_id"]) == ("proposed", None)
    path = f"{REFUNDS}/{refund['id']}"
    assert_refused(clerk.post(f"{path}/confirmation", {}), 403, "insufficient_permission")
    confirmed = officer.post(f"{path}/confirmation", {}).json
    assert confirmed["status"] == "under_way"
    house.follow()
    assert clerk.get(f"{MEMBERS}/{saver}").json["total_contributions"] == "500.00"
    sent_and(house, UUID(confirmed["payout_id"]), paid=True)
    assert clerk.get(path).json["status"] == "paid"
    [listed] = clerk.get(f"{PAYOUTS}?purpose=member_refund&member_id={saver}").json["payouts"]
    assert listed["source_id"] == refund["id"]


def test_a_refund_that_failed_is_in_the_members_books_again(house, clerk, officer, saver):
    payout = told.refund_confirmed(
        house.co_operative, told.refund_proposed(house.co_operative, saver)
    )
    sent_and(house, payout, paid=False)
    assert clerk.get(f"{MEMBERS}/{saver}").json["total_contributions"] == "2000.00"


def test_what_is_under_review_is_settled_by_two_persons(house, clerk, officer):
    payout = told.payout_in(house.co_operative, "review")
    [found] = waiting(house, clerk)["payouts"]
    assert (found["id"], found["needs_a_person"]) == (str(payout), True)
    path = f"{PAYOUTS}/{payout}/settlement"
    said = {"outcome": "paid", "receipt_number": "skn81abcde", "evidence": "statement, line 41"}
    assert clerk.post(path, said).json["proposal"] == "paid"
    rejected = officer.post(f"{path}/rejection", {"reason": "line 41 is another's"})
    assert (rejected.json["status"], rejected.json["proposal"]) == ("review", None)
    assert officer.post(path, said).status_code == 200
    assert_refused(officer.post(f"{path}/confirmation", {}), 409, "proposer_may_not_confirm")
    other = house.approver("approve", name="Chair")
    settled = other.post(f"{path}/confirmation", {}).json
    assert (settled["status"], settled["receipt_number"]) == ("succeeded", "SKN81ABCDE")
    assert waiting(house, clerk)["payouts"] == []
    shown = clerk.get(f"{PAYOUTS}/{payout}").json
    assert shown["settled_by"] is not None
    assert "line 41" in next(
        step["detail"] for step in shown["story"] if step["happened"] == "settlement proposed"
    )


def test_a_stopped_lane_waits_for_a_person_who_resumes_it(house, clerk, officer):
    told.result(house.co_operative, told.payout_in(house.co_operative, "accepted"), "2001")
    [lane] = waiting(house, clerk)["lanes"]
    assert lane["is_stopped"]
    assert "2001" in lane["stopped_because"]
    path = f"{LANES}/{lane['short_code']}/resumption"
    assert officer.post(path, {}).json["is_stopped"] is False
    assert_refused(officer.post(path, {}), 409, "lane_not_stopped")
    assert_refused(officer.post(f"{LANES}/999999/resumption", {}), 404, "lane_not_found")
    assert waiting(house, clerk)["lanes"] == []
