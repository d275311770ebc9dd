"""A consumer to test with: it writes down every item it is told of, and obeys the test."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from consumers.public_events.handling import Done, Item, Outcome, Reject, RetryLater
from consumers.public_events.items import key_of, rank_of

NAME = "diary"
TABLE = """
CREATE TABLE public.diary (
    line     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    writer   text NOT NULL,
    item_id  text NOT NULL,
    topic    text NOT NULL,
    subject  text NOT NULL,
    position bigint NOT NULL,
    number   integer NOT NULL
);
GRANT SELECT, INSERT ON public.diary TO daystar_app;
"""


class Diary:
    """`rejected`, `postponed` and `breaking` are ids of items that do not go."""

    name = NAME

    def __init__(self, writer: str = "one") -> None:
        self.writer = writer
        self.rejected: set[str] = set()
        self.postponed: set[str] = set()
        self.breaking: set[str] = set()
        self.calls: list[int] = []

    def handle(
        self, connection: psycopg.Connection[tuple[object, ...]], items: Sequence[Item]
    ) -> Sequence[Outcome]:
        self.calls.append(len(items))
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO public.diary (writer, item_id, topic, subject, position, number)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                [(self.writer, item["id"], *key_of(item), *rank_of(item)) for item in items],
            )
        if any(item["id"] in self.breaking for item in items):
            raise ZeroDivisionError("an account number that nobody may read")
        return [self._outcome(item) for item in items]

    def _outcome(self, item: Item) -> Outcome:
        if item["id"] in self.rejected:
            return Reject("no such thing")
        return RetryLater("not there yet") if item["id"] in self.postponed else Done()


class Pages:
    """What stands in the diary."""

    def __init__(self, owner_url: str) -> None:
        self._url = owner_url
        with psycopg.connect(owner_url, autocommit=True) as connection:
            connection.execute(TABLE)

    def ids(self, writer: str | None = None) -> list[str]:
        """In the order in which they were written."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            rows = connection.execute(
                "SELECT item_id FROM public.diary WHERE %(writer)s::text IS NULL"
                " OR writer = %(writer)s ORDER BY line",
                {"writer": writer},
            ).fetchall()
        return [row[0] for row in rows]

    def assert_told_once_and_in_order(self, items: Sequence[Item]) -> None:
        """Exactly these, each once, and those of a subject and topic as they happened."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            rows = connection.execute(
                "SELECT item_id, topic, subject, position, number FROM public.diary ORDER BY line"
            ).fetchall()
        assert sorted(row[0] for row in rows) == sorted(item["id"] for item in items)
        last: dict[tuple[str, str], tuple[int, int]] = {}
        for _, topic, subject, position, number in rows:
            assert (position, number) > last.get((topic, subject), (0, 0))
            last[topic, subject] = (position, number)
