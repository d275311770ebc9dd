"""A delivery is tried until it is taken, in order, under one id; nobody waits for anybody else."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from itertools import groupby

import orjson
import pytest
from standardwebhooks import Webhook

from consumers.webhooks.recording import BREAKER_TRIES_MIN
from consumers.webhooks.sender import WebhookSender
from domain.webhooks.commands import RotateWebhookSecret
from infra import clock
from infra.webhooks.delivery_desk import recover, resend
from tests.support.co_operative import NOW
from tests.support.receiver import Receiver, answer, first_then, hang_up, receiving
from tests.support.subscribers import OWNER, SECRET, Subscribers
from tests.support.waiting import eventually


def member_with(subscribers: Subscribers, contributions: int):
    member_id = subscribers.co_operative.member()
    for _ in range(contributions):
        subscribers.co_operative.contribution(member_id)
    return member_id


@contextmanager
def at_work(*senders: WebhookSender) -> Iterator[None]:
    stop = threading.Event()
    threads = [threading.Thread(target=sender.run, args=(stop,)) for sender in senders]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def states(subscribers: Subscribers, endpoint) -> list[str]:
    return [each["state"] for each in subscribers.deliveries(endpoint)]


def test_a_delivery_says_what_happened_in_the_older_words_and_in_ours(
    subscribers: Subscribers, sender: WebhookSender, receiver: Receiver
):
    endpoint = subscribers.endpoint(receiver.url("/in?from=daystar"))
    subscribers.co_operative.member()
    subscribers.fold()
    [item] = subscribers.news()
    subscribers.tell([item])
    assert sender.work_once() == 1
    [told] = receiver.told
    assert told.path == "/in?from=daystar"
    assert told.words == {
        "event": "member.created",
        "data": item["data"],
        "timestamp": item["occurred_at"],
        "webhook_id": str(endpoint),
        "id": item["id"],
        "type": "member.created",
        "version": 1,
        "subject": item["subject"],
        "position": item["position"],
        "sequence": 1,
    }
    assert told.headers["Content-Type"] == "application/json"
    assert told.headers["X-Daystar-Event"] == "member.created"
    hexed = hmac.new(SECRET, told.body, hashlib.sha256).hexdigest()
    assert told.headers["X-Daystar-Signature"] == f"sha256={hexed}"
    [delivery] = subscribers.deliveries(endpoint)
    assert told.webhook_id == str(delivery["delivery_id"])
    assert delivery["state"] == "delivered"
    [attempt] = subscribers.attempts(endpoint)
    assert (attempt["number"], attempt["status"], attempt["outcome"]) == (1, 200, "delivered")


def test_thin_tells_ids_and_masked_tells_nothing(
    subscribers: Subscribers, sender: WebhookSender, receiver: Receiver
):
    subscribers.endpoint(receiver.url("/thin"), payload="thin", types=("contribution.received",))
    subscribers.endpoint(
        receiver.url("/masked"), masked_fields=("amount",), types=("contribution.received",)
    )
    member_with(subscribers, 1)
    subscribers.tell()
    sender.work_once()
    told = {each.path: each.words["data"] for each in receiver.told}
    assert set(told["/thin"]) == {"id", "member_id"}
    assert told["/masked"]["amount"] is None
    assert told["/masked"]["payment_method"] == "cash"


def test_every_secret_that_holds_signs(
    subscribers: Subscribers, sender: WebhookSender, receiver: Receiver
):
    endpoint = subscribers.endpoint(receiver.url())
    newer = b"another secret, of 24 bytes"
    secret_id = subscribers.keep(newer)
    subscribers.co_operative.dispatch(
        RotateWebhookSecret(endpoint, OWNER, secret_id, timedelta(hours=1), clock.now())
    )
    subscribers.co_operative.member()
    subscribers.tell()
    sender.work_once()
    [told] = receiver.told
    for secret in (SECRET, newer):
        Webhook(secret).verify(told.body, told.headers)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(b"a stranger's secret, 24 b").verify(told.body, told.headers)
    hexed = hmac.new(newer, told.body, hashlib.sha256).hexdigest()
    assert told.headers["X-Daystar-Signature"] == f"sha256={hexed}"


def test_each_try_has_the_same_id_and_bytes_and_a_signature_of_its_own(
    subscribers: Subscribers, sender: WebhookSender, receiver: Receiver
):
    endpoint = subscribers.endpoint(receiver.url())
    subscribers.co_operative.member()
    subscribers.tell()
    receiver.answering = first_then(
        answer(500, b"out of\x00order"), hang_up, hang_up, answer(302), answer(201)
    )
    for _ in range(4):
        assert sender.work_once() == 1
        assert sender.work_once() == 0, "not before its time"
        subscribers.time_passes()
    assert len({(told.webhook_id, told.body) for told in receiver.told}) == 1
    tries = subscribers.attempts(endpoint)
    assert [(each["number"], each["status"], each["outcome"]) for each in tries] == [
        (1, 500, "refused"),
        (2, None, "broken_off"),
        (3, 302, "refused"),
        (4, 201, "delivered"),
    ]
    assert tries[0]["excerpt"] == "out of\ufffdorder"
    assert states(subscribers, endpoint) == ["delivered"]


def test_what_fails_holds_back_only_what_follows_of_its_subject(
    subscribers: Subscribers, sender: WebhookSender, receiver: Receiver
):
    endpoint = subscribers.endpoint(receiver.url())
    failing = str(member_with(subscribers, 2))
    member_with(subscribers, 2)
    subscribers.tell()
    refuse, take = answer(503), answer(200)

    def fail_one(told, connection):
        (refuse if told.words["subject"] == failing else take)(told, connection)

    receiver.answering = fail_one
    while sender.work_once():
        pass
    assert states(subscribers, endpoint) == ["due"] * 3 + ["delivered"] * 3
    receiver.answering = take
    subscribers.time_passes()
    while sender.work_once():
        pass
    assert states(subscribers, endpoint) == ["delivered"] * 6
    told = [each.words for each in receiver.told]
    taken = [each["sequence"] for each in told if each["subject"] == failing]
    assert taken == [1, 1, 2, 3], "the first twice, then in order"


def test_after_the_schedule_it_is_given_up_and_the_next_goes(
    subscribers: Subscribers, receiver: Receiver
):
    endpoint = subscribers.endpoint(receiver.url())
    member_with(subscribers, 1)
    subscribers.tell()
    sender = subscribers.sender(pauses=(0.0, 1.0, 1.0))
    receiver.answering = answer(500)
    for _ in range(3):
        assert sender.work_once() == 1
        subscribers.time_passes()
    assert states(subscribers, endpoint) == ["exhausted", "due"]
    receiver.answering = answer(200)
    assert sender.work_once() == 1
    assert states(subscribers, endpoint) == ["exhausted", "delivered"]
    with subscribers.pool.connection() as connection, connection.transaction():
        assert recover(connection, endpoint, NOW - timedelta(days=10_000)) == 1
    assert sender.work_once() == 1
    assert states(subscribers, endpoint) == ["delivered", "delivered"]


def test_one_that_was_delivered_is_sent_again_once_and_stays_delivered(
    subscribers: Subscribers, sender: WebhookSender, receiver: Receiver
):
    endpoint = subscribers.endpoint(receiver.url())
    subscribers.co_operative.member()
    subscribers.tell()
    sender.work_once()
    [delivery] = subscribers.deliveries(endpoint)
    receiver.answering = answer(500)
    with subscribers.pool.connection() as connection, connection.transaction():
        resend(connection, delivery["delivery_id"])
    assert sender.work_once() == 1
    subscribers.time_passes()
    assert sender.work_once() == 0
    assert states(subscribers, endpoint) == ["delivered"]
    assert len({told.webhook_id for told in receiver.told}) == 1
    assert [each["number"] for each in subscribers.attempts(endpoint)] == [1, 2]


def test_who_says_that_it_is_gone_is_disabled(
    subscribers: Subscribers, sender: WebhookSender, receiver: Receiver
):
    endpoint = subscribers.endpoint(receiver.url())
    subscribers.co_operative.member()
    subscribers.tell()
    receiver.answering = answer(410)
    sender.work_once()
    assert subscribers.state(endpoint) == "disabled"
    subscribers.time_passes()
    assert sender.work_once() == 0
    assert states(subscribers, endpoint) == ["due"]


def test_who_only_fails_for_five_days_is_disabled(
    subscribers: Subscribers, sender: WebhookSender, receiver: Receiver
):
    endpoint = subscribers.endpoint(receiver.url())
    receiver.answering = answer(500)
    for days, state in ((4, "active"), (6, "disabled")):
        subscribers.co_operative.member()
        subscribers.tell()
        subscribers.execute(
            "UPDATE webhooks.endpoint_states SET failing_since = now() - make_interval(days => %s)",
            days,
        )
        sender.work_once()
        assert subscribers.state(endpoint) == state


def test_a_success_forgives_all_failures(
    subscribers: Subscribers, sender: WebhookSender, receiver: Receiver
):
    endpoint = subscribers.endpoint(receiver.url())
    receiver.answering = first_then(answer(500), answer(200), answer(500))
    for _ in range(3):
        subscribers.co_operative.member()
        subscribers.tell()
        sender.work_once()
        subscribers.execute(
            "UPDATE webhooks.endpoint_states SET failing_since = failing_since - interval '6 days'"
        )
    assert subscribers.state(endpoint) == "active"


def test_who_fails_too_often_is_left_in_peace_for_a_while(
    subscribers: Subscribers, sender: WebhookSender, receiver: Receiver
):
    endpoint = subscribers.endpoint(receiver.url())
    for _ in range(BREAKER_TRIES_MIN + 5):
        subscribers.co_operative.member()
    subscribers.tell()
    receiver.answering = answer(500)
    while sender.work_once():
        pass
    assert len(receiver.told) == BREAKER_TRIES_MIN
    subscribers.time_passes()
    assert sender.work_once() == 1, "one tries whether it works again"
    assert sender.work_once() == 0
    receiver.answering = answer(200)
    subscribers.time_passes()
    while sender.work_once():
        pass
    assert set(states(subscribers, endpoint)) == {"delivered"}


def test_many_senders_send_each_delivery_once_and_each_subjects_in_order(
    subscribers: Subscribers, receiver: Receiver
):
    endpoints = [subscribers.endpoint(receiver.url(f"/{number}")) for number in range(4)]
    for _ in range(6):
        member_with(subscribers, 5)
    subscribers.tell()
    with at_work(subscribers.sender(), subscribers.sender(), subscribers.sender()):
        told = receiver.await_told(4 * 36)
        eventually(
            lambda: all(set(states(subscribers, each)) == {"delivered"} for each in endpoints)
        )
    assert len({each.webhook_id for each in told}) == len(receiver.told) == 4 * 36
    heard = [(each.path, each.words["subject"], each.words["sequence"]) for each in told]
    heard.sort(key=lambda each: each[:2])  # stable: as they came, within endpoint and subject
    for _, group in groupby(heard, key=lambda each: each[:2]):
        sequences = [sequence for *_, sequence in group]
        assert sequences == sorted(sequences)


def test_those_that_hang_hold_up_nobody_else(subscribers: Subscribers, receiver: Receiver):
    with receiving() as hanging:
        hanging.answering = hanging.hang
        for number in range(20):
            subscribers.endpoint(hanging.url(f"/{number}"))
        subscribers.endpoint(receiver.url())
        for _ in range(30):
            subscribers.co_operative.member()
        subscribers.tell()
        with at_work(subscribers.sender()):
            receiver.await_told(30, within=1.9)  # sooner than the first of them times out
            hanging.ending.set()


def test_what_waited_while_paused_drains_in_order(subscribers: Subscribers, receiver: Receiver):
    endpoint = subscribers.endpoint(receiver.url())
    subscribers.pause(endpoint)
    for _ in range(3):
        member_with(subscribers, 5)
    subscribers.tell()
    with at_work(subscribers.sender()):
        other = subscribers.endpoint(receiver.url("/other"))
        subscribers.co_operative.member()
        subscribers.tell()
        assert [told.path for told in receiver.await_told(1)] == ["/other"]
        eventually(lambda: states(subscribers, other) == ["delivered"])
        subscribers.resume(endpoint)
        subscribers.fold()
        receiver.await_told(1 + 19)
    paths = [told.path for told in receiver.told]
    assert paths.count("/hook") == 19
    by_subject = sorted(
        ((told.words["subject"], told.words["sequence"]) for told in receiver.told[1:]),
        key=lambda each: each[0],
    )
    for _, group in groupby(by_subject, key=lambda each: each[0]):
        sequences = [sequence for _, sequence in group]
        assert sequences == sorted(sequences)


def test_an_endpoint_is_told_no_faster_than_it_asked(subscribers: Subscribers, receiver: Receiver):
    subscribers.endpoint(receiver.url(), rate_limit_per_second=20)
    for _ in range(30):
        subscribers.co_operative.member()
    subscribers.tell()
    with at_work(subscribers.sender(), subscribers.sender()):
        began = clock.now()
        receiver.await_told(30)
        assert clock.now() - began > timedelta(seconds=1.2), "thirty at twenty a second"


def test_a_lease_that_ran_out_is_taken_up_again_under_the_same_id(
    subscribers: Subscribers, receiver: Receiver
):
    """As when a sender is killed between sending and recording."""
    endpoint = subscribers.endpoint(receiver.url())
    member_with(subscribers, 1)
    subscribers.tell()
    killed = subscribers.sender()
    [claimed] = killed._claim()
    killed._try(claimed, (SECRET,))
    other = subscribers.sender()
    assert other.work_once() == 0, "nobody else takes it while the lease holds"
    subscribers.execute(
        "UPDATE webhooks.deliveries SET leased_until = now() - interval '1 s'"
        " WHERE leased_until IS NOT NULL"
    )
    while other.work_once():
        pass
    first, again, following = receiver.told
    assert (first.webhook_id, first.body) == (again.webhook_id, again.body)
    assert following.words["sequence"] == 2
    assert states(subscribers, endpoint) == ["delivered", "delivered"]


def test_two_that_record_the_same_delivery_leave_it_delivered(
    subscribers: Subscribers, receiver: Receiver
):
    endpoint = subscribers.endpoint(receiver.url())
    subscribers.co_operative.member()
    subscribers.tell()
    slow = subscribers.sender()
    [claimed] = slow._claim()
    subscribers.execute("UPDATE webhooks.deliveries SET leased_until = NULL")
    subscribers.sender().work_once()
    receiver.answering = answer(500)
    with ThreadPoolExecutor(1) as thread:
        thread.submit(slow._deliver, claimed).result()
    assert states(subscribers, endpoint) == ["delivered"]
    assert [each["number"] for each in subscribers.attempts(endpoint)] == [1, 2]
    assert orjson.loads(receiver.told[0].body)["sequence"] == 1
