"""STK callbacks over HTTP: raw row, decision, events, all durable."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from uuid import UUID

from app.wiring import Services
from domain.dates import NAIROBI
from tests.benchmarks.figures import Figure
from tests.benchmarks.house import make_accepted_pushes, make_members, processes
from tests.benchmarks.load import request_bytes, run_load

CALLBACKS = 9_000
OFFERED_A_SECOND = 850.0
TARGET_A_SECOND = 800
TARGET_P99_MILLISECONDS = 100

_POSTED = "SELECT count(*) FROM event_store.events WHERE topic = 'push.succeeded'"


def measure(services: Services, *, port: int, data_directory: Path) -> list[Figure]:
    """How many callbacks a second become events, and how long Safaricom waits for the answer."""
    pushes = make_accepted_pushes(services, make_members(services, CALLBACKS))
    requests = [_callback(services, push_id, number) for number, push_id in enumerate(pushes)]
    third = len(requests) // 3
    with processes(port, [["web"], ["intake"], ["follow"]], data_directory=data_directory):
        full_speed = _post(services, port, requests[:third], rate=None)
        fast = _paced(services, port, requests[third : 2 * third], rate=OFFERED_A_SECOND)
        usual = _paced(services, port, requests[2 * third :], rate=OFFERED_A_SECOND / 2)
    return [
        Figure(
            "STK callbacks posted/s, answer to events, as fast as they come",
            full_speed,
            TARGET_A_SECOND,
            full_speed / TARGET_A_SECOND,
            "800/s",
            full_speed >= TARGET_A_SECOND,
        ),
        *(
            Figure(
                f"STK callback answered, p99 ms at {rate:,.0f}/s",
                latency_seconds * 1000,
                TARGET_P99_MILLISECONDS,
                latency_seconds * 1000 / TARGET_P99_MILLISECONDS,
                "below 100 ms",
                latency_seconds * 1000 < TARGET_P99_MILLISECONDS,
            )
            for rate, latency_seconds in (fast, usual)
        ),
    ]


def _post(services: Services, port: int, requests: list[bytes], *, rate: float | None) -> float:
    """Callbacks a second, counted until the last one's events are appended."""
    before = counted(services, _POSTED)
    load = run_load(port, requests, rate=rate)
    assert load.failures == 0, "every callback was answered 200"
    answered = time.perf_counter()
    while counted(services, _POSTED) < before + len(requests):
        time.sleep(0.01)
    # The generator's own start-up does not count; what intake does after the last answer does.
    return len(requests) / (load.seconds + time.perf_counter() - answered)


def _paced(
    services: Services, port: int, requests: list[bytes], *, rate: float
) -> tuple[float, float]:
    before = counted(services, _POSTED)
    load = run_load(port, requests, rate=rate)
    assert load.failures == 0, "every callback was answered 200"
    while counted(services, _POSTED) < before + len(requests):
        time.sleep(0.01)
    return load.per_second, load.percentile(0.99)


def counted(services: Services, statement: str) -> int:
    """What a counting query answers now."""
    with services.pool.connection() as connection:
        row = connection.execute(statement).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return int(row[0])


def _callback(services: Services, push_id: UUID, number: int) -> bytes:
    items = [
        {"Name": "Amount", "Value": 2000.00},
        {"Name": "MpesaReceiptNumber", "Value": f"UB{number:08d}"},
        {"Name": "Balance"},
        {
            "Name": "TransactionDate",
            "Value": int(datetime.now(NAIROBI).strftime("%Y%m%d%H%M%S")),
        },
        {"Name": "PhoneNumber", "Value": int(f"2547{number:08d}")},
    ]
    body = {
        "Body": {
            "stkCallback": {
                "MerchantRequestID": "bench",
                "CheckoutRequestID": f"ws_CO_{push_id.hex}",
                "ResultCode": 0,
                "ResultDesc": "The service request is processed successfully.",
                "CallbackMetadata": {"Item": items},
            }
        }
    }
    token = services.keyring.callback_token("stk", push_id)
    return request_bytes("POST", f"/hooks/stk/{token}", body=json.dumps(body).encode())
