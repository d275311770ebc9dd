"""The past is what was answered then: asked at every position, it says what the live lists said."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any
from uuid import UUID

import orjson
import pytest

from domain.loans.commands import WriteOffLoan
from domain.mpesa.stk_push import PushPurpose
from infra.event_store.as_of import as_of_moment, as_of_position
from projections.loan_in_full import LoanInFull, loan_in_full
from projections.past import Past
from projections.past_lists import (
    PAST_CONTRIBUTIONS,
    PAST_LISTS,
    PAST_MEMBERS,
    PAST_REPAYMENTS,
)
from tests.support.co_operative import TODAY
from tests.support.histories import History

ACTS = 60
SEEDS = (1, 2, 3)
WAYS = (
    *({"page": page, "per_page": 3} for page in (1, 2)),
    {"page": 1, "per_page": 100},
)


def timeless(answer: str | LoanInFull | None) -> Any:
    """Without what the live lists count up to the day on which they are asked."""

    def settled(value: Any) -> Any:
        if isinstance(value, list):
            return [settled(each) for each in value]
        if isinstance(value, dict):
            return {key: settled(each) for key, each in value.items() if key != "days_overdue"}
        return value

    if isinstance(answer, LoanInFull):
        return settled(asdict(answer))
    return settled(orjson.loads(answer)) if answer is not None else None


def live(history: History) -> dict[str, Any]:
    """All that the live read models answer."""
    pool = history.co_operative.store.pool
    said: dict[str, Any] = {}
    for plural, past_list in PAST_LISTS.items():
        for way in WAYS:
            page = past_list.listing.page(pool, filters={}, **way)
            said[f"{plural} {way}"] = (timeless(page.json_text), page.total, page.last)
    for member in timeless(
        PAST_MEMBERS.listing.page(pool, filters={}, page=1, per_page=9).json_text
    ):
        said[f"member {member['id']}"] = member
        for past_list in (PAST_CONTRIBUTIONS, PAST_REPAYMENTS):
            filters = {"member_id": member["id"]}
            page = past_list.listing.page(pool, filters=filters, page=1, per_page=100)
            said[f"{past_list.listing.plural} of {member['id']}"] = timeless(page.json_text)
    for loan_id in history.loans:
        said[f"loan {loan_id}"] = timeless(loan_in_full(pool, loan_id))
    return said


def past(history: History, position: int) -> dict[str, Any]:
    """The same questions, asked of the past."""
    store = history.co_operative.store
    as_of = as_of_position(store.pool, position)
    assert as_of.position == position
    asked = Past(store.pool, store.keyring)
    said: dict[str, Any] = {}
    for plural, past_list in PAST_LISTS.items():
        for way in WAYS:
            page = asked.page(past_list, as_of, filters={}, **way)
            said[f"{plural} {way}"] = (timeless(page.json_text), page.total, page.last)
    for member_id in history.members:
        member = asked.member(member_id, as_of)
        if member is None:
            continue
        said[f"member {member_id}"] = timeless(member)
        for past_list in (PAST_CONTRIBUTIONS, PAST_REPAYMENTS):
            filters = {"member_id": member_id}
            page = asked.page(past_list, as_of, filters=filters, per_page=100)
            said[f"{past_list.listing.plural} of {member_id}"] = timeless(page.json_text)
    for loan_id in history.loans:
        said[f"loan {loan_id}"] = timeless(asked.loan(loan_id, as_of))
    return said


class Remembered:
    """What was answered after each commit, to be asked for again."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._follower = history.co_operative.follower()
        self._said: dict[int, dict[str, Any]] = {}

    def remember(self) -> None:
        self._follower.catch_up()
        store = self._history.co_operative.store
        self._said[store.log.max_notification_id() or 0] = live(self._history)

    def answers(self, question: str) -> list[Any]:
        """What was answered to one question, again and again."""
        return [said[question] for said in self._said.values() if question in said]

    def check(self) -> None:
        """Ask for all of it. What begins only later was not there."""
        assert len(self._said) > 1
        for position, said in self._said.items():
            now = past(self._history, position)
            assert _there(now) == _there(said), position


def _there(answers: dict[str, Any]) -> dict[str, Any]:
    return {question: answer for question, answer in answers.items() if answer is not None}


@pytest.mark.parametrize("seed", SEEDS)
def test_at_every_position_the_past_says_what_was_said_then(co_operative, seed):
    history = History(co_operative, seed)
    remembered = Remembered(history)
    happened: Counter[str] = Counter()
    history.begin(then=remembered.remember)
    for _ in range(ACTS):
        happened[history.go_on()] += 1
        remembered.remember()
    assert sum(happened[act] for act in ("_repay", "_pay_in", "_undo_repayment")) > 5, happened
    remembered.check()


def test_receipts_told_late_and_recoveries_undone_are_not_known_before(co_operative):
    history = History(co_operative, 0)
    remembered = Remembered(history)
    history.begin(then=remembered.remember)
    loan_id, member_id = history.loans[0], history.members[0]
    push_id = co_operative.accepted_push(
        member_id, amount_cents=500_00, purpose=PushPurpose.LOAN_REPAYMENT, loan_id=loan_id
    )
    write_off = WriteOffLoan(loan_id, co_operative.principal(), "gone away", TODAY)
    recovered: list[UUID] = []
    for act in (
        lambda: co_operative.queried(push_id, "0"),
        lambda: co_operative.paid(push_id),
        lambda: co_operative.dispatch(write_off),
        lambda: recovered.append(co_operative.repayment(loan_id, 700_00)),
        lambda: co_operative.undo_repayment(loan_id, recovered[0]),
    ):
        act()
        remembered.remember()
    _, awaited, told, _, came_in, undone = remembered.answers(f"loan {loan_id}")[-6:]
    [before], [after] = awaited["repayments"], told["repayments"]
    assert before["payment_reference"] != after["payment_reference"]
    assert [row["status"] for row in came_in["repayments"]] == ["completed", "completed"]
    assert [row["status"] for row in undone["repayments"]] == ["reversed", "completed"]
    remembered.check()


def test_a_moment_means_the_end_of_the_commit_it_names(co_operative):
    for _ in range(3):
        co_operative.member()
    pool = co_operative.store.pool
    with pool.connection() as connection:
        commits = connection.execute(
            "SELECT max(position), recorded_at FROM event_store.events"
            " GROUP BY recorded_at ORDER BY 1"
        ).fetchall()
    for end, recorded_at in commits:
        as_of = as_of_moment(pool, recorded_at)
        assert as_of.position == end
        assert as_of == as_of_position(pool, end)
