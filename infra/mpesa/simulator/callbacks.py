"""How the simulated M-Pesa tells: the callback's body, and the threads that wait and deliver.

A delivery is tried once and a failure is forgotten, as with the real one.
"""

from __future__ import annotations

import heapq
import json
import time
from collections.abc import Callable
from itertools import count
from threading import Condition, Thread

import requests

from infra.mpesa.simulator.state import Told

RESULT_SENTENCES = {
    "0": "The service request is processed successfully.",
    "1": "The balance is insufficient for the transaction.",
    "1032": "Request cancelled by user",
    "1037": "DS timeout user cannot be reached",
    "2001": "The initiator information is invalid.",
    "2028": "The request is not permitted according to product assignment",
}
_WORKERS = 8
_JOBS_MAX = 100_000
_DELIVERY_TIMEOUTS = (3.0, 10.0)
_AMOUNT_PLACE = '"@amount@"'


def callback_body(told: Told) -> bytes:
    """The callback as Safaricom writes it: whole shillings with ".00", and a Balance left empty."""
    assert told.result_code is not None
    result: dict[str, object] = {
        "MerchantRequestID": told.push.merchant_request_id,
        "CheckoutRequestID": told.push.checkout_request_id,
        "ResultCode": int(told.result_code),
        "ResultDesc": RESULT_SENTENCES[told.result_code],
    }
    text = json.dumps({"Body": {"stkCallback": result | _metadata(told)}})
    # json knows no way to write 150.00, and readers must be ready for it.
    return text.replace(_AMOUNT_PLACE, f"{told.push.request.amount}.00").encode()


def deliver(url: str, body: bytes) -> int | None:
    """Post one callback; the status that was answered, or None when nobody did."""
    with requests.Session() as session:
        session.trust_env = False  # the callback goes where it is told, through no proxy
        try:
            answer = session.post(
                url,
                data=body,
                headers={"Content-Type": "application/json"},
                timeout=_DELIVERY_TIMEOUTS,
                allow_redirects=False,
            )
        except (requests.RequestException, OSError):
            return None
        return answer.status_code


def _metadata(told: Told) -> dict[str, object]:
    if told.result_code != "0":
        return {}
    assert told.payment is not None
    moment = "".join(letter for letter in told.payment.paid_at[:19] if letter.isdigit())
    items: list[dict[str, object]] = [
        {"Name": "Amount", "Value": "@amount@"},
        {"Name": "MpesaReceiptNumber", "Value": told.payment.receipt},
        {"Name": "Balance"},
        {"Name": "TransactionDate", "Value": int(moment)},
        {"Name": "PhoneNumber", "Value": int(told.payment.phone)},
    ]
    return {"CallbackMetadata": {"Item": items}}


class Timetable:
    """Runs jobs at their time, on a few daemon threads that start with the first job."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._jobs: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._threads: list[Thread] = []
        self._stopped = False

    def after(self, seconds: float, job: Callable[[], None]) -> bool:
        """Run the job later. False when stopped or full: the job will not run."""
        with self._changed:
            if self._stopped or len(self._jobs) >= _JOBS_MAX:
                return False
            heapq.heappush(self._jobs, (time.monotonic() + seconds, next(self._numbers), job))
            if not self._threads:
                self._threads = [Thread(target=self._work, daemon=True) for _ in range(_WORKERS)]
                for thread in self._threads:
                    thread.start()
            self._changed.notify()
        return True

    def stop(self) -> None:
        """Forget what is not yet due, and wait briefly for what is under way."""
        with self._changed:
            self._stopped = True
            self._jobs.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=sum(_DELIVERY_TIMEOUTS))

    def _work(self) -> None:
        while (job := self._next_job()) is not None:
            job()

    def _next_job(self) -> Callable[[], None] | None:
        with self._changed:
            while not self._stopped:
                wait_seconds = self._jobs[0][0] - time.monotonic() if self._jobs else None
                if wait_seconds is not None and wait_seconds <= 0:
                    return heapq.heappop(self._jobs)[2]
                self._changed.wait(wait_seconds)
        return None
