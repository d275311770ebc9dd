"""Answers carry a tag, and are not made anew while it holds."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from app import answer_memory
from app.accounting import freshness
from app.answer_memory import AnswerMemory
from infra import clock
from tests.integration.http.house import (
    CONTRIBUTIONS,
    LOAN_BOOKS,
    MEMBERS,
    REPAYMENTS,
    SUMMARY,
    assert_refused,
)

LISTS = (MEMBERS, CONTRIBUTIONS, LOAN_BOOKS, REPAYMENTS)


def held(answer):
    return {"If-None-Match": answer.headers["ETag"]}


@pytest.mark.parametrize("path", [*LISTS, SUMMARY, "a loan"])
def test_what_a_client_has_is_not_sent_again(premises, path):
    if path == "a loan":
        path = f"{LOAN_BOOKS}/{premises.loans['repay']}"
    first = premises.client.get(path)
    again = premises.client.get(path, headers=held(first))
    assert (again.status_code, again.data) == (304, b"")
    for name in ("ETag", "Daystar-Position", "Cache-Control"):
        assert again.headers[name] == first.headers[name]
    assert premises.client.get(path).data == first.data, "from memory, and the same"
    assert premises.client.get(path, headers={"If-None-Match": '"1-x"'}).data == first.data
    weak = {"If-None-Match": f'"1-x", W/{first.headers["ETag"]}'}
    assert premises.client.get(path, headers=weak).status_code == 304


def test_a_star_is_no_tag_that_somebody_holds(premises):
    star = {"If-None-Match": "*"}
    assert premises.client.get(CONTRIBUTIONS, headers=star).status_code == 200
    unknown = premises.client.get(f"{LOAN_BOOKS}/{uuid4()}", headers=star)
    assert_refused(unknown, 404, "loan_not_found")


def test_a_tag_holds_for_its_own_question_only(premises):
    first = premises.client.get(f"{CONTRIBUTIONS}?per_page=1")
    other = premises.client.get(f"{CONTRIBUTIONS}?per_page=2", headers=held(first))
    assert other.status_code == 200
    assert other.headers["ETag"] != first.headers["ETag"]
    query = f"?per_page=1&api_key={premises.client.key}"
    same = premises.client.get(f"{CONTRIBUTIONS}{query}", headers=held(first))
    assert same.status_code == 304, "the key in the address is no part of the question"


@pytest.mark.parametrize("path", [CONTRIBUTIONS, MEMBERS, SUMMARY])
def test_what_changes_is_told_at_once(house, client, path):
    member = house.member()
    house.follow()
    first = client.get(path)
    client.get(path)
    house.contribution(member)
    house.follow()
    changed = client.get(path, headers=held(first))
    assert changed.status_code == 200
    assert changed.data != first.data
    assert client.get(path, headers=held(changed)).status_code == 304


def test_a_key_that_may_not_read_learns_nothing_from_a_tag(premises):
    first = premises.client.get(CONTRIBUTIONS)
    stranger = premises.house.client("read_members")
    answer = stranger.get(CONTRIBUTIONS, headers=held(first))
    assert_refused(answer, 403, "insufficient_permission")


def test_a_new_day_is_another_answer_where_days_are_counted(premises, monkeypatch):
    loans, contributions = premises.client.get(LOAN_BOOKS), premises.client.get(CONTRIBUTIONS)
    tomorrow = clock.now() + timedelta(days=1)
    monkeypatch.setattr(freshness.clock, "now", lambda: tomorrow)
    assert premises.client.get(LOAN_BOOKS, headers=held(loans)).status_code == 200
    assert premises.client.get(CONTRIBUTIONS, headers=held(contributions)).status_code == 304


def test_no_names_are_remembered_and_no_cache_may_keep_them(premises):
    answer = premises.client.get(MEMBERS)
    assert answer.headers["Cache-Control"] == "no-store"
    assert premises.client.get(CONTRIBUTIONS).headers["Cache-Control"] == "private, no-cache"
    remembered = premises.house.services.answers._by_schema.get("read_members")
    assert remembered is None or not remembered.answers


def test_what_is_remembered_is_bounded_and_forgotten_with_its_position(monkeypatch):
    monkeypatch.setattr(answer_memory, "ANSWERS_KEPT_MAX", 3)
    memory = AnswerMemory()
    for number in range(5):
        memory.keep("read_x", (number,), 1000, b"%d" % number)
    assert [memory.knows("read_x", (n,)) for n in range(5)] == [False, False, True, True, True]
    assert memory.recall("read_x", (4,), 1000) == b"4"
    memory.keep("read_x", (9,), 1000, b"x" * (answer_memory.ANSWER_BYTES_MAX + 1))
    assert not memory.knows("read_x", (9,))
    assert memory.recall("read_x", (4,), 2000) is None
    assert not memory.knows("read_x", (3,))
    memory.keep("read_x", (1,), 1000, b"late")
    assert memory.recall("read_x", (1,), 2000) is None, "of a position gone by"


@pytest.mark.parametrize(
    ("path", "plural"), [(MEMBERS, "members"), (CONTRIBUTIONS, "contributions")]
)
def test_a_puller_may_ask_for_what_changed_since(house, client, path, plural):
    members = [house.member() for _ in range(3)]
    contributions = [house.contribution(member) for member in members]
    house.follow()
    rows = client.get(path).json[plural]
    latest = max(row["updated_at"] for row in rows)
    moment = latest.replace("+", "%2B")
    assert len(client.get(f"{path}?updated_since={moment}").json[plural]) == 1, "that one included"
    house.co_operative.reverse(members[0], contributions[0])
    house.follow()
    changed = client.get(f"{path}?updated_since={moment}").json[plural]
    wanted = str(members[0] if plural == "members" else contributions[0])
    [row] = [row for row in changed if row["id"] == wanted]
    assert row["updated_at"] > latest
    assert len(changed) == 2
    assert_refused(
        client.get(f"{path}?updated_since=2026-03-01T10:00:00"), 400, "rest_invalid_param"
    )
