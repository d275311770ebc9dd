"""The log for auditors: found by what is known of an event, page by page, no person in clear."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode
from uuid import uuid4

import orjson
import pytest

from domain.members.commands import SuspendMember
from infra.event_store import history
from infra.event_store.dispatch import dispatch
from infra.event_store.epochs import head_of, open_epoch
from infra.event_store.history import History
from infra.event_store.unit_of_work import Cause
from tests.integration.http.house import EVENTS, assert_refused
from tests.support.co_operative import TODAY

_MANY_EVENTS = """
INSERT INTO event_store.events
SELECT n * 1000, gen_random_uuid(), 1, 'push.sent', '{"attempt": 1, "sent_at": ""}',
       '2020-01-01'::timestamptz + n * interval '1 second',
       '{"actor": "system:old", "correlation_id": "c", "causation_id": null}'
FROM generate_series(1000, 30999) AS n
"""


def page(client, **filters):
    answer = client.get(f"{EVENTS}?{urlencode(filters)}")
    assert answer.status_code == 200, answer.text
    return answer.json


def walk(client, **filters):
    found, cursor = [], None
    while True:
        told = page(client, **filters, **({"cursor": cursor} if cursor else {}))
        found += told["events"]
        cursor = told["pagination"]["next_cursor"]
        if cursor is None:
            return found


@pytest.fixture
def books(house):
    """Two members; one was suspended by somebody, in the course of something."""
    members = [house.member(first_name="Zawadi", phone="0799123456") for _ in range(2)]
    house.contribution(members[0])
    because = Cause("key:of-the-board", "asked-in-the-meeting", "minute-7")
    dispatch(house.services.store, SuspendMember(members[0], "owes Otieno", TODAY), because)
    return members


@pytest.mark.parametrize("per_page", [1, 2, 3, 100])
def test_every_event_is_told_once_newest_or_oldest_first(house, client, books, per_page):
    positions = [
        row[0]
        for row in house.owner.execute(
            "SELECT position FROM event_store.events ORDER BY position"
        ).fetchall()
    ]
    oldest = [event["position"] for event in walk(client, order="oldest", per_page=per_page)]
    newest = [event["position"] for event in walk(client, per_page=per_page)]
    assert oldest == positions
    assert newest == positions[::-1]


def test_each_filter_finds_what_it_names_and_together_what_all_name(house, client, books):
    [suspended] = walk(client, type="member.suspended")
    assert suspended["stream_id"] == str(books[0])
    assert suspended["stream_version"] == 2
    assert suspended["actor"] == "key:of-the-board"
    assert suspended["correlation_id"] == "asked-in-the-meeting"
    assert suspended["causation_id"] == "minute-7"
    position, moment = suspended["position"], suspended["recorded_at"]
    assert walk(client, actor="key:of-the-board") == [suspended]
    assert walk(client, correlation_id="asked-in-the-meeting") == [suspended]
    assert walk(client, position_from=position, position_to=position) == [suspended]
    assert walk(client, recorded_from=moment, recorded_to=moment) == [suspended]
    of_member = walk(client, stream_id=books[0], order="oldest", per_page=1)
    assert [event["type"] for event in of_member] == ["member.registered", "member.suspended"]
    assert walk(client, stream_id=books[0], actor="key:of-the-board") == [suspended]
    assert walk(client, stream_id=books[1], actor="key:of-the-board") == []
    assert walk(client, stream_id=uuid4()) == []


def test_an_auditor_sees_that_there_was_a_phone_but_not_which(client, books):
    [registered] = walk(client, stream_id=books[1])
    data = registered["data"]
    assert data["phone"] == data["first_name"] == data["national_id"] == history.MASK
    assert data["email"] is None, "there was none"
    assert data["member_number"]
    [suspended] = walk(client, type="member.suspended")
    assert suspended["data"] == {"reason": history.MASK, "suspended_on": TODAY.isoformat()}
    [issued] = walk(client, type="api-key.issued")
    assert issued["version"] == 2
    assert issued["data"]["sha256"] == history.MASK


def test_a_search_without_an_index_looks_at_so_many_events_and_then_hands_a_cursor(house, client):
    house.owner.execute(_MANY_EVENTS)
    told = page(client, actor="somebody else")
    assert told["events"] == []
    assert told["pagination"]["next_cursor"] is not None
    assert walk(client, actor="somebody else") == []
    assert len(walk(client, actor="system:old", per_page=100, position_from=30_900_000)) == 100


def test_a_moment_is_found_without_reading_what_lies_before_or_after(house, client):
    house.owner.execute(_MANY_EVENTS)
    row = house.owner.execute(
        "SELECT position, recorded_at FROM event_store.events WHERE position = 9000000"
    ).fetchone()
    moment = {"recorded_from": row[1], "recorded_to": row[1] + timedelta(seconds=1)}
    for newest_first in (True, False):
        found = History(house.services.pool).page(moment, newest_first=newest_first, per_page=10)
        assert found.last is None
        positions = [event["position"] for event in found.events]
        assert sorted(positions) == [9_000_000, 9_001_000]


def test_a_cursor_is_good_for_its_own_question_and_not_after_a_restore(house, client, books):
    cursor = page(client, per_page=1)["pagination"]["next_cursor"]
    assert page(client, per_page=1, cursor=cursor)["events"]
    for filters in ({"order": "oldest"}, {"type": "member.suspended"}):
        query = urlencode({**filters, "cursor": cursor})
        assert_refused(client.get(f"{EVENTS}?{query}"), 400, "rest_invalid_param")
    head = head_of(house.owner)
    house.member()
    lost = page(client, per_page=1)["pagination"]["next_cursor"]
    house.owner.execute("ALTER TABLE event_store.events DISABLE TRIGGER ALL")
    house.owner.execute("DELETE FROM event_store.events WHERE position > %s", (head.position,))
    open_epoch(house.owner, head)
    house.member()
    assert page(client, cursor=cursor, per_page=1)["events"]
    assert_refused(client.get(f"{EVENTS}?{urlencode({'cursor': lost})}"), 410, "cursor_lost")


@pytest.mark.parametrize(
    "query",
    [
        *("type=loan.unknown", "stream_id=x", "recorded_from=2026-11-23", "order=up", "x=1"),
        *("actor=%00", "correlation_id=a%00b", "correlation_id=%0A"),
    ],
)
def test_what_makes_no_sense_is_refused(premises, query):
    problem = assert_refused(premises.client.get(f"{EVENTS}?{query}"), 400, "rest_invalid_param")
    assert set(problem["errors"]) == {query.partition("=")[0]}


def test_what_is_told_is_what_was_recorded(house, client, books):
    [told] = walk(client, type="account.contribution-received")
    row = house.owner.execute(
        "SELECT state FROM event_store.events WHERE position = %s", (told["position"],)
    ).fetchone()
    assert told["data"] == orjson.loads(row[0])
