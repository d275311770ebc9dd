"""The accounting API as its clients were told of it: names, values, order, pages, addresses."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from uuid import UUID

import pytest

from app.accounting.resources import ContributionsAnswer, MembersAnswer
from app.factory import ALIAS_PREFIX
from domain.contributions.rules import ContributionType, PaymentMethod
from domain.dates import business_day
from infra import clock
from tests.integration.http.house import CONTRIBUTIONS, MEMBERS

AMOUNT = re.compile(r"\d+\.\d\d")
MEMBER_FIELDS = {
    *("id", "member_number", "first_name", "last_name", "email", "phone", "id_number"),
    *("registration_date", "status", "total_contributions", "share_capital", "updated_at"),
}
CONTRIBUTION_FIELDS = {
    *("id", "member_id", "member_number", "amount", "contribution_type", "payment_method"),
    *("payment_reference", "contribution_date", "status", "updated_at"),
}
FIRST_DAY = date(2026, 3, 1)


@pytest.fixture
def books(house):
    """Three members; the first two have paid, in another order than they will be listed."""
    members = [house.member(registered_on=FIRST_DAY + timedelta(days)) for days in (2, 0, 1)]
    for days in (3, 0, 4, 1, 2):
        house.contribution(members[0], contributed_on=FIRST_DAY + timedelta(days))
    for days in (2, 2, 0):
        house.contribution(members[1], contributed_on=FIRST_DAY + timedelta(days))
    house.follow()
    return members


def walk(client, path, per_page):
    """Every row of a list, page by page, as a client pulls it."""
    plural = path.partition("?")[0].rpartition("/")[2]
    joint = "&" if "?" in path else "?"
    rows, page, pages = [], 1, 1
    while page <= pages:
        answer = client.get(f"{path}{joint}page={page}&per_page={per_page}").json
        rows.extend(answer[plural])
        pages = answer["pagination"]["total_pages"]
        page += 1
    return rows


@pytest.mark.parametrize(
    ("path", "plural", "row_fields", "answer"),
    [
        (MEMBERS, "members", MEMBER_FIELDS, MembersAnswer),
        (CONTRIBUTIONS, "contributions", CONTRIBUTION_FIELDS, ContributionsAnswer),
    ],
)
def test_a_list_has_the_contracts_envelope_and_fields(
    client, books, path, plural, row_fields, answer
):
    response = client.get(path)
    assert response.status_code == 200
    assert response.content_type == "application/json"
    body = response.json
    assert set(body) == {plural, "pagination"}
    numbers = {"page", "per_page", "total_items", "total_pages"}
    assert set(body["pagination"]) == {*numbers, "next_cursor"}
    assert all(type(body["pagination"][name]) is int for name in numbers)
    assert body["pagination"]["next_cursor"] is None
    assert body[plural]
    assert all(set(row) == row_fields for row in body[plural])
    assert answer().validate(body) == {}


def test_an_empty_list_has_the_same_envelope(client):
    pagination = {"page": 1, "per_page": 50, "total_items": 0, "total_pages": 0}
    pagination["next_cursor"] = None
    for path, plural in ((MEMBERS, "members"), (CONTRIBUTIONS, "contributions")):
        assert client.get(path).json == {plural: [], "pagination": pagination}


def test_ids_are_strings_and_amounts_are_decimal_strings_with_two_places(client, books):
    for row in client.get(MEMBERS).json["members"]:
        assert str(UUID(row["id"])) == row["id"]
        assert AMOUNT.fullmatch(row["total_contributions"])
        assert AMOUNT.fullmatch(row["share_capital"])
    for row in client.get(CONTRIBUTIONS).json["contributions"]:
        assert str(UUID(row["id"])) == row["id"]
        assert str(UUID(row["member_id"])) == row["member_id"]
        assert AMOUNT.fullmatch(row["amount"])


def test_a_member_is_told_whole(client, house):
    member_id = house.member(
        member_number="DST202612345",
        first_name="Wanjiru",
        last_name="Kamau",
        phone="0711 000 002",
        email="wanjiru@example.org",
        national_id="31234567",
        registered_on=FIRST_DAY,
    )
    house.contribution(member_id, amount_cents=2_000_50)
    house.contribution(
        member_id, amount_cents=5_000_00, contribution_type=ContributionType.SHARE_CAPITAL
    )
    house.follow()
    [member] = client.get(MEMBERS).json["members"]
    assert datetime.fromisoformat(member.pop("updated_at")).tzinfo
    assert [member] == [
        {
            "id": str(member_id),
            "member_number": "DST202612345",
            "first_name": "Wanjiru",
            "last_name": "Kamau",
            "email": "wanjiru@example.org",
            "phone": "254711000002",
            "id_number": "31234567",
            "registration_date": "2026-03-01",
            "status": "active",
            "total_contributions": "7000.50",
            "share_capital": "5000.00",
        }
    ]


def test_a_contribution_is_told_whole_and_a_reversed_one_stays_visible(client, house):
    member_id = house.member(member_number="DST202612345")
    contribution_id = house.contribution(
        member_id,
        amount_cents=1_234_05,
        contribution_type=ContributionType.SHARE_CAPITAL,
        payment_method=PaymentMethod.BANK,
        payment_reference="FT26/001",
        contributed_on=FIRST_DAY,
    )
    house.follow()
    told = {
        "id": str(contribution_id),
        "member_id": str(member_id),
        "member_number": "DST202612345",
        "amount": "1234.05",
        "contribution_type": "share_capital",
        "payment_method": "bank",
        "payment_reference": "FT26/001",
        "contribution_date": "2026-03-01",
        "status": "completed",
    }

    def shown():
        [row] = client.get(CONTRIBUTIONS).json["contributions"]
        return row.pop("updated_at"), row

    recorded_at, row = shown()
    assert row == told
    house.co_operative.reverse(member_id, contribution_id)
    house.follow()
    changed_at, row = shown()
    assert row == told | {"status": "reversed"}
    assert changed_at > recorded_at
    [member] = client.get(MEMBERS).json["members"]
    assert (member["total_contributions"], member["share_capital"]) == ("0.00", "0.00")


def test_lists_are_newest_first(client, books):
    registered = [row["registration_date"] for row in client.get(MEMBERS).json["members"]]
    assert registered == ["2026-03-03", "2026-03-02", "2026-03-01"]
    paid = [row["contribution_date"] for row in client.get(CONTRIBUTIONS).json["contributions"]]
    assert paid == sorted(paid, reverse=True)
    assert len(paid) == 8


def test_of_two_on_the_same_day_the_one_recorded_last_comes_first(client, house):
    member_id = house.member()
    recorded = [str(house.contribution(member_id)) for _ in range(5)]
    house.follow()
    listed = [row["id"] for row in client.get(CONTRIBUTIONS).json["contributions"]]
    assert listed == recorded[::-1]


def test_a_page_holds_fifty_unless_asked_and_a_hundred_at_most(client, house):
    member_id = house.member()
    for _ in range(101):
        house.contribution(member_id)
    house.follow()
    usual = client.get(CONTRIBUTIONS).json
    assert len(usual["contributions"]) == 50
    next_cursor = usual["pagination"].pop("next_cursor")
    assert type(next_cursor) is str
    assert usual["pagination"] == {
        "page": 1,
        "per_page": 50,
        "total_items": 101,
        "total_pages": 3,
    }
    assert len(client.get(f"{CONTRIBUTIONS}?page=3").json["contributions"]) == 1
    most = client.get(f"{CONTRIBUTIONS}?per_page=100").json
    assert len(most["contributions"]) == 100
    assert most["pagination"]["total_pages"] == 2


@pytest.mark.parametrize("per_page", [1, 2, 3, 7, 8, 100])
def test_walking_the_pages_meets_each_row_exactly_once(client, books, per_page):
    for path, plural in ((MEMBERS, "members"), (CONTRIBUTIONS, "contributions")):
        whole = client.get(path).json[plural]
        assert walk(client, path, per_page) == whole
        assert len({row["id"] for row in whole}) == len(whole) > 0


def test_contributions_can_be_asked_of_one_member(client, books):
    for member_id, count in zip(books, (5, 3, 0), strict=True):
        answer = client.get(f"{CONTRIBUTIONS}?member_id={member_id}").json
        assert {row["member_id"] for row in answer["contributions"]} <= {str(member_id)}
        assert len(answer["contributions"]) == answer["pagination"]["total_items"] == count
        assert walk(client, f"{CONTRIBUTIONS}?member_id={member_id}", 2) == answer["contributions"]


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ("date_from=2026-03-04", ["05", "04"]),
        ("date_to=2026-03-01", ["01", "01"]),
        ("date_from=2026-03-03&date_to=2026-03-03", ["03", "03", "03"]),
        ("date_from=2026-03-02&date_to=2026-03-04", ["04", "03", "03", "03", "02"]),
        ("date_from=2026-03-06", []),
        ("date_from=0001-01-01&date_to=9999-12-31", ["05", "04", *["03"] * 3, "02", "01", "01"]),
    ],
)
def test_dates_filter_with_both_ends_included(client, books, query, days):
    answer = client.get(f"{CONTRIBUTIONS}?{query}").json
    told = [row["contribution_date"] for row in answer["contributions"]]
    assert told == [f"2026-03-{day}" for day in days]
    assert answer["pagination"]["total_items"] == len(days)


def test_filters_narrow_together(client, books):
    query = f"member_id={books[1]}&date_from=2026-03-02&date_to=2026-03-05"
    answer = client.get(f"{CONTRIBUTIONS}?{query}").json
    assert answer["pagination"]["total_items"] == len(answer["contributions"]) == 2


@pytest.mark.parametrize(("status", "count"), [("active", 3), ("inactive", 0), ("suspended", 0)])
def test_members_can_be_asked_by_status(client, books, status, count):
    answer = client.get(f"{MEMBERS}?status={status}").json
    assert len(answer["members"]) == answer["pagination"]["total_items"] == count


@pytest.mark.parametrize("query", ["", "?page=2&per_page=2", "?per_page=100"])
def test_the_older_address_answers_the_same_bytes(client, books, query):
    for path in (MEMBERS, CONTRIBUTIONS):
        alias = ALIAS_PREFIX + path.removeprefix("/daystar-accounting/")
        told, told_again = client.get(path + query), client.get(alias + query)
        assert told.status_code == told_again.status_code == 200
        assert told.data == told_again.data
        assert told.headers["Daystar-Position"] == told_again.headers["Daystar-Position"]


def test_the_answer_names_the_position_it_speaks_of(client, house, books):
    def position():
        return int(client.get(CONTRIBUTIONS).headers["Daystar-Position"])

    before = position()
    assert before == house.services.store.log.max_notification_id()
    house.contribution(books[2])
    assert position() == before
    assert client.get(CONTRIBUTIONS).json["pagination"]["total_items"] == 8
    house.follow()
    assert position() == house.services.store.log.max_notification_id() > before
    assert client.get(CONTRIBUTIONS).json["pagination"]["total_items"] == 9


def test_head_tells_the_headers_alone(client, books):
    response = client.send("HEAD", MEMBERS)
    assert response.status_code == 200
    assert response.data == b""
    assert "Daystar-Position" in response.headers


def test_a_member_registered_today_is_listed_today(client, house):
    house.member()
    house.follow()
    [row] = client.get(MEMBERS).json["members"]
    assert row["registration_date"] == business_day(clock.now()).isoformat()
