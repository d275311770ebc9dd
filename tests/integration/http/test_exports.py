"""Whole lists as files: all of one moment, whoever writes or rebuilds meanwhile."""

from __future__ import annotations

import csv
import io
import json
import threading
from datetime import date, timedelta

import psycopg
import pytest

from app.accounting.exports import _cell
from app.wiring import EXPORTS_MAX
from infra.event_store.personal_keys import PersonalKeys
from infra.event_store.reader import LogReader
from projections.contributions import CONTRIBUTION_LIST, CONTRIBUTIONS
from projections.export import ROWS_A_FETCH
from projections.rebuild import Rebuild
from tests.integration.http.house import (
    CONTRIBUTIONS as LIST,
)
from tests.integration.http.house import (
    LOAN_BOOKS,
    MEMBERS,
    REPAYMENTS,
    assert_refused,
)

FIRST_DAY = date(2026, 3, 1)
MANY = 3 * ROWS_A_FETCH
_MANY_ROWS = """
INSERT INTO read_contributions.contributions
SELECT gen_random_uuid(), n, gen_random_uuid(), 'DST', 1, 'monthly', 'cash', 'R', 'epoch',
       'completed', now()
FROM generate_series(1, %s) AS n
"""


def fetched(client, path):
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    text = answer.get_data().decode()
    answer.close()
    return answer, text


@pytest.mark.parametrize("path", [MEMBERS, LIST, LOAN_BOOKS, REPAYMENTS])
def test_a_file_holds_the_rows_of_the_pages_in_their_order(premises, path):
    plural = path.rpartition("/")[2]
    page = premises.client.get(f"{path}?per_page=100")
    told, text = fetched(premises.client, f"{path}?format=ndjson")
    assert [json.loads(line) for line in text.splitlines()] == page.json[plural]
    assert told.content_type == "application/x-ndjson; charset=utf-8"
    assert told.headers["Content-Disposition"] == f'attachment; filename="{plural}.ndjson"'
    assert told.headers["Daystar-Position"] == page.headers["Daystar-Position"]
    told, text = fetched(premises.client, f"{path}?format=csv")
    assert told.content_type == "text/csv; charset=utf-8"
    head, *rows = csv.reader(io.StringIO(text, newline=""))
    assert head == list(page.json[plural][0])
    as_text = [["" if v is None else str(v) for v in row.values()] for row in page.json[plural]]
    assert rows == as_text
    assert text.count("\r\n") == len(rows) + 1


def test_filters_narrow_a_file_as_they_narrow_a_page(house, client):
    member = house.member()
    for days in range(5):
        house.contribution(member, contributed_on=FIRST_DAY + timedelta(days))
    house.contribution(house.member())
    house.follow()
    query = f"member_id={member}&date_from=2026-03-02&date_to=2026-03-04"
    _, text = fetched(client, f"{LIST}?format=ndjson&{query}")
    rows = [json.loads(line) for line in text.splitlines()]
    assert rows == client.get(f"{LIST}?{query}").json["contributions"]
    assert len(rows) == 3
    _, empty = fetched(client, f"{LIST}?format=csv&date_from=2030-01-01")
    assert empty.startswith("id,member_id,") and len(empty.splitlines()) == 1  # noqa: PT018


def test_a_file_is_not_paged(client):
    for paging in ("page=1", "per_page=10", "cursor=x", "per_page=50"):
        answer = client.get(f"{LIST}?format=csv&{paging}")
        assert "format" in assert_refused(answer, 400, "rest_invalid_param")["errors"]
    assert_refused(client.get(f"{LIST}?format=xml"), 400, "rest_invalid_param")


def test_a_spreadsheet_reckons_nothing_that_somebody_wrote(house, client):
    member = house.member(first_name='Anne, "Nan"', last_name="Ng'ang'a Çelik")
    house.contribution(member, payment_reference='=HYPERLINK("http://x","y")')
    house.follow()
    _, text = fetched(client, f"{LIST}?format=csv")
    [row] = csv.DictReader(io.StringIO(text, newline=""))
    assert row["payment_reference"] == '\'=HYPERLINK("http://x","y")'
    _, text = fetched(client, f"{MEMBERS}?format=csv")
    assert '"Anne, ""Nan"""' in text
    [row] = csv.DictReader(io.StringIO(text, newline=""))
    assert (row["first_name"], row["last_name"]) == ('Anne, "Nan"', "Ng'ang'a Çelik")


@pytest.mark.parametrize("text", ["=1", "+1", "-1+2", "@x", "\tx", "\rx", "-", "-.5", "-1e5"])
def test_what_begins_a_formula_is_told_to_be_text(text):
    assert _cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["-1500.00", "-7", "1=1", "", "a@b", 5, None])
def test_numbers_and_plain_words_stay_as_they_are(value):
    assert _cell(value) == value


def test_as_many_exports_as_there_is_room_for_and_a_closed_one_makes_room(house, client):
    house.owner.execute(_MANY_ROWS, (MANY,))
    for _ in range(2):
        under_way = [client.get(f"{LIST}?format=csv") for _ in range(EXPORTS_MAX)]
        refused = client.get(f"{LIST}?format=csv")
        assert_refused(refused, 503, "exports_busy")
        assert refused.headers["Retry-After"]
        assert client.get(LIST).status_code == 200, "pages have connections of their own"
        for answer in under_way:
            answer.close()  # as the server does when the client goes away
    assert_no_session_is_held(house)


def test_a_client_that_reads_half_and_leaves_frees_the_connection(house, client):
    house.owner.execute(_MANY_ROWS, (MANY,))
    for _ in range(EXPORTS_MAX + 1):
        answer = client.get(f"{LIST}?format=ndjson")
        assert next(iter(answer.iter_encoded()))
        answer.close()
    assert_no_session_is_held(house)


def assert_no_session_is_held(house):
    held = house.owner.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'daystar-export'"
        " AND state <> 'idle' AND datname = current_database()"
    ).fetchone()
    assert held == (0,)


def test_an_export_neither_sees_what_comes_nor_is_cut_by_a_swap(house, client, owner_url):
    house.owner.execute(_MANY_ROWS, (MANY,))
    export = house.services.exports.begin(CONTRIBUTION_LIST, {})
    batches = export.batches()
    read = len(next(batches))
    assert read == ROWS_A_FETCH < MANY
    contribution_id = house.contribution(house.member())
    house.follow()
    rebuild(house, owner_url)
    assert house.count("read_contributions.contributions") == 1, "the swap is done"
    rest = [row for batch in batches for row in batch]
    export.close()
    assert read + len(rest) == MANY
    assert str(contribution_id) not in "".join(rest)
    told, text = fetched(client, f"{LIST}?format=ndjson")
    assert [json.loads(line)["id"] for line in text.splitlines()] == [str(contribution_id)]
    assert int(told.headers["Daystar-Position"]) > export.position
    rebuild(house, owner_url)
    left = house.owner.execute("SELECT count(*) FROM pg_namespace WHERE nspname ~ '^old_'")
    assert left.fetchone() == (0,), "nobody reads the old ones any more"


def rebuild(house, owner_url):
    keys = PersonalKeys(house.services.pool, house.services.keyring)
    reader = LogReader(house.services.pool, keys)
    work = Rebuild(
        owner_url, reader, CONTRIBUTIONS, report=lambda _: None, cancelled=threading.Event()
    )
    work.run(confirm=lambda _: True)


def test_an_export_that_the_database_cuts_ends_as_an_error_not_as_a_whole_file(house):
    house.owner.execute(_MANY_ROWS, (MANY,))
    export = house.services.exports.begin(CONTRIBUTION_LIST, {})
    batches = export.batches()
    next(batches)
    house.owner.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'daystar-export' AND datname = current_database()"
        " AND state = 'idle in transaction'"
    )
    with pytest.raises(psycopg.OperationalError):
        list(batches)
    export.close()
    with house.services.exports.pool.connection() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
