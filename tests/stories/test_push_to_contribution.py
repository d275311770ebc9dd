"""From a request over HTTP to the contribution that accounting pulls, through real processes."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import orjson
import pytest
import requests

from domain.identities import receipt_id
from domain.mpesa.commands import RecordQueryAnswer
from infra import clock
from infra.event_store.dispatch import dispatch
from infra.event_store.unit_of_work import Cause
from infra.mpesa.simulator.push_behaviours import BEHAVIOURS
from tests.support.books import Books
from tests.support.running_house import PROJECT, RunningHouse, push_body, running_house
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes as Linux shows them"),
]
PATIENCE = {
    "DAYSTAR_MPESA_ANSWER_SECONDS": "4",
    "DAYSTAR_MPESA_FIRST_QUERY_SECONDS": "2.5",
    "DAYSTAR_MPESA_FAILURE_QUERY_SECONDS": "0.5",
    "DAYSTAR_MPESA_QUERY_BACKOFF_SECONDS": "0.5",
    "DAYSTAR_MPESA_GIVE_UP_SECONDS": "120",
}
PAID, UNPAID = 2_000_00, 0
LIE = "failure_told_though_paid"
# What each behaviour of M-Pesa leads to, and the cents that reach the member's account.
DOCUMENTED: dict[str, tuple[str, int]] = {
    "success": ("succeeded", PAID),
    "cancelled": ("cancelled", UNPAID),
    "wrong_pin": ("failed", UNPAID),
    "no_balance": ("failed", UNPAID),
    "unreachable": ("failed", UNPAID),
    "no_callback": ("paid_receipt_awaited", PAID),
    "callback_twice": ("succeeded", PAID),
    "callback_before_acknowledgement": ("succeeded", PAID),
    "late_success": ("succeeded", PAID),
    "acknowledgement_lost": ("succeeded", PAID),
    "acknowledgement_withheld": ("succeeded", PAID),
    "request_lost": ("in_doubt", UNPAID),
    "still_processing": ("paid_receipt_awaited", PAID),
    "processing_500": ("paid_receipt_awaited", PAID),
    "token_killed": ("succeeded", PAID),
    "spike_arrest": ("succeeded", PAID),  # ten seconds' pause after each of three refusals
    "html_503": ("in_doubt", UNPAID),
    "html_200": ("in_doubt", UNPAID),
    "subscriber_locked": ("requested", UNPAID),  # and sent again a minute later
    "internal_error": ("in_doubt", UNPAID),
    "empty_error": ("in_doubt", UNPAID),
    "soap_fault": ("in_doubt", UNPAID),
    LIE: ("cancelled", UNPAID),  # such a code is final, and believed until something tells more
    "failure_told_after_success": ("succeeded", PAID),
    "callback_late": ("succeeded", PAID),
}
PUSH_PATH = "/daystar/v1/mpesa/stk-push"
TALE = [
    *("push.requested", "push.sent", "push.accepted"),
    *("account.contribution-received", "receipt.received", "receipt.attached-to-push"),
    *("receipt.placed", "push.succeeded"),
]
TOLD = {
    ("web", "request", PUSH_PATH),
    ("send-mpesa", "push_sent", None),
    ("web", "request", "/hooks/stk/<token>"),
    ("intake", "callback_settled", None),
}
_numbers = count(1)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHouse]:
    with running_house(tmp_path_factory.mktemp("story") / "var", **PATIENCE) as running:
        yield running


@pytest.fixture(scope="module")
def member(house: RunningHouse) -> Callable[..., UUID]:
    """Registers a new member, on whose phone M-Pesa behaves as wished."""

    def register(behaviour: str = "success") -> UUID:
        number = next(_numbers)
        return house.register(number, phone=f"0723{number:02d}99{BEHAVIOURS[behaviour].number:02d}")

    return register


def test_a_paid_push_becomes_a_contribution_that_accounting_pulls(house, member):
    payer = member()
    push_id = house.push(payer, "2000.00")
    contribution = eventually(lambda: house.contributions(payer), every=0.002)[0]
    seen_at = datetime.now(UTC)

    transaction = eventually(lambda: _in_state(house, push_id, "succeeded"))
    assert contribution["amount"] == transaction["amount_received"] == "2000.00"
    assert contribution["payment_method"] == "mpesa"
    assert contribution["payment_reference"] == transaction["receipt_number"]
    assert contribution["status"] == "completed"
    assert not transaction["in_suspense"]
    (paid,) = [row for row in house.ledger() if row["receipt"] == transaction["receipt_number"]]
    assert (paid["amount"], paid["phone"]) == (2000, transaction["phone"])
    with house.owner() as owner:
        received_at = owner.execute(
            "SELECT received_at FROM intake.callbacks WHERE subject_id = %s", (push_id,)
        ).fetchone()[0]
    milliseconds = (seen_at - received_at).total_seconds() * 1000
    print(f"\nfrom the callback to the accounting API: {milliseconds:.0f} ms")  # noqa: T201


def test_one_id_tells_the_whole_tale_of_a_payment(house, member):
    """As README tells to follow it: in the lines of all processes, and in the log."""
    payer = member()
    asked = house.post(PUSH_PATH, push_body(payer), headers={"X-Request-ID": f"asked-for-{payer}"})
    assert asked.headers["X-Request-ID"] == f"asked-for-{payer}"
    push_id = UUID(asked.json()["id"])
    eventually(lambda: _in_state(house, push_id, "succeeded"))
    grep, query = _as_readme_follows(push_id)

    def told() -> dict[tuple[str, str, str | None], dict[str, Any]]:
        command = ["sh", "-c", grep.replace("daystar.log", str(house.log))]
        found = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        lines = [orjson.loads(line) for line in found.splitlines()]
        return {(line["process"], line["event"], line.get("route")): line for line in lines}

    # A process may have yet to write its line when the next one has done its part already.
    lines = eventually(lambda: (seen := told()).keys() >= TOLD and seen, what=lambda: str(told()))
    with house.owner() as owner:
        events = owner.execute(query).fetchall()
        callback_id, stored_at = owner.execute(
            "SELECT callback_id, received_at FROM intake.callbacks WHERE subject_id = %s",
            (push_id,),
        ).fetchone()
    moments = {topic: recorded_at for recorded_at, _, topic, _ in events}
    assert [topic for _, _, topic, _ in events] == TALE
    causes = [because["causation_id"] for _, _, _, because in events]
    request, told_us = f"request:asked-for-{payer}", f"callback:{callback_id}"
    assert causes == [request, "due:send/1", "due:send/1", *[told_us] * len(TALE[3:])]
    assert lines["web", "request", PUSH_PATH]["request_id"] == f"asked-for-{payer}"
    settled = lines["intake", "callback_settled", None]
    assert (settled["callback"], settled["outcome"]) == (callback_id, "applied")

    def written(*line: str | None) -> datetime:
        return datetime.fromisoformat(lines[line]["timestamp"])

    assert moments["push.requested"] < written("web", "request", PUSH_PATH)
    assert moments["push.requested"] < moments["push.sent"] < stored_at
    assert moments["push.accepted"] < written("send-mpesa", "push_sent", None)
    assert stored_at < written("web", "request", "/hooks/stk/<token>")
    assert stored_at < moments["account.contribution-received"]
    assert moments["account.contribution-received"] < written("intake", "callback_settled", None)


def _as_readme_follows(push_id: UUID) -> tuple[str, str]:
    """README's command and its query, about this push."""
    told = (PROJECT / "README.md").read_text().partition("**Following one payment.**")[2]
    command, query = re.findall(r"```(?:sql)?\n(.*?)\n```", told, re.DOTALL)[:2]
    return command.replace("PUSH_ID", str(push_id)), query.replace("PUSH_ID", str(push_id))


def test_a_callback_told_five_times_while_a_query_answers_posts_once(house, member):
    """Ten members at once: each gets the callback five times and a query's answer, together."""
    payers = [member("no_callback") for _ in range(10)]
    pushes = [house.push(payer) for payer in payers]
    checkouts = eventually(lambda: _checkouts_paid(house, pushes))

    with house.services() as services:
        start = threading.Barrier(6 * len(pushes))

        def tell(checkout: str) -> None:
            start.wait()
            assert house.resend(checkout)["status"] == 200

        def answer(push_id: UUID) -> None:
            start.wait()
            command = RecordQueryAnswer(push_id, "0", "Paid.", clock.now())
            dispatch(services.store, command, Cause("test", str(push_id)))

        with ThreadPoolExecutor(6 * len(pushes)) as threads:
            told = [threads.submit(tell, c) for c in checkouts for _ in range(5)]
            told += [threads.submit(answer, push_id) for push_id in pushes]
        for each in told:
            each.result()
        eventually(lambda: all(_in_state(house, push_id, "succeeded") for push_id in pushes))
        eventually(lambda: _nothing_waits(house))
        _check_paid_once(house, Books(services.store), payers, pushes)

        before = services.store.log.max_notification_id()
        with ThreadPoolExecutor(5) as threads:
            list(threads.map(house.resend, checkouts * 5))
        eventually(lambda: _nothing_waits(house))
        assert services.store.log.max_notification_id() == before


def _check_paid_once(
    house: RunningHouse, books: Books, payers: list[UUID], pushes: list[UUID]
) -> None:
    for payer, push_id in zip(payers, pushes, strict=True):
        (contribution,) = eventually(lambda payer=payer: house.contributions(payer))
        assert contribution["amount"] == "2000.00"
        receipts = [each for each in books.receipts.values() if each.push_id == str(push_id)]
        assert [receipt.amount_cents for receipt in receipts] == [2_000_00]
        (account,) = [each for each in books.accounts.values() if each.member_id == str(payer)]
        assert account.contributed_cents == 2_000_00


def test_each_behaviour_of_mpesa_ends_in_its_documented_state(house, member):
    assert set(DOCUMENTED) == set(BEHAVIOURS)
    payers = {name: member(name) for name in DOCUMENTED}
    pushes = {name: house.push(payer) for name, payer in payers.items()}

    def all_ended() -> bool:
        return all(_in_state(house, pushes[name], DOCUMENTED[name][0]) for name in DOCUMENTED)

    def unended() -> dict[str, str]:
        states = {name: house.transaction(push_id)["status"] for name, push_id in pushes.items()}
        return {name: state for name, state in states.items() if state != DOCUMENTED[name][0]}

    eventually(
        lambda: all_ended() and _was_refused(house, pushes), within=90, every=0.25, what=unended
    )
    for name, (_, cents) in DOCUMENTED.items():
        amounts = [each["amount"] for each in house.contributions(payers[name])]
        assert amounts == ([f"{cents // 100}.00"] if cents else []), name

    asked_about = {
        line["correlation_id"]
        for line in map(orjson.loads, house.log.read_text().splitlines())
        if line["event"] == "push_asked_about"
    }
    assert str(pushes["no_callback"]) in asked_about
    lied_about = house.transaction(pushes.pop(LIE))["account_reference"]
    ours = {house.transaction(push_id)["account_reference"] for push_id in pushes.values()}
    ledger = [row for row in house.ledger() if row["account_reference"] in ours]
    assert lied_about in {row["account_reference"] for row in house.ledger()}
    with house.services() as services:
        bookings = Books(services.store).bookings(ledger)
    assert len(bookings) == sum(cents > 0 for _, cents in DOCUMENTED.values())
    assert all(booking.booked_cents == booking.paid_cents for booking in bookings)


def _was_refused(house: RunningHouse, pushes: dict[str, UUID]) -> bool:
    """The busy payer's push was handed over, refused, and is to be sent again in a minute."""
    with house.owner() as owner:
        row = owner.execute(
            "SELECT since - now() FROM read_mpesa_due.requests"
            " WHERE request_id = %s AND action = 'send' AND since > now()",
            (pushes["subscriber_locked"],),
        ).fetchone()
    return row is not None


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"amount": 1_999}, "amount_mismatch"),
        ({"amount": 2_001}, "amount_mismatch"),
        ({"phone": "254711999999"}, "payer_mismatch"),
    ],
)
def test_money_that_does_not_fit_its_push_goes_to_suspense_with_the_reason(
    house, member, told, reason
):
    payer = member("request_lost")
    push_id = house.push(payer)
    phone = eventually(lambda: _in_state(house, push_id, "in_doubt"))["phone"]
    receipt = f"TKN{push_id.hex[:7].upper()}"
    body = _callback(receipt, **({"amount": 2_000, "phone": phone} | told))

    with house.services() as services, ThreadPoolExecutor(5) as threads:
        address = services.stk_callback_url(push_id)
        answers = list(threads.map(lambda _: _post(address, body), range(5)))
        assert [answer.json()["ResultCode"] for answer in answers] == [0] * 5

        transaction = eventually(lambda: _in_state(house, push_id, "succeeded"))
        assert transaction["in_suspense"]
        assert transaction["suspense_reason"] == reason
        assert transaction["receipt_number"] == receipt
        assert house.contributions(payer) == []
        held = Books(services.store).receipts[receipt_id(receipt)]
        assert held.suspended_cents == held.amount_cents == told.get("amount", 2_000) * 100


def test_what_a_member_has_put_in_is_the_sum_of_their_contributions(house, member):
    payer = member()
    for amount in ("500.00", "1234.50", "2000.00"):
        push_id = house.push(payer, amount)
        eventually(lambda push_id=push_id: _in_state(house, push_id, "succeeded"))
    listed = eventually(lambda: (found := house.contributions(payer))[2:] and found)
    assert sorted(Decimal(each["amount"]) for each in listed) == [500, 1235, 2000]
    with house.owner() as owner:
        total = owner.execute(
            "SELECT total_contributions FROM read_members.members WHERE member_id = %s", (payer,)
        ).fetchone()[0]
    assert total == 3735


def _in_state(house: RunningHouse, push_id: UUID, state: str) -> dict[str, Any] | None:
    transaction = house.transaction(push_id)
    return transaction if transaction["status"] == state else None


def _checkouts_paid(house: RunningHouse, pushes: list[UUID]) -> list[str]:
    """The CheckoutRequestIDs, once Safaricom has accepted all pushes and moved the money."""
    paid = {row["checkout_request_id"] for row in house.ledger()}
    known = [house.transaction(push_id)["checkout_request_id"] for push_id in pushes]
    return known if set(known) <= paid else []


def _nothing_waits(house: RunningHouse) -> bool:
    with house.owner() as owner:
        row = owner.execute(
            "SELECT count(*) FROM intake.callbacks WHERE state = 'waiting'"
        ).fetchone()
    return row == (0,)


def _callback(receipt: str, *, amount: int, phone: str) -> bytes:
    items = {
        "Amount": amount,
        "MpesaReceiptNumber": receipt,
        "TransactionDate": int(f"{datetime.now(UTC):%Y%m%d%H%M%S}"),
        "PhoneNumber": int(phone),
    }
    return orjson.dumps(
        {
            "Body": {
                "stkCallback": {
                    "MerchantRequestID": "29115-34620561-1",
                    "CheckoutRequestID": "ws_CO_191220191020363925",
                    "ResultCode": 0,
                    "ResultDesc": "The service request is processed successfully.",
                    "CallbackMetadata": {
                        "Item": [{"Name": name, "Value": value} for name, value in items.items()]
                    },
                }
            }
        }
    )


def _post(address: str, body: bytes) -> requests.Response:
    return requests.post(
        address, data=body, headers={"Content-Type": "application/json"}, timeout=10
    )
