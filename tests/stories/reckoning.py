"""The reckoning after the storm: nothing lost, nothing twice, and every table as the log says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from app.wiring import Services
from domain.identities import receipt_id
from infra.event_store.personal_keys import PersonalKeys
from infra.event_store.reader import LogReader
from projections.follower import Follower
from projections.installation import install_read_models, schema_name
from projections.read_models import READ_MODELS
from tests.support.books import Booking, Books
from tests.support.running_house import RunningHouse
from tests.support.waiting import eventually

TELLERS = 8
OPEN = {"requested", "sent", "accepted"}
# Where M-Pesa's word can still be outstanding: a lost acknowledgement with a lost callback, and a
# payment after a failure that was not final whose callback was lost.
UNTOLD = {"in_doubt", "failed"}


def settled_ledger(house: RunningHouse, services: Services) -> list[dict[str, Any]]:
    """The ledger, once no push waits for anything any more."""

    def nothing_open() -> bool:
        states = [push.state for push in Books(services.store).pushes.values()]
        return not OPEN & set(states) and no_callback_waits(house)

    eventually(nothing_open, within=90, every=0.5, what=lambda: what_is_open(house))
    eventually(lambda: house.get("/readyz").json()["status"] == "ready")
    return house.ledger()


def what_is_open(house: RunningHouse) -> str:
    query = (
        "SELECT t.transaction_id, t.status, t.requested_at, d.action, d.since, now()"
        " FROM read_mpesa_transactions.transactions t"
        " LEFT JOIN read_mpesa_due.requests d ON d.request_id = t.transaction_id"
        " WHERE d.action IS NOT NULL OR t.status = ANY(%s)"
    )
    with house.owner() as owner:
        rows = owner.execute(query, (list(OPEN),)).fetchall()
    return "\n".join(" ".join(map(str, row)) for row in rows)


def no_callback_waits(house: RunningHouse) -> bool:
    query = "SELECT count(*) FROM intake.callbacks WHERE state = 'waiting'"
    with house.owner() as owner:
        return owner.execute(query).fetchone() == (0,)


def check_pushes(
    house: RunningHouse, services: Services, accepted: dict[UUID, dict[str, Any]]
) -> None:
    """Each request that was answered 202 is a push, and there is no other."""
    pushes = Books(services.store).pushes
    assert {UUID(answer["id"]) for answer in accepted.values()} == set(pushes)
    for member_id, answer in accepted.items():
        push = pushes[UUID(answer["id"])]
        assert push.member_id == str(member_id)
        assert push.account_reference == answer["account_reference"]
        assert house.transaction(push.id)["status"] == push.state


def check_every_shilling(
    house: RunningHouse, services: Services, ledger: list[dict[str, Any]]
) -> list[str]:
    """Each payment of the ledger is booked whole and once, or nothing of it is and nobody told us.

    The second can only be where both the acknowledgement and the callback were lost with the
    process that should have had them (in doubt), or where a payment after a failure was told to a
    door that was shut. Answers the states of those.
    """
    books = Books(services.store)
    bookings = books.bookings(ledger)
    assert len({booking.push_id for booking in bookings}) == len(ledger), "one payment a push"
    untold = [booking for booking in bookings if booking.booked_cents == 0]
    for booking in bookings:
        assert booking.push_id is not None, booking
        assert booking.booked_cents in (booking.paid_cents, 0), booking
    for booking in untold:
        assert booking.push_state in UNTOLD, booking
        assert receipt_id(booking.receipt_number) not in books.receipts, booking
        assert not was_told(house, booking), booking
    paid = sum(booking.paid_cents for booking in bookings)
    assert books.booked_cents == paid - sum(booking.paid_cents for booking in untold)
    numbers = [receipt.receipt_number for receipt in books.receipts.values()]
    assert len(numbers) == len(set(numbers))
    assert set(numbers) <= {row["receipt"] for row in ledger}, "no money but the ledger's"
    return [str(booking.push_state) for booking in untold]


def was_told(house: RunningHouse, booking: Booking) -> bool:
    """Whether a success was told to us: then it must be in the books."""
    query = (
        "SELECT count(*) FROM intake.callbacks WHERE subject_id = %s AND note = 'applied'"
        " AND NOT EXISTS (SELECT FROM event_store.events e WHERE e.stream_id = subject_id"
        " AND e.topic IN ('push.failure-reported', 'push.failed'))"
    )
    with house.owner() as owner:
        return owner.execute(query, (booking.push_id,)).fetchone() != (0,)


def tell_everything(house: RunningHouse, ledger: list[dict[str, Any]]) -> None:
    """Let Safaricom tell every payment once more, and wait until all is taken in."""
    with ThreadPoolExecutor(TELLERS) as threads:
        answers = threads.map(lambda row: house.resend(row["checkout_request_id"]), ledger)
        assert {answer["status"] for answer in answers} == {200}
    eventually(lambda: no_callback_waits(house))
    eventually(lambda: house.get("/readyz").json()["status"] == "ready")


def check_books_equal(services: Services, ledger: list[dict[str, Any]]) -> None:
    """Told everything, the books hold the ledger to the shilling, with every receipt."""
    books = Books(services.store)
    for booking in books.bookings(ledger):
        assert booking.booked_cents == booking.paid_cents, booking
        assert booking.push_state == "succeeded", booking
    assert books.booked_cents == sum(row["amount"] * 100 for row in ledger)
    assert set(books.receipts) == {receipt_id(row["receipt"]) for row in ledger}
    assert not [receipt for receipt in books.receipts.values() if receipt.unplaced_cents]


def check_members_balances(house: RunningHouse, *, members_min: int) -> None:
    query = """
        SELECT count(*), count(*) FILTER (WHERE m.total_contributions <> coalesce(c.total, 0))
        FROM read_members.members m LEFT JOIN (
            SELECT member_id, sum(amount) AS total FROM read_contributions.contributions
            WHERE status = 'completed' GROUP BY member_id
        ) c USING (member_id)
    """
    with house.owner() as owner:
        members, wrong = owner.execute(query).fetchone()
    assert members >= members_min
    assert wrong == 0


def check_read_models_equal_a_rebuild(house: RunningHouse, services: Services) -> None:
    """Fold the whole log into fresh tables of the same shape, and compare row by row."""
    fresh = {name: replace(model, name=f"rebuilt_{name}") for name, model in READ_MODELS.items()}
    install_read_models(house.urls.owner, fresh.values())
    reader = LogReader(services.pool, PersonalKeys(services.pool, services.keyring))
    Follower(services.pool, reader, fresh.values()).catch_up()
    with house.owner() as owner:
        for name, model in READ_MODELS.items():
            for table in model.keys:
                live = _rows(owner, schema_name(model), table)
                assert live == _rows(owner, schema_name(fresh[name]), table), f"{name}.{table}"
        assert _rows(owner, "read_mpesa_due", "requests") == []


def _rows(owner: psycopg.Connection[Any], schema: str, table: str) -> list[dict[str, Any]]:
    statement = sql.SQL("SELECT to_jsonb(t) FROM {} t ORDER BY to_jsonb(t)::text").format(
        sql.Identifier(schema, table)
    )
    return [row for (row,) in owner.execute(statement).fetchall()]
