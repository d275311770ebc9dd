"""What is said of a day is what was told of it; and in time it is forgotten."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

from consumers.webhooks.digest_round import DigestRound
from consumers.webhooks.housekeeping import cancel_for_deleted, forget_deliveries
from consumers.webhooks.sender import WebhookSender
from domain.dates import business_day
from infra import clock
from tests.support.receiver import Receiver, answer
from tests.support.subscribers import Subscribers

_TOMORROW = business_day(clock.now()) + timedelta(days=1)


def digests(subscribers: Subscribers) -> list[tuple]:
    with subscribers.pool.connection() as connection, connection.transaction():
        return connection.execute(
            "SELECT deliveries, delivered, totals, ids_sha256 FROM webhooks.digests"
            " ORDER BY day DESC"
        ).fetchall()


def test_a_subscriber_makes_the_same_digest_of_what_it_took(
    subscribers: Subscribers, sender: WebhookSender, receiver: Receiver
):
    subscribers.endpoint(receiver.url())
    member_id = subscribers.co_operative.member()
    subscribers.co_operative.contribution(member_id, amount_cents=1_500_50)
    subscribers.co_operative.contribution(member_id, amount_cents=2_000_00)
    subscribers.tell()
    sender.work_once()
    sender.work_once()
    round_ = DigestRound(subscribers.pool)
    round_.work_once(_TOMORROW)
    [(deliveries, delivered, *_), *_] = digests(subscribers)
    assert (deliveries, delivered) == (3, 2), "one is still to be delivered"
    sender.work_once()
    assert round_.work_once(_TOMORROW) == 1
    assert round_.work_once(_TOMORROW) == 0, "what is whole stays as it is"
    taken = sorted(receiver.told, key=lambda told: told.words["sequence"])
    ids = sha256("".join(f"{told.webhook_id}\n" for told in taken).encode()).hexdigest()
    totals = {
        "member.created": {"count": 1},
        "contribution.received": {"count": 2, "amount": "3500.50"},
    }
    assert digests(subscribers)[0] == (3, 3, totals, ids)


def test_a_digest_tells_no_amount_that_was_masked(
    subscribers: Subscribers, sender: WebhookSender, receiver: Receiver
):
    subscribers.endpoint(
        receiver.url(), types=("contribution.received",), masked_fields=("amount",)
    )
    subscribers.co_operative.contribution(subscribers.co_operative.member())
    subscribers.tell()
    sender.work_once()
    DigestRound(subscribers.pool).work_once(_TOMORROW)
    assert digests(subscribers)[0][2] == {"contribution.received": {"count": 1}}


def test_what_is_due_to_an_endpoint_that_is_deleted_is_cancelled(subscribers: Subscribers):
    endpoint = subscribers.endpoint()
    subscribers.co_operative.member()
    subscribers.tell()
    assert cancel_for_deleted(subscribers.pool) == 0
    subscribers.delete(endpoint)
    subscribers.fold()
    assert cancel_for_deleted(subscribers.pool) == 1
    assert [each["state"] for each in subscribers.deliveries(endpoint)] == ["cancelled"]


def test_what_is_finished_is_forgotten_in_time_and_what_is_due_never(
    subscribers: Subscribers, sender: WebhookSender, receiver: Receiver
):
    endpoint = subscribers.endpoint(receiver.url())
    subscribers.co_operative.member()
    subscribers.tell()
    sender.work_once()
    receiver.answering = answer(500)
    subscribers.co_operative.member()
    subscribers.tell()
    sender.work_once()
    subscribers.execute("UPDATE webhooks.deliveries SET created_at = now() - interval '91 days'")
    assert forget_deliveries(subscribers.pool, days=90) == 0
    subscribers.execute(
        "UPDATE webhooks.deliveries SET finished_at = created_at WHERE state = 'delivered'"
    )
    assert forget_deliveries(subscribers.pool, days=90) == 1
    [left] = subscribers.deliveries(endpoint)
    assert left["state"] == "due"
    assert [each["sequence"] for each in subscribers.attempts(endpoint)] == [2]
