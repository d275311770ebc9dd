"""Paybill confirmations over HTTP: raw row, decision, events, all durable."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path

from app.wiring import Services
from domain.dates import NAIROBI
from tests.benchmarks.callbacks import TARGET_A_SECOND, TARGET_P99_MILLISECONDS, counted
from tests.benchmarks.figures import Figure
from tests.benchmarks.house import make_members, processes
from tests.benchmarks.load import request_bytes, run_load

CONFIRMATIONS = 9_000
OFFERED_A_SECOND = 850.0
SHORT_CODE = "174379"

_POSTED = "SELECT count(*) FROM event_store.events WHERE topic = 'receipt.placed'"


def measure(services: Services, *, port: int, data_directory: Path) -> list[Figure]:
    """How many confirmations a second become events, and how long Safaricom waits."""
    make_members(services, CONFIRMATIONS)
    path = services.paybill_url(SHORT_CODE, "confirmation")
    path = path.removeprefix(services.settings.public_url)
    requests = [_confirmation(path, number) for number in range(CONFIRMATIONS)]
    third = len(requests) // 3
    with processes(port, [["web"], ["intake"], ["follow"]], data_directory=data_directory):
        full_speed, _ = _told(services, port, requests[:third], rate=None)
        fast = _told(services, port, requests[third : 2 * third], rate=OFFERED_A_SECOND)
        usual = _told(services, port, requests[2 * third :], rate=OFFERED_A_SECOND / 2)
    return [
        Figure(
            "paybill confirmations posted/s, answer to events, as fast as they come",
            full_speed,
            TARGET_A_SECOND,
            full_speed / TARGET_A_SECOND,
            "800/s",
            full_speed >= TARGET_A_SECOND,
        ),
        *(
            Figure(
                f"paybill confirmation answered, p99 ms at {offered:,.0f}/s offered",
                seconds * 1000,
                TARGET_P99_MILLISECONDS,
                seconds * 1000 / TARGET_P99_MILLISECONDS,
                "below 100 ms",
                seconds * 1000 < TARGET_P99_MILLISECONDS,
            )
            for offered, (_, seconds) in ((OFFERED_A_SECOND, fast), (OFFERED_A_SECOND / 2, usual))
        ),
    ]


def _told(
    services: Services, port: int, requests: list[bytes], *, rate: float | None
) -> tuple[float, float]:
    """Confirmations a second, until the last one's events are appended; and the answers' p99."""
    before = counted(services, _POSTED)
    load = run_load(port, requests, rate=rate)
    assert load.failures == 0, "every confirmation was answered 200"
    answered = time.perf_counter()
    while counted(services, _POSTED) < before + len(requests):
        time.sleep(0.01)
    # The generator's own start-up does not count; what intake does after the last answer does.
    seconds = load.seconds + time.perf_counter() - answered
    return len(requests) / seconds, load.percentile(0.99)


def _confirmation(path: str, number: int) -> bytes:
    """Of a member of `make_members`, who typed the member number."""
    body = {
        "TransactionType": "Pay Bill",
        "TransID": f"UC{number:08d}",
        "TransTime": datetime.now(NAIROBI).strftime("%Y%m%d%H%M%S"),
        "TransAmount": "2000.00",
        "BusinessShortCode": SHORT_CODE,
        "BillRefNumber": f"b{number:08d}",
        "InvoiceNumber": "",
        "OrgAccountBalance": "41880264.80",
        "ThirdPartyTransID": "",
        "MSISDN": f"2547 ***** {number % 1000:03d}",
        "FirstName": "BENCH",
        "MiddleName": "",
        "LastName": "PAYER",
    }
    return request_bytes("POST", path, body=json.dumps(body).encode())
