"""Walking a list by cursor: each row once, whatever is added meanwhile, at one price everywhere."""

from __future__ import annotations

from datetime import date, timedelta
from urllib.parse import urlencode

import pytest

from projections.contributions import CONTRIBUTION_LIST
from tests.integration.http.house import CONTRIBUTIONS, MEMBERS, assert_refused

FIRST_DAY = date(2026, 3, 1)

_MANY_ROWS = """
INSERT INTO read_contributions.contributions
SELECT gen_random_uuid(), n, gen_random_uuid(), 'DST', 1, 'monthly', 'cash', 'R', 'epoch',
       'completed', now()
FROM generate_series(1, 20000) AS n
"""


def plural_of(path):
    return path.partition("?")[0].rpartition("/")[2]


def step(client, path, cursor, per_page=2):
    joint = "&" if "?" in path else "?"
    answer = client.get(f"{path}{joint}per_page={per_page}&cursor={cursor}").json
    assert set(answer["pagination"]) == {"per_page", "next_cursor"}
    assert answer["pagination"]["per_page"] == per_page
    return answer[plural_of(path)], answer["pagination"]["next_cursor"]


def first(client, path, per_page=2):
    joint = "&" if "?" in path else "?"
    answer = client.get(f"{path}{joint}per_page={per_page}").json
    return answer[plural_of(path)], answer["pagination"]["next_cursor"]


def walk(client, path, per_page=2):
    rows, cursor = first(client, path, per_page)
    while cursor is not None:
        more, cursor = step(client, path, cursor, per_page)
        assert more, "a cursor is given only where something follows"
        rows.extend(more)
    return rows


@pytest.fixture
def books(house):
    """Two members; one has paid seven times, twice on most days."""
    members = [house.member(registered_on=FIRST_DAY + timedelta(days)) for days in (1, 1, 0)]
    for days in (3, 0, 3, 1, 2, 1, 2):
        house.contribution(members[0], contributed_on=FIRST_DAY + timedelta(days))
    house.contribution(members[1], contributed_on=FIRST_DAY)
    house.follow()
    return members


@pytest.mark.parametrize("per_page", [1, 2, 3, 7, 8, 100])
def test_cursors_walk_the_list_in_its_order_each_row_once(client, books, per_page):
    for path in (MEMBERS, CONTRIBUTIONS):
        whole = client.get(path).json[plural_of(path)]
        assert walk(client, path, per_page) == whole
        assert len(whole) > 0


def test_cursors_keep_to_the_filters(client, books):
    query = f"{CONTRIBUTIONS}?member_id={books[0]}&date_from={FIRST_DAY + timedelta(1)}"
    whole = client.get(query).json["contributions"]
    assert len(whole) == 6
    assert walk(client, query) == whole


def test_any_page_can_be_left_by_its_cursor(client, books):
    whole = client.get(CONTRIBUTIONS).json["contributions"]
    second = client.get(f"{CONTRIBUTIONS}?page=2&per_page=3").json
    rows, _ = step(client, CONTRIBUTIONS, second["pagination"]["next_cursor"], 100)
    assert second["contributions"] + rows == whole[3:]
    last = client.get(f"{CONTRIBUTIONS}?page=3&per_page=3").json
    assert last["pagination"]["next_cursor"] is None
    beyond = client.get(f"{CONTRIBUTIONS}?page=9&per_page=3").json
    assert beyond["pagination"]["next_cursor"] is None


def test_rows_added_while_a_client_walks_are_neither_doubled_nor_the_cause_of_a_gap(
    client, house, books
):
    whole = [row["id"] for row in client.get(CONTRIBUTIONS).json["contributions"]]
    rows, cursor = first(client, CONTRIBUTIONS, 3)
    newest = str(house.contribution(books[1], contributed_on=FIRST_DAY + timedelta(9)))
    back_dated = str(house.contribution(books[1], contributed_on=FIRST_DAY))
    house.follow()
    while cursor is not None:
        more, cursor = step(client, CONTRIBUTIONS, cursor)
        rows.extend(more)
    met = [row["id"] for row in rows]
    assert len(met) == len(set(met))
    assert [met_id for met_id in met if met_id != back_dated] == whole
    assert back_dated in met, "it came behind the cursor"
    assert newest not in met, "it came before the cursor"


def test_a_cursor_is_good_at_the_older_address_and_for_another_key(client, house, books):
    _, cursor = first(client, CONTRIBUTIONS)
    alias = "/wp-json" + CONTRIBUTIONS
    other = house.client("read_contributions")
    assert step(other, alias, cursor) == step(client, CONTRIBUTIONS, cursor)


@pytest.mark.parametrize(
    "cursor",
    ["x", "null", "0", "=", "====", " ", "é", "\x00", "A" * 43, "W10", "a" * 512, "a" * 513, "-_"],
    ids=lambda value: repr(value)[:20],
)
@pytest.mark.parametrize("path", [MEMBERS, CONTRIBUTIONS])
def test_what_is_no_cursor_is_refused(premises, path, cursor):
    with premises.house.unchanged():
        response = premises.client.get(f"{path}?{urlencode({'cursor': cursor})}")
        problem = assert_refused(response, 400, "rest_invalid_param")
    assert set(problem["errors"]) == {"cursor"}
    assert problem["message"] == "Invalid parameter(s): cursor"


def test_a_cursor_of_another_list_or_filter_or_changed_anywhere_is_refused(client, books):
    _, cursor = first(client, CONTRIBUTIONS)
    changed = [
        cursor[:at] + ("B" if cursor[at] == "A" else "A") + cursor[at + 1 :]
        for at in range(0, len(cursor) - 1, 5)
    ]
    elsewhere = [
        f"{MEMBERS}?cursor={cursor}",
        f"{CONTRIBUTIONS}?member_id={books[0]}&cursor={cursor}",
        *(f"{CONTRIBUTIONS}?cursor={wrong}" for wrong in changed),
    ]
    for path in elsewhere:
        assert_refused(client.get(path), 400, "rest_invalid_param")


def test_a_page_and_a_cursor_together_are_refused(client, books):
    _, cursor = first(client, CONTRIBUTIONS)
    response = client.get(f"{CONTRIBUTIONS}?page=1&cursor={cursor}")
    assert set(assert_refused(response, 400, "rest_invalid_param")["errors"]) == {"cursor"}


def test_however_deep_a_cursor_reads_no_more_rows_than_it_answers(house):
    house.owner.execute(_MANY_ROWS)
    house.owner.execute("ANALYZE read_contributions.contributions")
    statement = CONTRIBUTION_LIST._composed((), following=True)
    place = {"after_contribution_date": "epoch", "after_position": 500, "per_page": 50, "offset": 0}
    place["read_at"] = 500
    place["after_contribution_id"] = "00000000-0000-0000-0000-000000000000"
    [[plan]] = house.owner.execute(
        b"EXPLAIN (ANALYZE, FORMAT JSON) " + statement.as_bytes(), place
    ).fetchall()

    def nodes(node):
        yield node
        for inner in node.get("Plans", []):
            yield from nodes(inner)

    read = [
        (node["Node Type"], node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
        for node in nodes(plan[0]["Plan"])
        if node.get("Relation Name") == "contributions"
    ]
    assert [(kind, int(rows)) for kind, rows in read] == [("Index Scan", 51)]
