"""Lists over HTTP: fifty of a hundred thousand, with key check and log line."""

from __future__ import annotations

from pathlib import Path

from app.cli.administration import issue_key
from app.wiring import Services
from domain.api_keys.api_key import Permission
from tests.benchmarks.figures import Figure, medians
from tests.benchmarks.house import CAUSE, make_contributions, make_members, processes
from tests.benchmarks.load import request_bytes, run_load

MEMBERS, EACH = 1_000, 100
REQUESTS = 4_000
TARGET_A_SECOND = 1_000
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

    def rate(requests: list[bytes]) -> float:
        load = run_load(port, requests)
        assert load.failures == 0, "every request was answered 200"
        return load.per_second

    with processes(port, [["web"]], data_directory=data_directory):
        ours, beside = medians(lambda: rate(pages), lambda: rate(nothing))
    return [
        Figure(
            "lists of 50 out of 100,000 contributions/s, beside /livez",
            ours,
            beside,
            ours / beside,
            "1,000/s",
            ours >= TARGET_A_SECOND,
        )
    ]
