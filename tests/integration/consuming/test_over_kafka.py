"""Over a real Kafka: whatever is killed, shared out or exchanged, each event once in effect."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import orjson
import psycopg
import pytest

from infra.kafka.errors import TopicChanged
from infra.kafka.topics import ensure_topics, partition_of
from projections.public_events.cloud_events import topic_name
from projections.public_events.topics import topic_of
from tests.conftest import MASTER_KEY
from tests.integration.consuming.conftest import running
from tests.support.consuming_process import DYING
from tests.support.diary import Diary
from tests.support.kafka import PARTITIONS, delete_topics, records
from tests.support.waiting import eventually

SHARED_OUT_SECONDS_MAX = 40.0  # a killed reader's partitions are free when its session has run out

END_WAITING = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
def diary(feeds, pages, keyring):
    """A consumer since the beginning, in a house whose keys are made."""
    diary = Diary()
    feeds.register(diary)
    return diary


def taken(pages, count, within=20.0):
    eventually(
        lambda: len(pages.ids()) >= count,
        within=within,
        what=lambda: f"{len(pages.ids())} of {count}",
    )


def relayed_to(owner_url, position):
    with psycopg.connect(owner_url, autocommit=True) as connection:
        row = connection.execute("SELECT position, term FROM consuming.relay").fetchone()
    return row is not None and row[0] >= position and row


@contextmanager
def process(owner_url, kafka, tmp_path, *words):
    """A process of the house, on the test's database and topics; killed at the end."""
    environment = {
        **os.environ,
        "DATABASE_URL": owner_url,
        "DAYSTAR_ENV": "demo",
        "DAYSTAR_DATA_DIR": str(tmp_path),
        "DAYSTAR_MASTER_KEY": MASTER_KEY,
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers[0],
        "KAFKA_TOPIC_PREFIX": kafka.topic_prefix,
    }
    started = subprocess.Popen([sys.executable, "-W", "ignore", "-m", *words], env=environment)
    try:
        yield started
    finally:
        started.kill()
        started.wait()


@contextmanager
def business(co_operative, members=3):
    """Members who pay in, again and again, until the end."""
    ids = [co_operative.member() for _ in range(members)]
    stop = threading.Event()

    def go_on():
        while not stop.wait(0.01):
            for member_id in ids:
                co_operative.contribution(member_id)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_every_event_reaches_kafka_in_order_as_a_cloud_event(co_operative, feeds, diary, kafka):
    loan_id = co_operative.loan()
    for _ in range(3):
        co_operative.repayment(loan_id, 1_000_00)
    items = feeds.items()
    with running(feeds.relay(kafka)):
        found = eventually(lambda: len(told := records(kafka)) >= len(items) and told)
    assert sorted(orjson.loads(record.value)["id"] for record in found) == sorted(
        item["id"] for item in items
    )
    by_id = {item["id"]: item for item in items}
    last = {}
    for record in found:
        item = orjson.loads(record.value)
        headers = {name: text.decode() for name, text in record.headers}
        assert item == by_id[headers["ce_id"]]
        assert headers["ce_specversion"] == "1.0"
        assert headers["ce_source"] == "/daystar"
        assert headers["ce_type"] == item["type"]
        assert headers["ce_time"] == item["occurred_at"]
        assert headers["content-type"] == "application/json"
        assert headers["ce_subject"] == item["subject"] == record.key.decode()
        assert record.topic == topic_name(topic_of(item["type"]), kafka.topic_prefix)
        assert record.partition == partition_of(item["subject"], PARTITIONS)
        place = (record.topic, item["subject"])
        assert item["position"] >= last.get(place, 0)
        last[place] = item["position"]


def test_a_relay_killed_between_sending_and_saving_leaves_nothing_out(
    co_operative, feeds, pages, diary, kafka, owner_url, tmp_path
):
    member_id = co_operative.member()
    with process(owner_url, kafka, tmp_path, "app", "relay") as relay:
        head = feeds.items()[-1]["position"]
        eventually(lambda: relayed_to(owner_url, head))
        with psycopg.connect(owner_url) as holder:
            holder.execute("SELECT FROM consuming.relay FOR UPDATE")  # it cannot save
            for _ in range(5):
                co_operative.contribution(member_id)
            told = len(feeds.items())
            eventually(lambda: len(records(kafka)) > 1)
            relay.kill()
            relay.wait()
            holder.execute(END_WAITING)  # the server would do what the dead one asked for
    assert not relayed_to(owner_url, feeds.items()[-5]["position"])
    with running(feeds.relay(kafka), feeds.kafka(diary, kafka)):
        taken(pages, told)
        eventually(lambda: relayed_to(owner_url, feeds.items()[-1]["position"]))
    assert len(records(kafka)) > told, "some were told twice"
    pages.assert_told_once_and_in_order(feeds.items())


def test_of_two_relays_one_tells_and_the_other_takes_its_seat_when_it_is_killed(
    co_operative, feeds, pages, diary, kafka, owner_url, tmp_path
):
    co_operative.member()
    with process(owner_url, kafka, tmp_path, "app", "relay") as first:
        eventually(lambda: relayed_to(owner_url, 1))
        with running(feeds.relay(kafka)):
            co_operative.loan()
            eventually(lambda: relayed_to(owner_url, feeds.items()[-1]["position"]))
            assert relayed_to(owner_url, 0)[1] == 1, "the second waits"
            first.send_signal(signal.SIGKILL)
            first.wait()
            co_operative.loan()
            head = feeds.items()[-1]["position"]
            assert eventually(lambda: relayed_to(owner_url, head), within=5.0)[1] == 2
    assert len(records(kafka)) == len(feeds.items())


def test_a_relay_whose_seat_was_taken_saves_nothing(co_operative, feeds, diary, kafka, owner_url):
    co_operative.member()
    with running(feeds.relay(kafka)):
        eventually(lambda: relayed_to(owner_url, 1))
        with psycopg.connect(owner_url, autocommit=True) as connection:
            connection.execute("UPDATE consuming.relay SET term = term + 1")  # as another would
        co_operative.member()
        head = feeds.items()[-1]["position"]
        # It gave the seat up, took it again in a term of its own, and told the rest.
        assert eventually(lambda: relayed_to(owner_url, head))[1] == 3


def test_a_broker_that_is_killed_is_waited_for(
    co_operative, feeds, pages, diary, kafka, broker, owner_url
):
    co_operative.loan()
    with running(feeds.relay(kafka), feeds.kafka(diary, kafka)):
        taken(pages, len(feeds.items()))
        broker.kill()
        for _ in range(5):
            co_operative.loan()
        broker.start()
        taken(pages, len(feeds.items()), within=60.0)
    pages.assert_told_once_and_in_order(feeds.items())


def test_partitions_that_are_shared_out_anew_double_nothing_and_lose_nothing(
    co_operative, feeds, pages, diary, kafka
):
    second = Diary("two")  # some of so many members are in its part of the partitions
    with running(feeds.relay(kafka)):
        with business(co_operative, members=24), running(feeds.kafka(diary, kafka)):
            taken(pages, 20)
            with running(feeds.kafka(second, kafka)):
                eventually(lambda: len(pages.ids("two")) > 20)
            told = len(pages.ids("one"))
            eventually(lambda: len(pages.ids("one")) > told + 20)
        with running(feeds.kafka(second, kafka)):
            taken(pages, len(feeds.items()))
    pages.assert_told_once_and_in_order(feeds.items())


def test_a_consumer_killed_between_its_rows_and_its_offset_takes_nothing_twice(
    co_operative, feeds, pages, diary, kafka, owner_url, tmp_path
):
    consumer = "tests.support.consuming_process"
    with running(feeds.relay(kafka)):
        co_operative.loan()
        told = len(feeds.items())
        eventually(lambda: len(records(kafka)) == told)
        with process(owner_url, kafka, tmp_path, consumer, DYING) as dying:
            assert dying.wait(60) == -signal.SIGKILL
        written = pages.ids()
        assert written, "its rows are there"
        co_operative.loan()
        with process(owner_url, kafka, tmp_path, consumer):
            taken(pages, len(feeds.items()), within=SHARED_OUT_SECONDS_MAX)
    assert pages.ids()[: len(written)] == written
    pages.assert_told_once_and_in_order(feeds.items())


def test_one_feed_is_exchanged_for_the_other_and_back_and_nothing_is_told_again(
    co_operative, feeds, pages, diary, kafka, owner_url
):
    with running(feeds.log(diary)), business(co_operative):
        taken(pages, 20)
    with business(co_operative), running(feeds.relay(kafka), feeds.kafka(Diary("kafka"), kafka)):
        eventually(lambda: len(pages.ids("kafka")) > 20)
    before = pages.ids()
    with business(co_operative), running(feeds.log(Diary("log"))):
        eventually(lambda: len(pages.ids("log")) > 20)
    assert pages.ids()[: len(before)] == before
    with running(feeds.log(Diary("log"))):
        taken(pages, len(feeds.items()))
    # Both at once, as when processes are exchanged one after another.
    with (
        business(co_operative),
        running(feeds.relay(kafka), feeds.kafka(Diary("kafka"), kafka), feeds.log(Diary("log"))),
    ):
        told = len(pages.ids())
        taken(pages, told + 50)
    with running(feeds.log(Diary("log"))):
        taken(pages, len(feeds.items()))
    pages.assert_told_once_and_in_order(feeds.items())


def test_what_is_to_come_later_holds_up_its_partition_alone(
    co_operative, feeds, pages, diary, kafka, owner_url
):
    members = [co_operative.member() for _ in range(8)]
    items = feeds.items()
    diary.postponed = {items[0]["id"]}
    with running(feeds.relay(kafka), feeds.kafka(diary, kafka)):
        eventually(pages.ids)
        for member_id in members:
            co_operative.contribution(member_id)
        eventually(lambda: len(pages.ids()) > len(members))
        assert items[0]["id"] not in pages.ids()
        diary.postponed = set()
        taken(pages, len(feeds.items()))
    pages.assert_told_once_and_in_order(feeds.items())


def test_a_rejected_event_is_parked_over_kafka_as_over_the_log(
    co_operative, feeds, pages, diary, kafka
):
    member_id = co_operative.member()
    co_operative.contribution(member_id)
    co_operative.contribution(member_id)
    items = feeds.items()
    diary.rejected = {items[1]["id"]}
    desk = feeds.dead_letters(diary)
    with running(feeds.relay(kafka), feeds.kafka(diary, kafka)):
        [letter] = eventually(desk.list)
        eventually(lambda: desk.one(letter.letter_id).parked == 1)
        diary.rejected = set()
        assert desk.replay(letter.letter_id, by="somebody").handled == 1
        co_operative.contribution(member_id)
        taken(pages, 4)
    pages.assert_told_once_and_in_order(feeds.items())


def test_topics_that_were_deleted_are_made_anew_and_told_again(
    co_operative, feeds, pages, diary, kafka, owner_url
):
    member_id = co_operative.member()
    with running(feeds.relay(kafka), feeds.kafka(diary, kafka)):
        taken(pages, 1)
    co_operative.contribution(member_id)
    with running(feeds.relay(kafka)):
        eventually(lambda: relayed_to(owner_url, feeds.items()[-1]["position"]))
    delete_topics(kafka)
    co_operative.contribution(member_id)
    with running(feeds.kafka(diary, kafka), feeds.relay(kafka)):
        taken(pages, 3)
    pages.assert_told_once_and_in_order(feeds.items())


def test_a_topic_with_fewer_partitions_than_it_had_is_refused(kafka, pool):
    name = topic_name("loans", kafka.topic_prefix)
    assert ensure_topics(kafka, pool, [name]) == {name: PARTITIONS}
    with pool.connection() as connection:
        connection.execute("UPDATE consuming.topics SET partitions = 12 WHERE topic = %s", (name,))
    with pytest.raises(TopicChanged, match="Give it 12 again"):
        ensure_topics(kafka, pool, [name])
