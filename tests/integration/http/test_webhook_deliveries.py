"""What became of deliveries, told to the webhook's owner; and what they may have done about it."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from standardwebhooks import Webhook

from app.accounting.webhook_deliveries import (
    DeliveriesAnswer,
    DigestsAnswer,
    GapsAnswer,
    OneDeliveryAnswer,
)
from consumers.webhooks.digest_round import DigestRound
from domain.dates import business_day
from infra import clock
from infra.webhooks.delivery_settings import DeliverySettings
from infra.webhooks.dialled_addresses import network
from tests.integration.http.house import (
    ALL_PERMISSIONS,
    CHANGES,
    WEBHOOKS,
    Client,
    assert_refused,
    open_house,
)
from tests.support.receiver import answer, receiving
from tests.support.subscribers import Subscribers

EVENTS = ["member.created", "contribution.received"]


@pytest.fixture
def house(owner_url, tmp_path):
    here = DeliverySettings(networks=(network("127.0.0.1/32"),))
    with open_house(owner_url, tmp_path, deliveries=here) as opened:
        yield opened


@pytest.fixture
def receiver():
    with receiving() as opened:
        yield opened


@pytest.fixture
def owner(house):
    return house.client(*ALL_PERMISSIONS)


@pytest.fixture
def subscribers(house):
    return Subscribers(house.co_operative)


@pytest.fixture
def webhook(owner, receiver):
    body = {"url": receiver.url(), "events": EVENTS}
    return owner.post(WEBHOOKS, body).json


@pytest.fixture
def at(webhook):
    return f"{WEBHOOKS}/{webhook['id']}"


def happen(house, subscribers, contributions=1):
    """A member, who puts money in so often; all of it written as deliveries."""
    member_id = house.member()
    for _ in range(contributions):
        house.contribution(member_id)
    subscribers.tell()
    subscribers.catch_up()  # a webhook that is new is told by way of the log
    return member_id


def send_all(subscribers, **options):
    sender = subscribers.sender(**options)
    while sender.work_once():
        subscribers.time_passes()


def listed(owner, at, query=""):
    return owner.get(f"{at}/deliveries{query}").json["deliveries"]


def test_a_delivery_is_told_with_every_attempt_at_it(house, owner, subscribers, receiver, at):
    happen(house, subscribers, contributions=0)
    receiver.answering = answer(500, b"out of paper")
    sender = subscribers.sender()
    assert sender.work_once() == 1
    receiver.answering = answer(204)
    subscribers.time_passes()
    assert sender.work_once() == 1
    (delivery,) = listed(owner, at)
    told = owner.get(f"{at}/deliveries/{delivery['id']}").json
    assert OneDeliveryAnswer().validate(told) == {}
    assert {name: told[name] for name in delivery} == delivery
    assert (told["state"], told["sequence"], told["event"]) == ("delivered", 1, "member.created")
    assert told["id"] == receiver.told[0].webhook_id == receiver.told[1].webhook_id
    assert told["event_id"] == receiver.told[0].words["id"]
    assert [(each["number"], each["status"]) for each in told["tries"]] == [(1, 500), (2, 204)]
    assert told["tries"][0]["excerpt"] == "out of paper"
    assert told["delivered_at"]
    assert told["next_attempt_at"] is None


def test_the_list_goes_on_by_cursor_newest_first_and_filters(house, owner, subscribers, at):
    happen(house, subscribers, contributions=4)
    pages = []
    cursor = ""
    while cursor is not None:
        page = owner.get(f"{at}/deliveries?per_page=2{cursor and f'&cursor={cursor}'}").json
        assert DeliveriesAnswer().validate(page) == {}
        pages.append([each["sequence"] for each in page["deliveries"]])
        cursor = page["pagination"]["next_cursor"]
    assert pages == [[5, 4], [3, 2], [1]]
    assert [each["sequence"] for each in listed(owner, at, "?event=member.created")] == [1]
    assert listed(owner, at, "?state=delivered") == []
    assert len(listed(owner, at, "?state=due")) == 5


def test_a_cursor_of_another_list_is_refused(house, owner, subscribers, at):
    happen(house, subscribers)
    cursor = owner.get(f"{at}/deliveries?per_page=1").json["pagination"]["next_cursor"]
    with house.unchanged():
        for query in (f"?state=due&cursor={cursor}", "?cursor=nonsense"):
            assert_refused(owner.get(f"{at}/deliveries{query}"), 400, "rest_invalid_param")


def test_one_is_sent_again_under_its_id_however_often_the_same_request_comes(
    house, owner, subscribers, receiver, at
):
    happen(house, subscribers, contributions=0)
    send_all(subscribers)
    (delivery,) = listed(owner, at)
    again = {"Idempotency-Key": "once"}
    first = owner.post(f"{at}/deliveries/{delivery['id']}/resend", {}, headers=again)
    assert (first.status_code, first.json) == (202, {"id": delivery["id"]})
    send_all(subscribers)
    with house.unchanged():
        replayed = owner.post(f"{at}/deliveries/{delivery['id']}/resend", {}, headers=again)
        assert replayed.headers["Idempotency-Replayed"] == "true"
        assert replayed.data == first.data
    send_all(subscribers)
    assert [told.webhook_id for told in receiver.told] == [delivery["id"]] * 2


def test_what_was_given_up_is_begun_anew_since_a_moment(house, owner, subscribers, receiver, at):
    happen(house, subscribers, contributions=1)
    receiver.answering = answer(500)
    send_all(subscribers, pauses=(0.0, 1.0))
    assert {each["state"] for each in listed(owner, at)} == {"exhausted"}
    tomorrow = (clock.now() + timedelta(days=1)).isoformat()
    assert owner.post(f"{at}/recover", {"since": tomorrow}).json == {"recovered": 0, "more": False}
    yesterday = (clock.now() - timedelta(days=1)).isoformat()
    recovered = owner.post(f"{at}/recover", {"since": yesterday})
    assert (recovered.status_code, recovered.json) == (202, {"recovered": 2, "more": False})
    receiver.answering = answer(200)
    send_all(subscribers)
    assert {each["state"] for each in listed(owner, at)} == {"delivered"}


def test_what_was_never_told_is_written_when_it_is_asked_for(
    house, owner, subscribers, receiver, at
):
    body = {"events": ["member.created"]}
    owner.send("PATCH", at, json=body)
    happen(house, subscribers)
    owner.send("PATCH", at, json={"events": EVENTS})
    house.follow()
    answered = owner.post(f"{at}/replay-missing", {"since_position": 0})
    assert answered.status_code == 202
    subscribers.catch_up()
    send_all(subscribers)
    told = [(each.words["sequence"], each.words["event"]) for each in receiver.told]
    assert told == [(1, "member.created"), (2, "contribution.received")]
    with house.unchanged():
        problem = assert_refused(
            owner.post(f"{at}/replay-missing", {"since_position": 10**12}), 422, "invalid_value"
        )
        assert set(problem["errors"]) == {"since_position"}


def test_a_test_is_signed_and_outside_the_numbers(house, owner, subscribers, receiver, webhook, at):
    house.follow()
    answered = owner.post(f"{at}/test", {"event": "contribution.received"})
    assert answered.status_code == 202
    send_all(subscribers)
    happen(house, subscribers, contributions=0)
    send_all(subscribers)
    test, real = receiver.told
    Webhook(webhook["secret"]).verify(test.body, test.headers)
    assert test.words["id"].startswith("test-")
    assert (test.words["event"], test.words["sequence"]) == ("contribution.received", None)
    assert real.words["sequence"] == 1
    shown = owner.get(f"{at}/deliveries/{answered.json['id']}").json
    assert (shown["state"], shown["sequence"]) == ("delivered", None)
    assert len(listed(owner, at)) == 1
    with house.unchanged():
        problem = assert_refused(
            owner.post(f"{at}/test", {"event": "loan.created"}), 422, "invalid_value"
        )
        assert set(problem["errors"]) == {"event"}


def test_the_gaps_are_what_was_not_taken(house, owner, subscribers, receiver, at):
    happen(house, subscribers, contributions=0)
    send_all(subscribers)
    happen(house, subscribers, contributions=1)
    receiver.answering = answer(500)
    assert subscribers.sender(pauses=(0.0,)).work_once() == 1
    gaps = owner.get(f"{at}/gaps").json
    assert GapsAnswer().validate(gaps) == {}
    assert (gaps["last_sequence"], gaps["first_kept_sequence"], gaps["missing"]) == (3, 1, 2)
    missing = [(each["sequence"], each["state"]) for each in gaps["deliveries"]]
    assert missing == [(2, "exhausted"), (3, "due")]
    later = owner.get(f"{at}/gaps?after_sequence=2").json
    assert [each["sequence"] for each in later["deliveries"]] == [3]


def test_before_anything_is_told_there_is_no_gap(house, owner, at):
    assert owner.get(f"{at}/gaps").json == {
        "last_sequence": 0,
        "first_kept_sequence": None,
        "missing": 0,
        "deliveries": [],
    }


def test_a_days_digest_is_what_a_subscriber_makes_of_what_it_took(
    house, owner, subscribers, receiver, at
):
    happen(house, subscribers, contributions=2)
    send_all(subscribers)
    today = business_day(clock.now())
    DigestRound(house.services.pool).work_once(today + timedelta(days=1))
    digests = owner.get(f"{at}/digests").json
    assert DigestsAnswer().validate(digests) == {}
    (digest,) = [each for each in digests["digests"] if each["deliveries"]]
    assert (digest["day"], digest["deliveries"], digest["delivered"]) == (today.isoformat(), 3, 3)
    in_order = sorted(receiver.told, key=lambda told: told.words["sequence"])
    ids = "".join(f"{told.webhook_id}\n" for told in in_order)
    assert digest["ids_sha256"] == hashlib.sha256(ids.encode()).hexdigest()
    assert digest["by_event"]["contribution.received"] == {"count": 2, "amount": "4000.00"}
    earlier = f"?date_from=2020-01-01&date_to={(today - timedelta(days=30)).isoformat()}"
    assert_refused(owner.get(f"{at}/digests{earlier}"), 400, "rest_invalid_param")
    assert owner.get(f"{at}/digests?date_from=2020-01-01&date_to=2020-02-01").json["digests"] == []


def test_deliveries_of_another_principals_webhook_are_not_found(house, owner, subscribers, at):
    happen(house, subscribers)
    (delivery, *_) = listed(owner, at)
    _, key = house.issue(*ALL_PERMISSIONS, name="Somebody else")
    stranger = Client(house.app, key)
    own = stranger.post(WEBHOOKS, {"url": "https://b.example/", "events": EVENTS}).json["id"]
    with house.unchanged():
        for path in ("deliveries", "gaps", "digests", f"deliveries/{delivery['id']}"):
            assert_refused(stranger.get(f"{at}/{path}"), 404, "webhook_not_found")
        for path, body in (
            ("test", {}),
            ("recover", {"since": "2026-11-23T06:00:00+00:00"}),
            ("replay-missing", {"since_position": 0}),
            (f"deliveries/{delivery['id']}/resend", {}),
        ):
            assert_refused(stranger.post(f"{at}/{path}", body), 404, "webhook_not_found")
        by_another_way = f"{WEBHOOKS}/{own}/deliveries/{delivery['id']}"
        assert_refused(stranger.get(by_another_way), 404, "delivery_not_found")
        assert_refused(stranger.post(f"{by_another_way}/resend", {}), 404, "delivery_not_found")


@pytest.mark.parametrize(
    ("path", "body", "wrong"),
    [
        ("recover", {}, "since"),
        ("recover", {"since": "yesterday"}, "since"),
        ("recover", {"since": "2026-11-23T06:00:00"}, "since"),
        ("replay-missing", {}, "since_position"),
        ("replay-missing", {"since_position": -1}, "since_position"),
        ("replay-missing", {"since_position": "0"}, "since_position"),
        ("test", {"event": "loan.exploded"}, "event"),
        ("test", {"misspelt": 1}, "misspelt"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(house, owner, at, path, body, wrong):
    with house.unchanged():
        problem = assert_refused(owner.post(f"{at}/{path}", body), 422, "invalid_body")
    assert set(problem["errors"]) == {wrong}


def test_an_unknown_delivery_is_not_found(house, owner, at):
    with house.unchanged():
        assert_refused(owner.get(f"{at}/deliveries/{uuid4()}"), 404, "delivery_not_found")
        assert_refused(
            owner.post(f"{at}/deliveries/{uuid4()}/resend", {}), 404, "delivery_not_found"
        )


def test_what_is_pushed_is_what_is_pulled(house, owner, subscribers, receiver, at):
    begun = owner.get(f"{CHANGES}?after=0").json["next_after"]
    happen(house, subscribers, contributions=2)
    send_all(subscribers)
    pulled = owner.get(f"{CHANGES}?after={begun}&types={','.join(EVENTS)}").json["changes"]
    pushed = sorted((told.words for told in receiver.told), key=lambda words: words["sequence"])
    assert len(pushed) == 3
    names = ("id", "type", "version", "subject", "position", "data")
    assert [{n: words[n] for n in names} for words in pushed] == [
        {n: item[n] for n in names} for item in pulled
    ]
    assert [words["timestamp"] for words in pushed] == [item["occurred_at"] for item in pulled]
    assert UUID(pushed[0]["webhook_id"])
