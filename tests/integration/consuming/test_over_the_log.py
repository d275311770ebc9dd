"""A consumer that follows the log: each event once in effect, in order, and none in its way."""

from __future__ import annotations

import psycopg
import pytest
from click.testing import CliRunner

from app.cli.main import daystar
from consumers.public_events.dead_letters import NoOpenLetter
from consumers.public_events.taking import Told
from infra.event_store.epochs import head_of, open_epoch
from projections.consuming import tell_again
from tests.integration.consuming.conftest import running
from tests.support.diary import Diary
from tests.support.waiting import eventually


def fetch(owner_url, query):
    with psycopg.connect(owner_url, autocommit=True) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture
def diary(feeds, pages):
    """A consumer since the beginning."""
    diary = Diary()
    feeds.register(diary)
    return diary


def taken(pages, count):
    return eventually(lambda: len(pages.ids()) >= count and pages.ids())


def open_letter(feeds, diary):
    return eventually(lambda: feeds.dead_letters(diary).list())[0]


def test_every_event_is_taken_once_and_in_order(co_operative, feeds, pages, diary):
    loan_id = co_operative.loan()
    with running(feeds.log(diary)):
        co_operative.repayment(loan_id, 5_000_00)
        taken(pages, len(feeds.items()))
    pages.assert_told_once_and_in_order(feeds.items())
    with running(feeds.log(Diary())):  # the same consumer, started again
        co_operative.repayment(loan_id, 5_000_00)
        taken(pages, len(feeds.items()))
    pages.assert_told_once_and_in_order(feeds.items())


def test_a_new_consumer_begins_at_the_head(co_operative, feeds, pages):
    co_operative.borrower()
    before = {item["id"] for item in feeds.items()}
    diary = Diary()
    feeds.register(diary)
    co_operative.borrower()
    news = [item for item in feeds.items() if item["id"] not in before]
    with running(feeds.log(diary)):
        taken(pages, len(news))
    pages.assert_told_once_and_in_order(news)


def test_two_processes_of_a_consumer_take_each_event_once(co_operative, feeds, pages, diary):
    with running(feeds.log(diary), feeds.log(Diary("two"))):
        for _ in range(20):
            co_operative.borrower()
        taken(pages, len(feeds.items()))
    pages.assert_told_once_and_in_order(feeds.items())


def test_what_a_restore_of_the_log_has_lost_is_nothing_to_take(
    co_operative, feeds, pages, diary, owner_url
):
    co_operative.member()
    [kept] = feeds.items()
    with psycopg.connect(owner_url, autocommit=True) as owner:
        open_epoch(owner, head_of(owner))
    lost = {**kept, "id": "9000-0", "position": 9000}  # Kafka may still tell of it
    assert feeds.taking(diary).take([Told(lost, "line"), Told(kept, "line")]) == {}
    assert pages.ids() == [kept["id"]]


def test_the_relay_can_be_told_to_begin_again(owner_url, feeds, diary, pool, tmp_path):
    with pool.connection() as connection:
        assert tell_again(connection) is None
        connection.execute("INSERT INTO consuming.relay (position, term) VALUES (7000, 1)")
        connection.execute("UPDATE consuming.consumers SET log_position = 3000")
    settings = {"DATABASE_URL": owner_url, "DAYSTAR_DATA_DIR": str(tmp_path)}
    outcome = CliRunner(env=settings).invoke(daystar, ["relay", "--again"])
    assert outcome.output == "Kafka is told again from position 3000 on\n"
    assert fetch(owner_url, "SELECT position FROM consuming.relay") == [(3000,)]


def test_what_is_to_come_later_holds_up_what_follows_until_it_goes(
    co_operative, feeds, pages, diary, owner_url
):
    co_operative.borrower()
    co_operative.borrower()
    items = feeds.items()
    late = items[2]["id"]
    diary.postponed = {late}
    with running(feeds.log(diary)):
        waits = "SELECT waits_for FROM consuming.consumers WHERE waits_for IS NOT NULL"
        assert eventually(lambda: fetch(owner_url, waits)) == [("not there yet",)]
        assert pages.ids() == [item["id"] for item in items[:2]]
        diary.postponed = set()
        taken(pages, len(items))
        assert eventually(lambda: not fetch(owner_url, waits))
    pages.assert_told_once_and_in_order(items)


def test_what_is_rejected_becomes_a_letter_and_later_events_of_its_subject_wait_behind_it(
    co_operative, feeds, pages, diary
):
    member_id, other = co_operative.member(), co_operative.member()
    bad = co_operative.contribution(member_id)
    for _ in range(2):
        co_operative.contribution(member_id)
        co_operative.contribution(other)
    items = feeds.items()
    held = [
        item
        for item in items
        if item["type"].startswith("contribution") and item["subject"] == str(member_id)
    ]
    assert held[0]["data"]["id"] == str(bad)
    diary.rejected = {held[0]["id"]}
    free = [item for item in items if item not in held]
    with running(feeds.log(diary)):
        taken(pages, len(free))
        letter = eventually(lambda: (found := open_letter(feeds, diary)).parked == 2 and found)
        co_operative.contribution(other)
        taken(pages, len(free) + 1)
    assert letter.item == held[0]
    assert letter.reason == "no such thing"
    assert not {item["id"] for item in held} & set(pages.ids())

    desk = feeds.dead_letters(diary)
    assert desk.replay(letter.letter_id, by="somebody").refused == "no such thing"
    assert desk.one(letter.letter_id).attempts == 2
    diary.rejected = {held[2]["id"]}
    outcome = desk.replay(letter.letter_id, by="somebody")
    assert outcome.handled == 1
    assert desk.one(letter.letter_id).state == "replayed"
    with pytest.raises(NoOpenLetter):
        desk.replay(letter.letter_id, by="somebody")
    [next_letter] = desk.list()
    assert next_letter.letter_id == outcome.next_letter
    assert next_letter.item == held[2]
    diary.rejected = set()
    desk.replay(next_letter.letter_id, by="somebody")
    co_operative.contribution(member_id)
    with running(feeds.log(diary)):
        taken(pages, len(feeds.items()))
    pages.assert_told_once_and_in_order(feeds.items())


def test_a_dropped_letter_lets_go_what_waited_behind_it(co_operative, feeds, pages, diary):
    member_id = co_operative.member()
    for _ in range(3):
        co_operative.contribution(member_id)
    items = feeds.items()
    diary.rejected = {items[-3]["id"]}
    with running(feeds.log(diary)):
        letter = eventually(lambda: (found := open_letter(feeds, diary)).parked == 2 and found)
    settled = feeds.dead_letters(diary).drop(letter.letter_id, by="somebody", reason="by hand")
    assert settled.handled == 2
    dropped = feeds.dead_letters(diary).one(letter.letter_id)
    assert (dropped.state, dropped.settled_because) == ("dropped", "by hand")
    pages.assert_told_once_and_in_order([item for item in items if item is not items[-3]])


def test_a_handler_that_breaks_at_an_event_leaves_nothing_of_it_and_says_no_contents(
    co_operative, feeds, pages, diary
):
    co_operative.borrower()
    broken = feeds.items()[0]
    diary.breaking = {broken["id"]}
    with running(feeds.log(diary)):
        letter = open_letter(feeds, diary)
    assert letter.reason == "ZeroDivisionError: the fold failed"
    assert broken["id"] not in pages.ids()


def test_too_many_dead_letters_stop_the_consumer_until_somebody_settles_one(
    co_operative, feeds, pages, diary
):
    for _ in range(4):
        co_operative.member()
    items = feeds.items()
    diary.rejected = {item["id"] for item in items}
    desk = feeds.dead_letters(diary)
    with running(feeds.log(diary, dead_letters_max=2)):
        eventually(lambda: len(desk.list()) == 2)
        diary.rejected = set()
        assert pages.ids() == []
        first = desk.list()[0]
        desk.replay(first.letter_id, by="somebody")
        taken(pages, len(items) - 1)
    assert len(desk.list()) == 1
