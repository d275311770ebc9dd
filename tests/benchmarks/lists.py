"""Lists over HTTP: fifty of a hundred thousand, with key check and log line; and how deep."""

from __future__ import annotations

from pathlib import Path

import requests

from app.cli.administration import issue_key
from app.wiring import Services
from domain.api_keys.api_key import Permission
from tests.benchmarks.figures import Figure, medians
from tests.benchmarks.house import CAUSE, make_contributions, make_members, processes
from tests.benchmarks.load import request_bytes, run_load

MEMBERS, EACH = 1_000, 100
REQUESTS = 4_000
DEPTH_REQUESTS = 1_500
TARGET_A_SECOND = 1_000
FLAT_MIN = 0.9  # two runs differ by as much
_LIST = "/daystar-accounting/v1/contributions?per_page=50&page={page}"


def measure(services: Services, *, port: int, data_directory: Path) -> list[Figure]:
    """List requests a second, beside the same server answering nothing at all."""
    make_contributions(services, make_members(services, MEMBERS), EACH)
    services.follower().catch_up()
    _, key = issue_key(services, CAUSE, name="Bench", permissions=tuple(Permission))
    headers = {"X-API-Key": key}
    pages = [
        request_bytes("GET", _LIST.format(page=1 + n % 20), headers=headers)
        for n in range(REQUESTS)
    ]
    nothing = [request_bytes("GET", "/livez")] * REQUESTS

    def rate(wanted: list[bytes]) -> float:
        load = run_load(port, wanted)
        assert load.failures == 0, "every request was answered 200"
        return load.per_second

    def depth(query: str) -> float:
        path = f"/daystar-accounting/v1/contributions?per_page=50&{query}"
        return rate([request_bytes("GET", path, headers=headers)] * DEPTH_REQUESTS)

    with processes(port, [["web"]], data_directory=data_directory):
        ours, beside = medians(lambda: rate(pages), lambda: rate(nothing))
        first, middle, end = _cursors(port, key)
        at_first, at_middle, at_end, page_1, page_end = medians(
            lambda: depth(f"cursor={first}"),
            lambda: depth(f"cursor={middle}"),
            lambda: depth(f"cursor={end}"),
            lambda: depth("page=1"),
            lambda: depth(f"page={MEMBERS * EACH // 50}"),
        )
    return [
        Figure(
            "lists of 50 out of 100,000 contributions/s, beside /livez",
            ours,
            beside,
            ours / beside,
            "1,000/s",
            ours >= TARGET_A_SECOND,
        ),
        _flat("in the middle of 100,000", at_middle, at_first),
        _flat("at the end of 100,000", at_end, at_first),
        Figure(
            "lists of 50 by page number/s, the last of 100,000 beside the first page",
            page_end,
            page_1,
            page_end / page_1,
            "-",
            None,
        ),
    ]


def _flat(where: str, there: float, at_first: float) -> Figure:
    return Figure(
        f"lists of 50 by cursor/s, {where}, beside the beginning",
        there,
        at_first,
        there / at_first,
        "as fast",
        there >= FLAT_MIN * at_first,
    )


def _cursors(port: int, key: str) -> tuple[str, str, str]:
    """The cursors that bring the second fifty, the fifty in the middle, and the last fifty."""
    url = f"http://127.0.0.1:{port}/daystar-accounting/v1/contributions"
    cursors: list[str] = []
    parameters = {"per_page": "50"}
    with requests.Session() as session:
        session.headers["X-API-Key"] = key
        while True:
            answer = session.get(url, params=parameters, timeout=10)
            answer.raise_for_status()
            cursor = answer.json()["pagination"]["next_cursor"]
            if cursor is None:
                break
            cursors.append(cursor)
            parameters = {"per_page": "50", "cursor": cursor}
    assert len(cursors) == MEMBERS * EACH // 50 - 1
    return cursors[0], cursors[len(cursors) // 2], cursors[-1]
