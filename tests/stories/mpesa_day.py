"""A day of M-Pesa in a hurry: members and strangers who pay, clerks who refund, and the truth.

The truth is the ledger of Safaricom's stand-in, which runs beside the house and is not killed.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID, uuid4

import requests

from domain.contributions.commands import RecordContribution
from domain.contributions.rules import ContributionRules, ContributionType, PaymentMethod
from domain.dates import business_day
from infra import clock
from infra.event_store.dispatch import dispatch
from infra.mpesa.simulator.certificate import (
    INITIATOR_NAME,
    INITIATOR_PASSWORD,
    certificate_pem,
)
from tests.support.co_operative import CAUSE
from tests.support.running_house import PROJECT, RunningHouse, push_body
from tests.support.waiting import eventually

CLIENTS = 8
PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 0.2, 1.2  # so that a short day outlasts some kills too
SHORT_CODE = "174379"
IMPATIENCE = {  # everything happens in seconds, not in minutes
    "DAYSTAR_MPESA_ANSWER_SECONDS": "4",
    "DAYSTAR_MPESA_FIRST_QUERY_SECONDS": "2.5",
    "DAYSTAR_MPESA_FAILURE_QUERY_SECONDS": "1",
    "DAYSTAR_MPESA_QUERY_BACKOFF_SECONDS": "0.5,1,2",
    "DAYSTAR_MPESA_GIVE_UP_SECONDS": "60",
    "DAYSTAR_PAYOUT_ANSWER_SECONDS": "6",
    "DAYSTAR_PAYOUT_DOUBT_SECONDS": "1",
    "DAYSTAR_PAYOUT_RESULT_SECONDS": "4",
    "DAYSTAR_PAYOUT_BACKOFF_SECONDS": "1,2,4",
    "DAYSTAR_PAYOUT_REVIEW_SECONDS": "600",
    "DAYSTAR_PAYOUT_FLOAT_SECONDS": "20",
}
CREDENTIALS = {
    "DAYSTAR_ENV": "demo",
    "DAYSTAR_MPESA_CONSUMER_KEY": "simulator-consumer-key",
    "DAYSTAR_MPESA_CONSUMER_SECRET": "simulator-consumer-secret",
    "DAYSTAR_MPESA_SHORT_CODE": SHORT_CODE,
    "DAYSTAR_MPESA_PASS_KEY": "simulator-pass-key",
    "DAYSTAR_MPESA_INITIATOR": INITIATOR_NAME,
    "DAYSTAR_MPESA_INITIATOR_PASSWORD": INITIATOR_PASSWORD,
}
# How Safaricom's stand-in behaves, by weight.
MIXES: dict[str, dict[str, int]] = {
    "push": {
        "success": 60,
        "cancelled": 4,
        "no_balance": 4,
        "unreachable": 3,
        "no_callback": 5,
        "callback_twice": 6,
        "callback_before_acknowledgement": 5,
        "late_success": 4,
        "acknowledgement_lost": 4,
        "request_lost": 2,
        "still_processing": 3,
    },
    "paybill": {
        "confirmed": 70,
        "no_confirmation": 8,
        "confirmed_twice": 14,
        "confirmed_late": 8,
    },
    "payout": {
        "success": 52,
        "unregistered": 4,
        "no_result": 5,
        "result_twice": 6,
        "result_before_acknowledgement": 6,
        "timeout_then_success": 4,
        "timeout_only": 3,
        "acknowledgement_lost": 6,
        "request_lost": 2,
        "busy_though_taken": 3,
        "failure_told_before_success": 2,
        "failure_told_after_success": 2,
        "unclear_status": 2,
        "internal_failure_though_done": 2,
        "failed_untold": 1,
    },
    "status": {"success": 90, "no_result": 5, "result_twice": 5},
}


@contextmanager
def safaricom(house: RunningHouse) -> Iterator[None]:
    """Safaricom's stand-in as a process of its own, whom nobody here kills."""
    with house.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "simulator"],
            cwd=PROJECT,
            env=house.environment | {"DAYSTAR_DATA_DIR": str(house.data_directory.parent)},
            stderr=log,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def house_beside_safaricom(house: RunningHouse) -> None:
    """Point the house at the stand-in, with the certificate that it decrypts by."""
    certificate = house.data_directory.parent / "safaricom-certificate.pem"
    certificate.write_text(certificate_pem(house.data_directory.parent))
    house.environment |= {
        "DAYSTAR_MPESA_BASE_URL": house.simulator_url,
        "DAYSTAR_MPESA_CERTIFICATE": str(certificate),
    }


def ask_safaricom(house: RunningHouse, path: str, **body: Any) -> Any:
    """One of the stand-in's own paths."""
    answer = requests.post(f"{house.simulator_url}/simulator/{path}", json=body, timeout=30)
    assert answer.ok, answer.text
    return answer.json()


class Day:
    """So many operations, mixed, by clients who do not give up until each is answered."""

    def __init__(self, house: RunningHouse, *, operations: int) -> None:
        self._house = house
        self.operations = operations
        self.done = 0
        self.ended = threading.Event()
        self._threads = ThreadPoolExecutor(CLIENTS)
        self._keys = {
            name: (house.data_directory / f"demo-{name}-key").read_text().strip()
            for name in ("api", "approver")
        }
        self._lock = threading.Lock()
        self._working: list[Future[None]] = []
        self.refused: list[str] = []

    def prepare(self) -> None:
        """Members to pay, and members with deposits to be refunded."""
        people = self._threads.map(self._house.register, range(self.operations // 4 + 4))
        self.members = list(people)
        today = business_day(clock.now())
        self.numbers = eventually(self._member_numbers)
        with self._house.services() as services:
            for number, member_id in enumerate(self.members):
                command = RecordContribution(
                    contribution_id=uuid4(),
                    member_id=member_id,
                    contribution_type=ContributionType.MONTHLY,
                    amount_cents=9_000_00,
                    payment_method=PaymentMethod.CASH,
                    payment_reference=f"SOAK{number}",
                    contributed_on=today,
                    today=today,
                    rules=ContributionRules(),
                )
                dispatch(services.store, command, CAUSE)

    def begin(self) -> None:
        self._working = [
            self._threads.submit(self._operation, number) for number in range(self.operations)
        ]

    def finish(self) -> None:
        for each in self._working:
            each.result(timeout=900)
        self._threads.shutdown()

    def stop(self) -> None:
        self.ended.set()
        self._threads.shutdown(cancel_futures=True)

    def resolve_suspense(self) -> int:
        """Clerk and approver clear the suspense desk: refunds, reversals and assignments."""
        listed = self._get("/daystar/v1/mpesa/suspense", per_page=100)["suspense"]
        open_ones = [row for row in listed if row["proposal"] is None]
        for number, row in enumerate(open_ones):
            self._resolve(row, number)
        return len(open_ones)

    def settle_reviews(self, ledger: list[dict[str, Any]]) -> int:
        """Two persons look into Safaricom's books for what nobody could tell otherwise."""
        paid = {
            row["originator_conversation_id"]: row
            for row in ledger
            if row["kind"] == "payout" and row["status"] == "Completed"
        }
        reversed_ = {row["reverses"]: row for row in ledger if row["kind"] == "reversal"}
        waiting = self._get("/daystar/v1/mpesa/payouts/waiting")["payouts"]
        for payout in waiting:
            row = paid.get(payout["id"]) or reversed_.get(payout["reverses"])
            body = {"outcome": "paid" if row else "not_paid", "evidence": "the statement"}
            if row:
                body["receipt_number"] = row["receipt"]
            path = f"/daystar/v1/mpesa/payouts/{payout['id']}/settlement"
            if payout["proposal"] is None:
                self._must("api", path, body)
            self._must("approver", f"{path}/confirmation", {})
        return len(waiting)

    # One operation each.

    def _operation(self, number: int) -> None:
        self.ended.wait(PAUSE_SECONDS_MIN if self.operations > 1_000 else PAUSE_SECONDS_MAX)
        member = number // 4 % len(self.members)
        match number % 4:
            case 0:
                self._push(member, number)
            case 1 | 2:
                self._pay(member, number)
            case _:
                self._refund(member)
        with self._lock:
            self.done += 1

    def _push(self, member: int, number: int) -> None:
        body = push_body(self.members[member], f"{1_000 + number % 500}.00")
        self._must("api", "/daystar/v1/mpesa/stk-push", body)

    def _pay(self, member: int, number: int) -> None:
        """A customer pays the paybill, whoever of us is alive."""
        typed = self.numbers[self.members[member]]
        account_number = (typed, f"{typed}-S", typed.lower(), "NOBODY 7", f"{typed}")[number % 5]
        ask_safaricom(
            self._house,
            "payments",
            phone=f"254724{member:06d}",
            amount=500 + number % 700,
            account_number=account_number,
        )

    def _refund(self, member: int) -> None:
        body = {
            "member_id": str(self.members[member]),
            "contribution_type": "monthly",
            "amount": f"{100 + member % 90}.00",
            "payment_method": "mpesa",
            "reason": "asked for it",
        }
        proposed = self._must("api", "/daystar/v1/refunds", body)
        if proposed is not None:
            self._must("approver", f"/daystar/v1/refunds/{proposed['id']}/confirmation", {})

    def _resolve(self, row: dict[str, Any], number: int) -> None:
        path = f"/daystar/v1/mpesa/suspense/{row['id']}/proposals"
        whole = row["amount"] == row["suspended_amount"]
        if number % 3 == 0:
            body = {"resolution": "refund", "phone": f"0725{number:06d}"}
        elif number % 3 == 1 and whole:
            body = {"resolution": "reverse"}
        else:
            body = {"resolution": "assign", "member_id": str(self.members[number % 4])}
        proposed = self._must("api", path, body | {"note": "looked into"})
        if proposed is not None:
            confirmation = f"{path}/{proposed['proposal_id']}/confirmation"
            self._must("approver", confirmation, {})

    def _must(self, who: str, path: str, body: dict[str, Any]) -> Any:
        """Say it until it is answered, always with the same Idempotency-Key.

        None where it is refused for good: a rule forbids it by now.
        """
        headers = {"X-API-Key": self._keys[who], "Idempotency-Key": uuid4().hex}
        while not self.ended.is_set():
            answer = None
            with suppress(requests.RequestException):
                answer = requests.post(
                    self._house.url + path, json=body, headers=headers, timeout=15
                )
            if answer is not None and answer.ok:
                return answer.json()
            if answer is not None and answer.status_code < 500:
                code = answer.json()["code"]
                if code != "idempotency_key_in_flight":
                    self.refused.append(code)
                    return None
            self.ended.wait(0.3)
        return None

    def _get(self, path: str, **parameters: Any) -> Any:
        answer = self._house.get(path, **parameters)
        assert answer.ok, answer.text
        return answer.json()

    def _member_numbers(self) -> dict[UUID, str]:
        with self._house.owner() as owner:
            rows = owner.execute("SELECT member_id, member_number FROM read_members.members")
            known = dict(rows.fetchall())
        return known if set(self.members) <= set(known) else {}
