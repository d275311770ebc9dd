"""Each matching endpoint gets each item once, numbered without a hole, over whichever road."""

from __future__ import annotations

import threading
from uuid import uuid4

import psycopg
import pytest

from consumers.public_events.handling import Done, Reject, RetryLater
from consumers.public_events.inbox import Inbox
from consumers.webhooks.catching_up import CatchingUp
from consumers.webhooks.deliveries import ITEM_BYTES_MAX
from infra.webhooks.delivery_desk import recover, replay_missing, resend, send_test
from tests.support.subscribers import Subscribers


def items_of(deliveries: list[dict]) -> list[str]:
    return [each["item_id"] for each in deliveries]


def sequences_of(deliveries: list[dict]) -> list[int]:
    return [each["sequence"] for each in deliveries]


def test_an_item_is_for_whoever_asked_for_its_type(subscribers: Subscribers):
    members = subscribers.endpoint(types=("member.created",))
    money = subscribers.endpoint(types=("contribution.received", "member.created"))
    member_id = subscribers.co_operative.member()
    subscribers.co_operative.contribution(member_id)
    assert subscribers.tell() == [Done(), Done()]
    assert [each["type"] for each in subscribers.deliveries(members)] == ["member.created"]
    told = subscribers.deliveries(money)
    assert [each["type"] for each in told] == ["member.created", "contribution.received"]
    assert sequences_of(told) == [1, 2]
    assert {each["subject"] for each in told} == {str(member_id)}


def test_only_the_oldest_of_a_subject_may_go(subscribers: Subscribers):
    endpoint = subscribers.endpoint()
    first, second = subscribers.co_operative.member(), subscribers.co_operative.member()
    subscribers.tell()
    subscribers.co_operative.contribution(first)
    subscribers.co_operative.contribution(second)
    subscribers.co_operative.contribution(first)
    subscribers.tell()
    assert [each["is_next"] for each in subscribers.deliveries(endpoint)] == [
        *(True, True),
        *(False, False, False),
    ]


def test_the_same_item_again_is_the_same_delivery(subscribers: Subscribers):
    endpoint = subscribers.endpoint()
    subscribers.co_operative.member()
    subscribers.fold()
    news = subscribers.news()
    subscribers.tell(news)
    before = subscribers.deliveries(endpoint)
    subscribers.tell(news)
    assert subscribers.deliveries(endpoint) == before
    subscribers.co_operative.member()
    subscribers.tell()
    assert sequences_of(subscribers.deliveries(endpoint)) == [1, 2]


def test_what_was_before_an_endpoint_is_not_told_to_it(subscribers: Subscribers):
    subscribers.co_operative.member()
    endpoint = subscribers.endpoint()
    subscribers.tell()
    assert subscribers.deliveries(endpoint) == []


def test_an_item_waits_until_the_endpoints_of_its_time_are_known(subscribers: Subscribers):
    endpoint = subscribers.endpoint()
    subscribers.fold()
    subscribers.co_operative.member()
    with subscribers.pool.connection() as connection, connection.transaction():
        [outcome] = subscribers.fan_out.handle(connection, subscribers.news())
    assert isinstance(outcome, RetryLater)
    assert subscribers.deliveries(endpoint) == []


def test_an_item_larger_than_a_webhook_may_be_is_rejected(subscribers: Subscribers):
    endpoint = subscribers.endpoint()
    subscribers.co_operative.member()
    subscribers.fold()
    [item] = subscribers.news()
    large = {**item, "data": {"id": "x" * ITEM_BYTES_MAX}}
    [outcome] = subscribers.tell([large])
    assert isinstance(outcome, Reject)
    assert subscribers.deliveries(endpoint) == []


def test_a_paused_endpoint_keeps_what_it_is_to_be_told(subscribers: Subscribers):
    endpoint = subscribers.endpoint()
    subscribers.pause(endpoint)
    subscribers.co_operative.member()
    subscribers.tell()
    assert sequences_of(subscribers.deliveries(endpoint)) == [1]


def test_a_deleted_endpoint_is_told_nothing(subscribers: Subscribers):
    endpoint = subscribers.endpoint()
    subscribers.delete(endpoint)
    subscribers.co_operative.member()
    subscribers.tell()
    assert subscribers.deliveries(endpoint) == []


def test_an_endpoint_may_begin_in_the_past(subscribers: Subscribers):
    for _ in range(3):
        subscribers.co_operative.member()
    subscribers.fold()
    history = subscribers.news()
    endpoint = subscribers.endpoint(begins_after=history[0]["position"])
    subscribers.co_operative.member()
    subscribers.tell()
    assert subscribers.deliveries(endpoint) == [], "it is told by way of the log"
    subscribers.catch_up()
    subscribers.co_operative.member()
    subscribers.tell()
    told = subscribers.deliveries(endpoint)
    assert items_of(told)[:2] == [item["id"] for item in history[1:]]
    assert sequences_of(told) == [1, 2, 3, 4]


def test_catching_up_meets_the_feed_without_hole_or_double(subscribers: Subscribers):
    """Somebody writes, the feed is told, and the endpoint reads the log, all at once."""
    for _ in range(20):
        subscribers.co_operative.member()
    subscribers.fold()
    subscribers.news()
    endpoint = subscribers.endpoint(begins_after=0)
    written, stop = threading.Event(), threading.Event()
    catching_up = CatchingUp(subscribers.pool, subscribers.feed)

    def write() -> None:
        for _ in range(60):
            subscribers.co_operative.member()
        written.set()

    threads = [
        threading.Thread(target=write),
        threading.Thread(target=catching_up.run, args=(stop,)),
    ]
    for thread in threads:
        thread.start()
    while not written.is_set():
        subscribers.tell()
    threads[0].join()
    subscribers.tell()
    stop.set()
    threads[1].join()
    subscribers.catch_up()
    told = subscribers.deliveries(endpoint)
    assert sequences_of(told) == list(range(1, 81))
    positions = [each["position"] for each in told]
    assert positions == sorted(set(positions)), "in the order of the log"


def test_whoever_catches_up_passes_over_no_append_under_way(
    subscribers: Subscribers, owner_url: str
):
    """While an earlier position may still be taken, nobody is told of what stands behind it."""
    endpoint = subscribers.endpoint(begins_after=0)
    subscribers.co_operative.member()
    with psycopg.connect(owner_url) as late:
        late.execute("SELECT pg_advisory_xact_lock_shared(4803221)")
        late.execute("SELECT nextval('event_store.commit_number')")
        subscribers.co_operative.member()
        subscribers.fold()
        subscribers.catch_up()
        subscribers.co_operative.member()
        subscribers.tell()
        assert len(subscribers.deliveries(endpoint)) < 2
        late.rollback()
    subscribers.tell()
    assert sequences_of(subscribers.deliveries(endpoint)) == [1, 2, 3]


def test_nobody_is_handed_over_before_the_feed_has_begun(subscribers: Subscribers, owner_url: str):
    """The feed begins at the head of the log: what was before its beginning, it never tells."""
    with psycopg.connect(owner_url) as connection:
        connection.execute("DELETE FROM consuming.consumers")
    endpoint = subscribers.endpoint()
    subscribers.co_operative.member()
    subscribers.tell()
    subscribers.catch_up()
    assert subscribers.deliveries(endpoint) == []
    with subscribers.pool.connection() as connection, connection.transaction():
        Inbox(subscribers.fan_out.name).register(connection)
    subscribers.catch_up()
    assert sequences_of(subscribers.deliveries(endpoint)) == [1]


def test_what_happened_while_it_was_disabled_is_told_once_it_is_enabled(subscribers: Subscribers):
    endpoint = subscribers.endpoint()
    subscribers.disable(endpoint)
    for _ in range(3):
        subscribers.co_operative.member()
        subscribers.tell()
    subscribers.catch_up()
    assert subscribers.deliveries(endpoint) == []
    subscribers.resume(endpoint)
    subscribers.co_operative.member()
    subscribers.tell()
    subscribers.catch_up()
    subscribers.co_operative.member()
    subscribers.tell()
    assert sequences_of(subscribers.deliveries(endpoint)) == [1, 2, 3, 4, 5]


def test_what_is_missing_is_written_and_the_rest_is_not_told_again(subscribers: Subscribers):
    endpoint = subscribers.endpoint(types=("contribution.received",))
    member_id = subscribers.co_operative.member()
    subscribers.co_operative.contribution(member_id)
    subscribers.tell()
    subscribers.change(endpoint, types=("contribution.received", "member.created"))
    subscribers.fold()
    with subscribers.pool.connection() as connection, connection.transaction():
        replay_missing(connection, endpoint, 0)
    subscribers.catch_up()
    told = subscribers.deliveries(endpoint)
    assert [each["type"] for each in told] == ["contribution.received", "member.created"]
    assert sequences_of(told) == [1, 2]


def settle(subscribers: Subscribers, sequence: int, state: str) -> None:
    subscribers.execute(
        "UPDATE webhooks.deliveries SET state = %s, is_next = false, finished_at = now(),"
        " attempts = 10 WHERE sequence = %s",
        state,
        sequence,
    )


@pytest.fixture
def given_up(subscribers: Subscribers) -> list[dict]:
    """Three of one subject: the first two were given up, the last is due."""
    endpoint = subscribers.endpoint()
    member_id = subscribers.co_operative.member()
    subscribers.co_operative.contribution(member_id)
    subscribers.co_operative.contribution(member_id)
    subscribers.tell()
    settle(subscribers, 1, "exhausted")
    settle(subscribers, 2, "exhausted")
    subscribers.execute("UPDATE webhooks.deliveries SET is_next = true WHERE sequence = 3")
    return [{"endpoint_id": endpoint, **each} for each in subscribers.deliveries(endpoint)]


def test_what_was_given_up_goes_again_before_what_came_later(
    subscribers: Subscribers, given_up: list[dict]
):
    endpoint = given_up[0]["endpoint_id"]
    with subscribers.pool.connection() as connection, connection.transaction():
        assert recover(connection, endpoint, since=_moment(connection, "1 hour")) == 2
    told = subscribers.deliveries(endpoint)
    assert [(each["state"], each["is_next"]) for each in told] == [
        ("due", True),
        ("due", False),
        ("due", False),
    ]
    assert [each["delivery_id"] for each in told] == [each["delivery_id"] for each in given_up]
    with subscribers.pool.connection() as connection, connection.transaction():
        assert recover(connection, uuid4(), since=_moment(connection, "1 hour")) == 0


def test_one_is_sent_again_under_its_own_id_and_number(
    subscribers: Subscribers, given_up: list[dict]
):
    with subscribers.pool.connection() as connection, connection.transaction():
        resend(connection, given_up[1]["delivery_id"])
    told = subscribers.deliveries(given_up[1]["endpoint_id"])
    assert [(each["sequence"], each["state"], each["is_next"]) for each in told] == [
        (1, "exhausted", False),
        (2, "due", True),
        (3, "due", False),
    ]


def test_a_test_stands_beside_the_sequence(subscribers: Subscribers):
    endpoint = subscribers.endpoint()
    subscribers.co_operative.member()
    subscribers.fold()
    [item] = subscribers.news()
    with subscribers.pool.connection() as connection, connection.transaction():
        send_test(connection, endpoint, {**item, "id": f"test-{uuid4()}"})
    subscribers.tell([item])
    told = subscribers.deliveries(endpoint)
    assert sequences_of(told) == [1, None]
    assert [each["is_next"] for each in told] == [True, True]


def _moment(connection, ago: str):
    return connection.execute("SELECT now() - %s::interval", (ago,)).fetchone()[0]
