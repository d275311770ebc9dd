"""The financial summary and the list of loans, over what a co-operative gathers in years.

The rows are made by SQL right in the read models, as their folds would have written them: five
million events' worth of history would take the bench longer than all else together.
"""

from __future__ import annotations

import itertools
from datetime import timedelta
from pathlib import Path

import psycopg
import requests

from app.cli.administration import issue_key
from app.wiring import Services, database_urls
from domain.api_keys.api_key import Permission
from domain.dates import business_day
from infra import clock
from tests.benchmarks.figures import Figure, medians
from tests.benchmarks.house import CAUSE, processes
from tests.benchmarks.load import request_bytes, run_load

MEMBERS, LOANS, REPAYMENTS, CONTRIBUTIONS = 20_000, 100_000, 500_000, 1_000_000
DAYS = 5 * 365
REQUESTS = 3_000
UNCACHED = 60
SUMMARIES_A_SECOND = 500
LISTS_A_SECOND = 1_000
_BOOKS = "/daystar-accounting/v1"
_MEMBER = f"md5('m' || n % {MEMBERS})::uuid"
_DAY = f"current_date - n % {DAYS}"

_FILL = (
    f"""INSERT INTO read_summary.members
        SELECT md5('m' || n)::uuid, n FROM generate_series(0, {MEMBERS} - 1) AS n""",
    f"""INSERT INTO read_summary.loans
        SELECT md5('l' || n)::uuid, CASE WHEN n % 3 = 0 THEN 20000 + n % 997 ELSE 0 END
        FROM generate_series(1, {LOANS}) AS n""",
    *(
        f"""INSERT INTO read_summary.movements
        SELECT md5('{kind}' || n)::uuid, '{kind}', {_DAY},
               {_MEMBER}, 1000 + n % 9973, 1000 + n % 9973, n, NULL
        FROM generate_series(1, {rows}) AS n"""
        for kind, rows in (("d", LOANS), ("r", REPAYMENTS), ("c", CONTRIBUTIONS))
    ),
    f"""INSERT INTO read_loans.loans
        SELECT md5('l' || n)::uuid, n, 'L' || n, {_MEMBER},
               'B' || n % {MEMBERS}, 'development', 30000, 12, 'year', 12, 2665.46, 31985.52,
               CASE WHEN n % 3 = 0 THEN 11985.52 ELSE 31985.52 END,
               CASE WHEN n % 3 = 0 THEN 20000 ELSE 0 END, CASE WHEN n % 3 = 0 THEN 19000 ELSE 0 END,
               CASE WHEN n % 3 = 0 THEN 'active' ELSE 'completed' END,
               {_DAY}, {_DAY}, {_DAY},
               current_date + 90, NULL, CASE WHEN n % 3 = 0 THEN current_date - n % 40 END,
               'a roof', now()
        FROM generate_series(1, {LOANS}) AS n""",
    "VACUUM ANALYZE read_summary.members, read_summary.loans, read_summary.movements",
    "VACUUM ANALYZE read_loans.loans",
)


def measure(services: Services, *, port: int, data_directory: Path) -> list[Figure]:
    """Summaries and pages of loans a second; asked again, and asked anew each time."""
    fill(database_urls(services.settings).owner)
    _, key = issue_key(services, CAUSE, name="Bench", permissions=tuple(Permission))
    headers = {"X-API-Key": key}

    def rate(wanted: list[bytes]) -> float:
        load = run_load(port, wanted)
        assert load.failures == 0, "every request was answered 200"
        return load.per_second

    def asked(path: str, count: int = REQUESTS) -> float:
        return rate([request_bytes("GET", f"{_BOOKS}/{path}", headers=headers)] * count)

    def each_anew(days: int) -> float:
        """Windows of so many days, each asked for once."""
        wanted = []
        for shift in itertools.islice(shifts, UNCACHED):
            last = today - timedelta(days=shift)
            query = f"date_from={last - timedelta(days=days)}&date_to={last}"
            path = f"{_BOOKS}/financial-summary?{query}"
            wanted.append(request_bytes("GET", path, headers=headers))
        return rate(wanted)

    today = business_day(clock.now())
    shifts = itertools.count()
    with processes(port, [["web"]], data_directory=data_directory):
        cursor = _cursor(port, key)
        summaries, month, year, list_again, list_anew = medians(
            lambda: asked("financial-summary"),
            lambda: each_anew(30),
            lambda: each_anew(364),
            lambda: asked("loans?per_page=50"),
            lambda: asked(f"loans?per_page=50&cursor={cursor}"),
        )
    return [
        Figure(
            "financial summaries/s over 100,000 loans, 500,000 repayments, 1,000,000"
            " contributions, beside one added up anew for each (a month)",
            summaries,
            month,
            summaries / month,
            "500/s",
            summaries >= SUMMARIES_A_SECOND,
        ),
        Figure("the same anew for a month, beside a year", month, year, month / year, "-", None),
        Figure(
            "lists of 50 out of 100,000 loans/s, beside one read anew for each (by cursor)",
            list_again,
            list_anew,
            list_again / list_anew,
            "1,000/s",
            list_again >= LISTS_A_SECOND,
        ),
    ]


def _cursor(port: int, key: str) -> str:
    """What brings the second fifty loans; what it brings is not remembered."""
    answer = requests.get(
        f"http://127.0.0.1:{port}{_BOOKS}/loans?per_page=50",
        headers={"X-API-Key": key},
        timeout=10,
    )
    answer.raise_for_status()
    return str(answer.json()["pagination"]["next_cursor"])


def fill(owner_url: str) -> None:
    """Write the rows into the read models' tables."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        for statement in _FILL:
            connection.execute(statement)
