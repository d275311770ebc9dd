"""The suspense desk over HTTP: found, aged, proposed by one and decided by another."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from domain.contributions.rules import ContributionRules
from domain.identities import receipt_id
from domain.mpesa.commands import RetryPush
from domain.mpesa.payer import Payer, phone_hash
from domain.mpesa.stk_push import Push
from infra import clock
from tests.integration.http.house import RECEIPTS, SET_ASIDE, SUSPENSE, TRANSACTIONS, assert_refused
from tests.support import push_states as told
from tests.support.co_operative import NOW
from tests.support.push_states import account

PLAIN, HASHED, MASKED = "254722000111", "254722000222", "254722000333"
HELD = {
    "AAA0000001": (None, {"payer": Payer(phone=PLAIN, name="Jane Payer")}),
    "AAA0000002": ("NOBODY", {"payer": Payer(phone_sha256=phone_hash(HASHED))}),
    "AAA0000003": ("ELSE", {"payer": Payer(masked_phone="2547 ***** 333"), "amount_cents": 500_00}),
}


@pytest.fixture
def desk(house):
    """Three receipts without a place, an operator and an approver."""
    for number, (account_number, fields) in HELD.items():
        house.co_operative.told(number, account_number, **fields)
    house.follow()
    return house


@pytest.fixture
def clerk(desk):
    return desk.client("operate")


@pytest.fixture
def treasurer(desk):
    return desk.approver("approve", "operate")


def numbers(client, **filters):
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    answer = client.get(f"{SUSPENSE}?{query}")
    assert answer.status_code == 200, answer.text
    return sorted(row["receipt_number"] for row in answer.json["suspense"])


def aged(house, receipt_number, days):
    house.owner.execute(
        "UPDATE read_mpesa_transactions.receipts"
        " SET suspended_at = suspended_at - make_interval(days => %s) WHERE receipt_number = %s",
        (days, receipt_number),
    )


def test_what_is_held_is_found_by_receipt_phone_amount_reason_and_age(desk, clerk):
    assert numbers(clerk) == sorted(HELD)
    assert numbers(clerk, receipt_number="aaa0000002") == ["AAA0000002"]
    assert numbers(clerk, phone="0722000111") == ["AAA0000001"]
    assert numbers(clerk, phone="0722 000 222") == ["AAA0000002"], "told as its hash"
    assert numbers(clerk, phone="0722000333") == ["AAA0000003"], "told masked"
    assert numbers(clerk, phone="0722000334") == []
    assert numbers(clerk, amount="500.00") == ["AAA0000003"]
    assert numbers(clerk, reason="account_number_missing") == ["AAA0000001"]
    assert numbers(clerk, proposal="waiting") == []
    for number, days in zip(HELD, (8, 31, 91), strict=True):
        aged(desk, number, days)
    assert numbers(clerk, age="0-7") == []
    assert numbers(clerk, age="8-30") == ["AAA0000001"]
    assert numbers(clerk, age="31-90") == ["AAA0000002"]
    assert numbers(clerk, age="over-90") == ["AAA0000003"]


@pytest.mark.parametrize(
    ("days", "age"),
    [
        *((0, "0-7"), (7, "0-7"), (8, "8-30"), (30, "8-30")),
        *((31, "31-90"), (90, "31-90"), (91, "over-90")),
    ],
)
def test_ages_begin_and_end_on_their_days(desk, clerk, days, age):
    aged(desk, "AAA0000003", days)
    [row] = clerk.get(f"{SUSPENSE}?receipt_number=AAA0000003").json["suspense"]
    assert (row["age_days"], row["age"]) == (days, age)


def test_ageing_adds_up_to_all_that_is_held(desk, clerk):
    aged(desk, "AAA0000001", 100)
    found = {row["age"]: row for row in clerk.get(f"{SUSPENSE}/ageing").json["ageing"]}
    assert list(found) == ["0-7", "8-30", "31-90", "over-90"]
    assert found["over-90"] == {"age": "over-90", "receipts": 1, "amount": "2000.00"}
    assert found["0-7"] == {"age": "0-7", "receipts": 2, "amount": "2500.00"}
    assert found["8-30"]["amount"] == "0.00"


def test_a_row_tells_all_that_a_clerk_needs(desk, clerk):
    [row] = clerk.get(f"{SUSPENSE}?receipt_number=AAA0000001").json["suspense"]
    expected = {
        "id": str(receipt_id("AAA0000001")),
        "payer_phone": PLAIN,
        "payer_name": "Jane Payer",
        "payer_hint": None,
        "account_number": None,
        "short_code": "174379",
        "channel": "paybill",
        "amount": "2000.00",
        "suspended_amount": "2000.00",
        "reason": "account_number_missing",
        "proposal": None,
    }
    assert expected.items() <= row.items()


def test_one_proposes_and_another_confirms_and_the_story_tells_it(desk, clerk, treasurer):
    member = desk.member()
    at = f"{SUSPENSE}/{receipt_id('AAA0000001')}/proposals"
    body = {"resolution": "assign", "member_id": str(member), "note": "she has the message"}
    made = clerk.post(at, body)
    assert made.status_code == 201, made.text
    proposal_id = made.json["proposal_id"]
    desk.follow()
    [row] = clerk.get(f"{SUSPENSE}?proposal=waiting").json["suspense"]
    assert row["proposal"]["id"] == proposal_id
    assert row["proposal"]["payment_purpose"] == "monthly"
    assert_refused(
        clerk.post(f"{at}/{proposal_id}/confirmation", {}), 403, "insufficient_permission"
    )
    done = treasurer.post(f"{at}/{proposal_id}/confirmation", {})
    assert done.status_code == 200, done.text
    assert (done.json["suspended_amount"], done.json["placed_amount"]) == ("0.00", "2000.00")
    assert account(desk.co_operative, member).contributed_cents == 2_000_00
    desk.follow()
    assert numbers(clerk, receipt_number="AAA0000001") == []
    told_in_full = clerk.get(f"{RECEIPTS}/{receipt_id('AAA0000001')}").json
    assert (told_in_full["status"], told_in_full["member_id"]) == ("placed", str(member))
    assert [step["happened"].removeprefix("receipt.") for step in told_in_full["story"]] == [
        *("received", "suspended", "proposed", "proposal-confirmed", "released", "placed"),
    ]
    assert told_in_full["story"][3]["actor_name"] == "Treasurer"
    again = treasurer.post(f"{at}/{proposal_id}/confirmation", {})
    assert_refused(again, 404, "proposal_not_found")


def test_the_maker_may_not_confirm_and_may_withdraw(desk, treasurer):
    at = f"{SUSPENSE}/{receipt_id('AAA0000001')}/proposals"
    made = treasurer.post(at, {"resolution": "reverse", "note": "not ours"})
    proposal_id = made.json["proposal_id"]
    for act, body in (("confirmation", {}), ("rejection", {"note": "no"})):
        refused = treasurer.post(f"{at}/{proposal_id}/{act}", body)
        assert_refused(refused, 409, "another_must_decide")
    assert treasurer.post(f"{at}/{proposal_id}/withdrawal", {}).json["proposal_id"] is None


def test_a_refund_is_on_its_way_once_it_is_confirmed(desk, clerk, treasurer):
    at = f"{SUSPENSE}/{receipt_id('AAA0000002')}/proposals"
    refused = clerk.post(at, {"resolution": "refund", "note": "wrong paybill"})
    assert_refused(refused, 409, "no_phone_to_refund")
    body = {"resolution": "refund", "phone": "0722000222", "note": "wrong paybill"}
    proposal_id = clerk.post(at, body).json["proposal_id"]
    done = treasurer.post(f"{at}/{proposal_id}/confirmation", {})
    assert (done.status_code, done.json["refunding_amount"]) == (200, "2000.00"), done.text
    desk.follow()
    [row] = clerk.get(f"{RECEIPTS}?status=going_back").json["receipts"]
    assert (row["receipt_number"], row["refunding_amount"]) == ("AAA0000002", "2000.00")


def test_a_receipt_of_nobody_and_a_proposal_of_nobody_are_not_found(desk, clerk, treasurer):
    nobody = uuid4()
    assert_refused(clerk.get(f"{RECEIPTS}/{nobody}"), 404, "receipt_not_found")
    body = {"resolution": "reverse", "note": "not ours"}
    assert_refused(clerk.post(f"{SUSPENSE}/{nobody}/proposals", body), 404, "receipt_not_found")
    at = f"{SUSPENSE}/{receipt_id('AAA0000001')}/proposals/{nobody}/confirmation"
    assert_refused(treasurer.post(at, {}), 404, "proposal_not_found")


def test_receipts_are_listed_by_status_channel_day_and_member(desk, clerk):
    member = desk.member()
    number = account(desk.co_operative, member).member_number
    desk.co_operative.told("BBB0000001", number, channel="pull", paid_at=NOW - timedelta(days=3))
    desk.follow()

    def found(query):
        rows = clerk.get(f"{RECEIPTS}?{query}").json["receipts"]
        return [row["receipt_number"] for row in rows]

    assert found("status=placed") == found("channel=pull") == found(f"member_id={member}")
    assert found("status=placed") == ["BBB0000001"]
    assert found("date_to=2026-11-20") == ["BBB0000001"]
    assert sorted(found("date_from=2026-11-21")) == sorted(HELD)
    assert len(found("status=suspended&per_page=2")) == 2
    page = clerk.get(f"{RECEIPTS}?per_page=3").json
    rest = clerk.get(f"{RECEIPTS}?per_page=3&cursor={page['pagination']['next_cursor']}").json
    assert [row["receipt_number"] for row in rest["receipts"]] == ["BBB0000001"]
    assert_refused(
        clerk.get(f"{RECEIPTS}?date_from=2026-11-21&date_to=2026-11-20"), 400, "rest_invalid_param"
    )


def test_transactions_are_listed_with_what_became_of_them(house):
    client = house.client("operate")
    members = [house.member(phone=f"073300000{number}") for number in range(2)]
    paid, failed = (house.co_operative.accepted_push(member) for member in members)
    house.co_operative.paid(paid, receipt_number="CCC0000001")
    house.co_operative.failed(failed, "1032")
    house.follow()

    def found(query):
        answer = client.get(f"{TRANSACTIONS}?{query}")
        assert answer.status_code == 200, answer.text
        return [row["id"] for row in answer.json["transactions"]]

    assert sorted(found("")) == sorted(map(str, (paid, failed)))
    assert found("status=cancelled") == found("phone=0733000001") == [str(failed)]
    assert found("receipt_number=ccc0000001") == found(f"member_id={members[0]}") == [str(paid)]
    assert found("date_to=2020-01-01") == []
    [row] = client.get(f"{TRANSACTIONS}?status=succeeded").json["transactions"]
    one = client.get(f"{TRANSACTIONS}/{paid}").json
    assert row == one
    assert (one["receipt_number"], one["in_suspense"], one["retry_of"]) == (
        "CCC0000001",
        False,
        None,
    )


def test_what_failed_is_asked_again_as_a_linked_transaction_within_the_limits(house):
    client = house.client("operate")
    push = house.co_operative.push(house.member(), now=clock.now() - timedelta(hours=2))
    assert_refused(client.post(f"{TRANSACTIONS}/{push}/retry", {}), 409, "cannot_ask_again")
    told.refused(house.co_operative, push)
    again = client.post(f"{TRANSACTIONS}/{push}/retry", {})
    assert again.status_code == 202, again.text
    house.follow()
    shown = client.get(again.headers["Location"]).json
    assert (shown["retry_of"], shown["amount"]) == (str(push), "2000.00")
    waiting = client.post(f"{TRANSACTIONS}/{push}/retry", {})
    assert_refused(waiting, 409, "payment_request_waiting")
    second = UUID(again.json["id"])
    told.refused(house.co_operative, second)
    asked_already = client.post(f"{TRANSACTIONS}/{push}/retry", {})
    assert_refused(asked_already, 409, "asked_again_already")
    soon = client.post(f"{TRANSACTIONS}/{second}/retry", {})
    assert_refused(soon, 409, "asked_a_moment_ago")


def test_nothing_is_asked_more_than_three_times(house):
    client, co_operative = house.client("operate"), house.co_operative
    push = co_operative.push(house.member(), now=clock.now() - timedelta(hours=4))
    for hours in (3, 2):
        told.refused(co_operative, push)
        then = clock.now() - timedelta(hours=hours)
        command = RetryPush(uuid4(), push, uuid4().hex[:12].upper(), then, ContributionRules())
        push = co_operative.dispatch(command).id
    told.refused(co_operative, push)
    assert co_operative.load(Push, push).try_number == 3
    assert_refused(client.post(f"{TRANSACTIONS}/{push}/retry", {}), 409, "asked_too_often")


def test_what_was_set_aside_is_listed_without_its_words(house):
    client = house.client("operate")
    push = house.co_operative.accepted_push(house.member())
    for body in (b"Jane Doe 0712345678", b"{}", b"[]"):
        house.services.callbacks.store(
            kind="stk",
            subject_id=push,
            body=body,
            source_address="127.0.0.1",
            correlation_id=str(push),
        )
    house.services.intake().work_once()
    page = client.get(f"{SET_ASIDE}?per_page=2&kind=stk").json
    rest = client.get(
        f"{SET_ASIDE}?per_page=2&kind=stk&cursor={page['pagination']['next_cursor']}"
    ).json
    rows = page["set_aside"] + rest["set_aside"]
    assert [row["subject_id"] for row in rows] == [str(push)] * 3
    assert all(row["reason"].startswith("unreadable: ") for row in rows)
    assert rest["pagination"]["next_cursor"] is None
    assert "0712345678" not in str(rows)
    assert client.get(f"{SET_ASIDE}?kind=c2b").json["set_aside"] == []
    cursor = page["pagination"]["next_cursor"]
    assert_refused(client.get(f"{SET_ASIDE}?cursor={cursor}"), 400, "rest_invalid_param")
