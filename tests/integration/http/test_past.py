"""Asking the past over HTTP: the same answers as then, and a sentence where there is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from uuid import uuid4

import psycopg
import pytest

from domain.dates import NAIROBI, business_day
from domain.members.commands import EraseMember, SuspendMember
from infra import clock
from infra.event_store import as_of
from projections import past
from projections.follower import pause
from tests.integration.http.house import CONTRIBUTIONS, MEMBERS, SUMMARY, assert_refused

LOANS = "/daystar-accounting/v1/loans"
REPAYMENTS = "/daystar-accounting/v1/repayments"
LISTS = (MEMBERS, CONTRIBUTIONS, LOANS, REPAYMENTS)
TODAY = business_day(clock.now())
DUE_IN_PAST = timedelta(days=400)


@pytest.fixture
def borrower(house):
    member_id = house.member()
    house.contribution(member_id, amount_cents=20_000_00)
    return member_id


@pytest.fixture
def loan_id(house, borrower):
    loan_id = house.co_operative.loan(borrower, applied_on=TODAY, today=TODAY)
    house.co_operative.repayment(loan_id, 1_000_00, paid_on=TODAY, today=TODAY)
    return loan_id


def head(house):
    house.follow()
    return house.services.store.log.max_notification_id()


def recorded(owner_url, position, moment):
    """As if everything after a position had been recorded at this moment."""
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("ALTER TABLE event_store.events DISABLE TRIGGER USER")
        owner.execute(
            "UPDATE event_store.events SET recorded_at = %s WHERE position > %s",
            (moment, position),
        )
        owner.execute("ALTER TABLE event_store.events ENABLE TRIGGER USER")


def without_the_name(answer, position):
    """The body as it would be had nobody asked for a past; it names the position asked for."""
    told = answer.json
    named = told.get("pagination", told)
    assert named.pop("as_of_position") == str(position)
    assert answer.headers["Daystar-Position"] == str(position)
    if told.get("repayments_url"):
        told["repayments_url"] = told["repayments_url"].removesuffix(f"&as_of_position={position}")
    return told


def test_every_answer_can_be_had_again_when_all_has_changed(client, house, borrower, loan_id):
    paths = [*LISTS, f"{MEMBERS}/{borrower}", f"{LOANS}/{loan_id}"]
    position = head(house)
    then = {path: client.get(path).json for path in paths}
    contribution_id = then[CONTRIBUTIONS]["contributions"][0]["id"]
    repayment_id = then[REPAYMENTS]["repayments"][0]["id"]
    house.co_operative.undo_repayment(loan_id, repayment_id)
    house.co_operative.reverse(borrower, contribution_id)
    house.co_operative.dispatch(SuspendMember(borrower, "asked", TODAY))
    house.member()
    house.follow()
    for path in paths:
        assert client.get(path).json != then[path]
        asked = client.get(f"{path}?as_of_position={position}")
        assert without_the_name(asked, position) == then[path]


def test_a_time_names_its_position_and_a_day_means_its_end_in_nairobi(
    client, house, owner_url, borrower
):
    first = head(house)
    late = datetime(2026, 3, 31, 20, 59, 59, tzinfo=UTC)  # a second before midnight in Nairobi
    recorded(owner_url, 0, late)
    house.contribution(borrower)
    recorded(owner_url, first, late + timedelta(seconds=2))
    second = head(house)
    for asked, position in {
        "2026-03-31": first,
        "2026-04-01": second,
        "2026-03-31T20:59:59Z": first,
        "2026-03-31T23:59:59": first,
        "2026-03-31T23:59:59+03:00": first,
        "2026-04-01T00:00:01.000000+03:00": second,
        "2026-03-30": 0,
    }.items():
        answer = client.get(f"{CONTRIBUTIONS}?{urlencode({'as_of': asked})}")
        assert answer.headers["Daystar-Position"] == str(position), asked
        by_position = client.get(f"{CONTRIBUTIONS}?as_of_position={position}")
        assert answer.json == by_position.json
    unescaped = client.get(f"{CONTRIBUTIONS}?as_of=2026-03-31T23:59:59+03:00")
    assert unescaped.headers["Daystar-Position"] == str(first)


def test_before_the_first_event_there_is_nobody(client, house, borrower, loan_id):
    head(house)
    for path in LISTS:
        answer = client.get(f"{path}?as_of=2001-01-01").json
        assert answer["pagination"]["total_items"] == 0
    summary = client.get(f"{SUMMARY}?as_of=2001-01-31&period=monthly").json
    assert set(summary["financial_data"].values()) == {"0.00"}
    assert set(summary["member_data"].values()) == {0}
    assert summary["period"]["from"] == "2001-01-01", "today is the day that is asked for"
    for path in (f"{MEMBERS}/{borrower}", f"{LOANS}/{loan_id}"):
        assert client.get(f"{path}?as_of_position=0").status_code == 404
        assert client.get(path).status_code == 200
    assert_refused(client.get(f"{MEMBERS}/{uuid4()}"), 404, "member_not_found")


def test_cursors_walk_a_past_while_the_present_goes_on(client, house, borrower):
    for _ in range(6):
        house.contribution(borrower)
    position = head(house)
    path = f"{CONTRIBUTIONS}?as_of_position={position}&per_page=3"
    whole = client.get(f"{CONTRIBUTIONS}?as_of_position={position}").json["contributions"]
    page = client.get(path).json
    rows = page["contributions"]
    while page["pagination"]["next_cursor"]:
        house.co_operative.reverse(borrower, rows[-1]["id"])
        house.contribution(borrower)
        house.follow()
        page = client.get(f"{path}&cursor={page['pagination']['next_cursor']}").json
        assert page["pagination"]["as_of_position"] == str(position)
        rows += page["contributions"]
    assert rows == whole
    assert len(rows) == 7


def test_a_cursor_of_one_past_is_none_of_another(client, house, borrower):
    house.contribution(borrower)
    position = head(house)
    path = f"{CONTRIBUTIONS}?per_page=1"
    cursor = client.get(f"{path}&as_of_position={position}").json["pagination"]["next_cursor"]
    for other in ("", f"&as_of_position={position - 1000}"):
        response = client.get(f"{path}{other}&cursor={cursor}")
        assert_refused(response, 400, "rest_invalid_param")


def test_an_erased_person_has_no_name_in_the_past_either(client, house):
    member_id = house.member(first_name="Wanjiru", email="wanjiru@example.org")
    position = head(house)
    paths = [f"{path}?as_of_position={position}" for path in (f"{MEMBERS}/{member_id}", MEMBERS)]
    assert all("Wanjiru" in client.get(path).text for path in paths)
    command = EraseMember(member_id, "asked in writing", TODAY, unexited=True)
    house.co_operative.dispatch(command)
    for path in paths:
        answer = client.get(path)
        assert "Wanjiru" not in answer.text
        member = answer.json.get("members", [answer.json])[0]
        personal = ("first_name", "last_name", "email", "phone", "id_number")
        assert [member[field] for field in personal] == [None] * 5
        assert member["status"] == "active", "what the co-operative did stays"


def test_lateness_is_told_of_the_day_that_is_asked_for(client, house, owner_url, borrower):
    start = TODAY - DUE_IN_PAST
    loan_id = house.co_operative.loan(
        borrower,
        disbursed_on=start,
        applied_on=start,
        today=TODAY,
        product_code=house.co_operative.product(),
    )
    position = head(house)
    loan = client.get(f"{LOANS}/{loan_id}?as_of_position={position}").json
    due = datetime.fromisoformat(loan["next_due_date"]).replace(tzinfo=NAIROBI)
    recorded(owner_url, 0, due + timedelta(days=5, hours=1))
    then = client.get(f"{LOANS}/{loan_id}?as_of_position={position}").json
    [listed] = client.get(f"{LOANS}?as_of_position={position}").json["loans"]
    assert then["days_overdue"] == listed["days_overdue"] == 5
    assert client.get(f"{LOANS}/{loan_id}").json["days_overdue"] > 5


@pytest.mark.parametrize(
    ("path", "named"),
    [
        (f"{MEMBERS}?status=active", "status"),
        (f"{LOANS}?status=active", "status"),
        (f"{LOANS}?updated_since=2026-01-01T00:00:00%2B03:00", "updated_since"),
        (f"{REPAYMENTS}?updated_since=2026-01-01T00:00:00%2B03:00", "updated_since"),
    ],
)
def test_a_filter_by_what_changes_is_refused_and_the_way_out_is_told(client, house, path, named):
    house.member()
    head(house)
    problem = assert_refused(
        client.get(f"{path}&as_of_position=0"), 409, "state_filter_in_the_past"
    )
    assert named in problem["message"]
    assert "daystar replay" in problem["message"]


def test_value_dates_are_bounded_by_either_name(client, house, borrower):
    house.contribution(borrower, contributed_on=TODAY - timedelta(days=30))
    position = head(house)
    day = TODAY - timedelta(days=1)
    for asked in ("", f"&as_of_position={position}"):
        [one] = client.get(f"{CONTRIBUTIONS}?effective_to={day}{asked}").json["contributions"]
        [other] = client.get(f"{CONTRIBUTIONS}?date_to={day}{asked}").json["contributions"]
        assert one == other
    for wrong in (f"effective_to={day}&date_to={day}", f"effective_to={day}&date_from={TODAY}"):
        problem = assert_refused(client.get(f"{CONTRIBUTIONS}?{wrong}"), 400, "rest_invalid_param")
        assert set(problem["errors"]) == {"effective_to"}


NOT_A_TIME = [
    "",
    "now",
    "yesterday",
    "2026-02-30",
    "2026-13-01T00:00:00Z",
    "20260301",
    "1767225600",
]
NOT_A_TIME += ["2026-03-01T25:00:00", "2026-03-01 10:00", "0000-01-01", "\x00", "9999-12-31T24:00"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("as_of", value) for value in NOT_A_TIME),
        *(("as_of_position", value) for value in ("", "-1", "1.5", "head", "9" * 19, "9" * 40)),
        ("as_of", "2999-01-01"),
        ("as_of_position", "999999999999000"),
    ],
    ids=repr,
)
def test_a_past_that_cannot_be_is_refused_with_a_sentence(premises, name, value):
    with premises.house.unchanged():
        for path in (*LISTS, SUMMARY, f"{MEMBERS}/{premises.member_id}"):
            response = premises.client.get(f"{path}?{urlencode({name: value})}")
            problem = assert_refused(response, 400, "rest_invalid_param")
            assert set(problem["errors"]) == {name}
            assert all(sentence.endswith(".") for sentence in problem["errors"][name])


def test_two_pasts_at_once_are_refused(premises):
    for path in (*LISTS, SUMMARY):
        response = premises.client.get(f"{path}?as_of=2026-01-01&as_of_position=0")
        problem = assert_refused(response, 400, "rest_invalid_param")
        assert set(problem["errors"]) == {"as_of_position"}


def test_a_position_lost_in_a_restore_is_gone(client, house, borrower):
    position = head(house)
    house.owner.execute("SELECT event_store.raise_epoch(%s)", (position + 50_000,))
    for path in (CONTRIBUTIONS, SUMMARY):
        response = client.get(f"{path}?as_of_position={position + 1_000}")
        assert_refused(response, 410, "position_lost")


@pytest.mark.parametrize(
    ("path", "read_model"), [(CONTRIBUTIONS, "contributions"), (SUMMARY, "summary")]
)
def test_a_list_that_lags_says_so(client, house, borrower, monkeypatch, path, read_model):
    monkeypatch.setattr(past, "BEHIND_SECONDS_MAX", 0.0)
    head(house)
    pause(house.services.pool, read_model)
    house.contribution(borrower)
    position = head(house)
    response = client.get(f"{path}?as_of_position={position}")
    assert_refused(response, 503, "past_not_ready")
    assert int(response.headers["Retry-After"]) > 0


def test_an_append_that_does_not_end_makes_the_past_wait(
    client, house, owner_url, borrower, monkeypatch
):
    monkeypatch.setattr(as_of, "_WAIT_SECONDS_MAX", 0.0)
    position = head(house)
    with psycopg.connect(owner_url) as slow:
        slow.execute("SELECT pg_advisory_xact_lock_shared(4803221)")
        response = client.get(f"{MEMBERS}/{borrower}?as_of_position={position}")
        assert_refused(response, 503, "past_not_ready")
    assert client.get(f"{MEMBERS}/{borrower}?as_of_position={position}").status_code == 200
