"""The change feed: everything, once, in order; whole commits; what a key may read; and waiting."""

from __future__ import annotations

import threading
import time
from urllib.parse import urlencode

import psycopg
import pytest

from domain.contributions.rules import ContributionType
from domain.members.commands import EraseMember
from infra.event_store.epochs import head_of, open_epoch
from projections.public_events.table import TYPES
from tests.integration.http.house import ALL_PERMISSIONS, CHANGES, assert_refused
from tests.support.co_operative import TODAY
from tests.support.subscribers import Subscribers
from tests.support.waiting import eventually

LATE_WRITER = """
SELECT pg_advisory_xact_lock_shared(4803221), nextval('event_store.commit_number')
"""


def page(client, after=0, **parameters):
    query = urlencode({"after": after, **parameters})
    answer = client.get(f"{CHANGES}?{query}")
    assert answer.status_code == 200, answer.text
    return answer.json


def walk(client, after=0, **parameters):
    items = []
    while True:
        told = page(client, after, **parameters)
        items += told["changes"]
        assert told["next_after"] >= after
        if not told["more"]:
            return items, told["next_after"]
        after = told["next_after"]


@pytest.fixture
def books(house):
    """A loan repaid, undone, repaid by M-Pesa with a surplus; a contribution and its reversal."""
    co_operative = house.co_operative
    member_id = co_operative.borrower()
    loan_id = co_operative.loan(member_id)
    undone = co_operative.repayment(loan_id, 5_000_00)
    co_operative.undo_repayment(loan_id, undone)
    co_operative.repayment(loan_id, 40_000_00)
    contribution_id = co_operative.contribution(member_id)
    co_operative.reverse(member_id, contribution_id)
    push_id = co_operative.accepted_push(member_id, purpose=ContributionType.MONTHLY)
    co_operative.paid(push_id)
    return member_id, loan_id


def test_it_tells_everything_once_in_order_reversals_and_corrections_too(client, books):
    items, _ = walk(client)
    ids = [item["id"] for item in items]
    assert len(ids) == len(set(ids))
    places = [tuple(map(int, item["id"].split("-"))) for item in items]
    assert places == sorted(places)
    assert [item["position"] for item in items] == [position for position, _ in places]
    told = {item["type"] for item in items}
    assert told >= {
        *("member.created", "loan.created", "loan.approved", "loan.disbursed", "loan.completed"),
        *("repayment.received", "repayment.reversed", "loan.balance_changed"),
        *("contribution.received", "contribution.reversed", "contribution.receipted"),
        *("payment.requested", "payment.succeeded", "receipt.received"),
    }
    assert walk(client) == walk(client, limit=1000), "the same event is the same item for ever"
    of_loan = [item for item in items if item["subject"] == str(books[1])]
    assert len(of_loan) >= 9


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_of_any_size_hold_whole_commits_and_nothing_is_lost_between_them(
    client, books, limit
):
    whole, end = walk(client)
    after, items = 0, []
    while True:
        told = page(client, after, limit=limit)
        found = told["changes"]
        items += found
        commits = {item["position"] // 1000 for item in found}
        assert len(found) <= limit or len(commits) == 1
        rest = [item for item in whole if item["position"] > told["next_after"]]
        assert not commits & {item["position"] // 1000 for item in rest}
        after = told["next_after"]
        if not told["more"]:
            break
    assert items == whole
    assert after == end


def test_a_key_sees_what_it_may_read_and_the_position_advances_over_the_rest(house, client, books):
    subscribers = Subscribers(house.co_operative)
    subscribers.disable(subscribers.endpoint())
    whole, end = walk(client)
    seen = []
    for permission in sorted({str(kind.reads) for kind in TYPES.values()}):
        items, reached = walk(house.client(permission))
        assert reached >= end
        assert {TYPES[item["type"]].reads for item in items} == {permission}
        seen += items
    assert sorted(seen, key=lambda item: item["id"]) == sorted(whole, key=lambda item: item["id"])


def test_a_key_that_may_read_none_of_it_is_refused(house, books):
    readable = {kind.reads for kind in TYPES.values()}
    stranger = house.client(*(each for each in ALL_PERMISSIONS if each not in readable))
    problem = assert_refused(stranger.get(CHANGES), 403, "insufficient_permission")
    assert "read_loans" in problem["message"]


def test_types_pick_some_and_none_that_the_key_may_not_read(house, client, books):
    whole, end = walk(client)
    wanted = ("loan.created", "repayment.received")
    items, reached = walk(client, types=",".join(wanted))
    assert items == [item for item in whole if item["type"] in wanted]
    assert reached == end
    lender = house.client("read_loans")
    items, _ = walk(lender, types=",".join(wanted))
    assert [item["type"] for item in items] == ["loan.created"]
    items, reached = walk(lender, types="repayment.received")
    assert items == []
    assert reached > end, "it passes over what is not asked for"


@pytest.mark.parametrize(
    "query",
    [
        *("after=-1", "after=x", "after=1.5", f"after={2**63}", "after=1&after=2"),
        *("limit=0", "limit=1001", "wait=31", "wait=-1", "types=", "types=loan.created,x"),
        *("types=loan.created&types=loan.approved", "misspelt=1"),
    ],
)
def test_what_makes_no_sense_is_refused(premises, query):
    problem = assert_refused(premises.client.get(f"{CHANGES}?{query}"), 400, "rest_invalid_param")
    assert set(problem["errors"]) == {query.partition("=")[0]}


def test_nothing_is_told_before_a_commit_that_may_still_appear(house, client, owner_url):
    house.member()
    _, end = walk(client)
    with psycopg.connect(owner_url) as late:
        late.execute(LATE_WRITER)
        house.member()
        waiting = page(client, end)
        assert waiting == {"changes": [], "next_after": end, "more": False}
        late.rollback()
    [item] = page(client, end)["changes"]
    assert item["type"] == "member.created"


def test_a_position_beyond_the_log_or_from_a_lost_tail_is_gone_and_the_last_good_one_is_named(
    house, client, books
):
    _, end = walk(client)
    problem = assert_refused(client.get(f"{CHANGES}?after={end + 1000}"), 410, "position_lost")
    assert f"position {end}, " in problem["message"]
    begins_after = open_epoch(house.owner, head_of(house.owner))
    house.member()
    for after in (end + 1, end + 1000, begins_after):
        problem = assert_refused(client.get(f"{CHANGES}?after={after}"), 410, "position_lost")
        assert f"position {end}, " in problem["message"]
    assert [item["type"] for item in page(client, end)["changes"]] == ["member.created"]


def test_nobodys_name_is_told_and_an_erased_members_events_stay(house, client):
    co_operative = house.co_operative
    member_id = house.member(first_name="Zawadi", phone="0799123456", email="zawadi@example.org")
    before, _ = walk(client)
    co_operative.dispatch(EraseMember(member_id, "asked in writing", TODAY, unexited=True))
    after, _ = walk(client)
    assert after[: len(before)] == before
    assert after[-1]["type"] == "member.erased"
    text = str(after)
    assert not any(word in text for word in ("Zawadi", "799123456", "zawadi"))


def test_who_waits_is_answered_when_something_happens(house, client):
    house.member()
    _, end = walk(client)
    answers = []
    waiting = threading.Thread(
        target=lambda: answers.append(page(client, end, wait=30, types="contribution.received"))
    )
    waiting.start()
    member_id = house.member()
    house.contribution(member_id)
    waiting.join(timeout=20)
    assert [item["type"] for item in answers[0]["changes"]] == ["contribution.received"]


def test_who_waits_holds_no_connection_and_beyond_so_many_nobody_waits(house, client):
    house.member()
    _, end = walk(client)
    house.contribution(house.member())
    _, end = walk(client)
    places = house.services.settings.web_threads // 2
    answers = []
    waiting = [
        threading.Thread(target=lambda: answers.append(page(client, end, wait=30)))
        for _ in range(places)
    ]
    for thread in waiting:
        thread.start()
    feed = house.services.change_feed
    eventually(lambda: feed._waiters._value == 0)
    begun = time.monotonic()
    assert page(client, end, wait=30)["changes"] == []
    assert time.monotonic() - begun < 30, "it was answered, and did not wait"
    pool = house.services.pool
    eventually(lambda: pool.get_stats()["pool_available"] == pool.get_stats()["pool_size"])
    assert answers == []
    feed.close()
    for thread in waiting:
        thread.join(timeout=20)
    assert answers == [{"changes": [], "next_after": end, "more": False}] * places
