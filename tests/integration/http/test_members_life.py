"""A membership after its first day: reached otherwise, held off, let go. Each refusal says why."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from domain.dates import business_day
from domain.members.member import PHONE
from infra import clock
from infra.event_store.unit_of_work import UnitOfWork
from tests.integration.http.house import (
    MEMBERS,
    PUSH,
    RECORD,
    REGISTER,
    Client,
    House,
    assert_refused,
)
from tests.support.co_operative import CAUSE

REASON = {"reason": "asked by the board"}
ACTS = ("suspension", "reactivation", "exit")


def act(client: Client, member_id, what, body=None):
    return client.post(f"{REGISTER}/{member_id}/{what}", REASON if body is None else body)


def listed(house: House, client: Client, member_id):
    house.follow()
    members = client.get(MEMBERS).json["members"]
    return next(member for member in members if member["id"] == str(member_id))


def found_by(house: House, phone):
    return UnitOfWork(house.services.store, CAUSE).lookup(PHONE, phone)


def money(member_id):
    return {
        RECORD: {
            "member_id": str(member_id),
            "amount": "2000.00",
            "contribution_type": "monthly",
            "payment_method": "cash",
            "payment_reference": f"R-{uuid4().hex[:8]}",
        },
        PUSH: {"member_id": str(member_id), "amount": "2000.00", "payment_purpose": "monthly"},
    }


def test_a_changed_phone_is_listed_and_finds_the_member(house, client):
    member_id = house.member(phone="0711222333", email="old@example.org")
    answer = act(client, member_id, "contact", {"phone": "+254 722 333 444"})
    assert (answer.status_code, answer.json["status"]) == (200, "active")
    row = listed(house, client, member_id)
    assert (row["phone"], row["email"]) == ("254722333444", "old@example.org")
    assert found_by(house, "254722333444") == [member_id]
    assert found_by(house, "254711222333") == []


def test_an_email_is_changed_and_taken_away_and_the_phone_stays(house, client):
    member_id = house.member(phone="0711222333")
    assert act(client, member_id, "contact", {"email": "new@example.org"}).status_code == 200
    row = listed(house, client, member_id)
    assert (row["phone"], row["email"]) == ("254711222333", "new@example.org")
    assert act(client, member_id, "contact", {"email": None}).status_code == 200
    assert listed(house, client, member_id)["email"] is None
    assert found_by(house, "254711222333") == [member_id]


@pytest.mark.parametrize(
    ("what", "body", "field"),
    [
        ("contact", {}, "_schema"),
        ("contact", {"phone": "12345678901"}, "phone"),
        ("contact", {"phone": None}, "phone"),
        ("contact", {"email": "nobody"}, "email"),
        ("contact", {"fax": "0711222333"}, "fax"),
        ("suspension", {}, "reason"),
        ("suspension", {"reason": "   "}, "reason"),
        ("suspension", {"reason": "x" * 201}, "reason"),
        ("exit", REASON | {"exit_date": "1999-12-31"}, "exit_date"),
        ("exit", REASON | {"exit_date": "tomorrow"}, "exit_date"),
    ],
)
def test_a_body_that_makes_no_sense_is_refused_and_changes_nothing(
    house, client, what, body, field
):
    member_id = house.member()
    with house.unchanged():
        response = act(client, member_id, what, body)
    assert response.status_code == 422, response.text
    assert field in response.json["errors"]


@pytest.mark.parametrize("what", ["contact", *ACTS])
def test_an_unknown_member_is_not_found(house, client, what):
    body = {"email": "a@example.org"} if what == "contact" else REASON
    with house.unchanged():
        assert_refused(act(client, uuid4(), what, body), 404, "member_not_found")


@pytest.mark.parametrize("what", ["contact", *ACTS])
def test_a_key_that_only_reads_changes_no_member(house, what):
    member_id = house.member()
    reader = house.client("read_members")
    with house.unchanged():
        assert_refused(act(reader, member_id, what), 403, "insufficient_permission")


def test_a_suspended_member_is_listed_so_until_reactivated(house, client):
    member_id = house.member()
    assert act(client, member_id, "suspension").json["status"] == "suspended"
    assert listed(house, client, member_id)["status"] == "suspended"
    assert_refused(act(client, member_id, "suspension"), 409, "member_not_active")
    assert act(client, member_id, "reactivation").json["status"] == "active"
    assert listed(house, client, member_id)["status"] == "active"
    assert_refused(act(client, member_id, "reactivation"), 409, "member_not_suspended")


@pytest.mark.parametrize("what", ["suspension", "exit"])
@pytest.mark.parametrize("path", [RECORD, PUSH])
def test_of_a_member_who_is_not_active_no_money_is_taken_or_asked(house, client, what, path):
    member_id = house.member()
    assert client.post(path, money(member_id)[path]).status_code in (201, 202)
    stranger = house.member()
    assert act(client, stranger, what).status_code == 200
    with house.unchanged():
        response = client.post(path, money(stranger)[path])
        assert_refused(response, 409, "member_not_active")


def test_nobody_exits_while_we_hold_their_money(house, client):
    member_id = house.member()
    contribution_id = house.contribution(member_id)
    problem = assert_refused(act(client, member_id, "exit"), 409, "money_still_held")
    assert "KES 2,000.00" in problem["message"]
    house.co_operative.reverse(member_id, contribution_id)
    yesterday = (business_day(clock.now()) - timedelta(days=1)).isoformat()
    answer = act(client, member_id, "exit", REASON | {"exit_date": yesterday})
    assert (answer.status_code, answer.json["status"]) == (200, "inactive")
    assert listed(house, client, member_id)["status"] == "inactive"
    assert client.get(f"{MEMBERS}?status=inactive").json["members"][0]["id"] == str(member_id)


def test_who_has_exited_can_only_be_erased(house, client):
    member_id = house.member()
    assert act(client, member_id, "exit").status_code == 200
    with house.unchanged():
        contact = act(client, member_id, "contact", {"email": "new@example.org"})
        assert_refused(contact, 409, "member_has_exited")
        assert_refused(act(client, member_id, "exit"), 409, "member_has_exited")
        assert_refused(act(client, member_id, "suspension"), 409, "member_not_active")
        assert_refused(act(client, member_id, "reactivation"), 409, "member_not_suspended")


def test_a_contact_that_changes_nothing_is_refused(house, client):
    member_id = house.member(phone="0711222333")
    with house.unchanged():
        response = act(client, member_id, "contact", {"phone": "0711 222 333"})
        assert_refused(response, 409, "contact_unchanged")


def test_the_same_key_suspends_once_and_is_answered_again(house, client):
    member_id = house.member()
    again = {"Idempotency-Key": "suspend-once"}
    path = f"{REGISTER}/{member_id}/suspension"
    first = client.post(path, REASON, headers=again)
    second = client.post(path, REASON, headers=again)
    assert (first.status_code, second.status_code) == (200, 200)
    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.json == first.json
