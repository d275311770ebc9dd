"""A few rows are written as JSON and many by COPY; what is stored is the same."""

from __future__ import annotations

import psycopg
import pytest

from projections.rows import COPY_ROWS_MIN, Rows

AWKWARD = [
    "plain",
    "tab\there",
    "line\nbreak\r",
    "back\\slash \\N",
    '"quoted", {braced}',
    "Ng'ũ",
    "",
    None,
]


@pytest.mark.parametrize("count", [len(AWKWARD), COPY_ROWS_MIN])
def test_what_is_added_is_what_is_stored(owner_url: str, count: int) -> None:
    with psycopg.connect(owner_url) as connection:
        connection.execute(
            "CREATE TABLE public.words (number bigint PRIMARY KEY, word text, amount numeric(15,2),"
            " day date, is_open boolean)"
        )
        rows = Rows(schema="public", table="words", key="number")
        for number in range(count):
            word = AWKWARD[number % len(AWKWARD)]
            rows.add(str(number), word=word, amount="12.50", day="2026-11-23", is_open=False)
        rows.write(connection.cursor())
        stored = connection.execute(
            "SELECT number, word, amount::text, day::text, is_open FROM words ORDER BY number"
        ).fetchall()
    assert stored == [
        (number, AWKWARD[number % len(AWKWARD)], "12.50", "2026-11-23", False)
        for number in range(count)
    ]
