"""The same money, told by every channel, in any order, any number of times, and all at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.identities import receipt_id
from domain.members.member import Member
from domain.mpesa.payer import Payer
from domain.mpesa.receipt import Receipt
from domain.mpesa.stk_push import Push, PushState
from infra.event_store.errors import Contention
from infra.event_store.unit_of_work import EventStore
from infra.keyring import Keyring
from infra.postgres.pool import open_pool
from tests.conftest import MASTER_KEY
from tests.support.co_operative import CoOperative
from tests.support.databases import Databases
from tests.support.push_states import account, queried

CENTS = 2_000_00
Telling = Callable[[CoOperative, UUID, str], Any]
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def co_operative(databases: Databases) -> Iterator[CoOperative]:
    with databases.fresh() as url, open_pool(url, size_max=8) as pool:
        with pool.connection() as connection:
            keyring = Keyring.open(connection, MASTER_KEY)
        yield CoOperative(EventStore.open(pool, keyring))


def _callback(co_operative: CoOperative, push_id: UUID, number: str) -> Any:
    return co_operative.paid(push_id, receipt_number=number)


def _query(co_operative: CoOperative, push_id: UUID, _: str) -> Any:
    return co_operative.queried(push_id, "0")


def _told(channel: str) -> Telling:
    def tell(co_operative: CoOperative, push_id: UUID, number: str) -> Any:
        reference = co_operative.load(Push, push_id).account_reference
        return co_operative.told(number, reference, channel=channel)

    return tell


def _told_by_till(co_operative: CoOperative, push_id: UUID, number: str) -> Any:
    """Neither account nor a number in plain: it may be anybody's."""
    return co_operative.told(number, None, payer=Payer(masked_phone="2547 ***** 000"))


NAMES_THE_PUSH: dict[str, Telling] = {
    "callback": _callback,
    "paybill": _told("paybill"),
    "pull": _told("pull"),
    "statement": _told("statement"),
}
TELLINGS = NAMES_THE_PUSH | {"query": _query, "till": _told_by_till}


def posted_once(co_operative: CoOperative, member_id: UUID, push_id: UUID, number: str) -> None:
    push = co_operative.load(Push, push_id)
    receipt = co_operative.load(Receipt, receipt_id(number))
    contributions = account(co_operative, member_id).contributions.values()
    assert [kept["amount_cents"] for kept in contributions] == [CENTS]
    assert (push.state, push.receipt_id) == (PushState.SUCCEEDED, str(receipt.id))
    assert (receipt.placed_cents, receipt.suspended_cents) == (CENTS, 0)
    assert receipt.push_id == str(push_id)


def a_push(co_operative: CoOperative) -> tuple[UUID, UUID, str]:
    member_id = co_operative.member()
    return member_id, co_operative.accepted_push(member_id), f"SKQ{next(_numbers):07d}"


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    before=st.lists(st.sampled_from(list(TELLINGS)), max_size=6),
    naming=st.sampled_from(list(NAMES_THE_PUSH)),
    after=st.lists(st.sampled_from(list(TELLINGS)), max_size=4),
)
def test_of_a_push_in_any_order_and_however_often(co_operative, before, naming, after):
    member_id, push_id, number = a_push(co_operative)
    for telling in before:
        TELLINGS[telling](co_operative, push_id, number)
    TELLINGS[naming](co_operative, push_id, number)
    posted_once(co_operative, member_id, push_id, number)
    for telling in after:
        TELLINGS[telling](co_operative, push_id, number)
    posted_once(co_operative, member_id, push_id, number)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(channels=st.lists(st.sampled_from(["paybill", "pull", "statement"]), min_size=1, max_size=5))
def test_of_a_payer_who_was_not_asked(co_operative, channels):
    member_id = co_operative.member()
    known = co_operative.load(Member, member_id).member_number
    number = f"SKQ{next(_numbers):07d}"
    for channel in channels:
        co_operative.told(number, known, channel=channel)
    assert account(co_operative, member_id).contributed_cents == CENTS
    assert co_operative.load(Receipt, receipt_id(number)).placed_cents == CENTS


def test_of_a_push_by_all_at_once(co_operative):
    """Six threads begin at the same moment, forty times over."""
    everybody = [*TELLINGS.values()]

    def tell(telling: Telling, start: Barrier, *about: Any) -> None:
        start.wait()
        while True:
            try:
                telling(co_operative, *about)
            except Contention:  # as intake and the watch do: they take it up again
                continue
            return

    with ThreadPoolExecutor(len(everybody)) as threads:
        for _ in range(40):
            member_id, push_id, number = a_push(co_operative)
            start = Barrier(len(everybody))
            told = [threads.submit(tell, each, start, push_id, number) for each in everybody]
            for each in told:
                each.result()
            posted_once(co_operative, member_id, push_id, number)


def test_the_query_is_one_of_the_ways_to_be_told(co_operative):
    """Else the tests above would prove less than they say."""
    _, push_id, _ = a_push(co_operative)
    queried("0")(co_operative, push_id)
    assert co_operative.load(Push, push_id).state == PushState.PAID_RECEIPT_AWAITED
