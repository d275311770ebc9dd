"""Who leaves takes nothing along, and leaves nothing here: not even what comes in that moment."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from domain.contributions.account import MemberAccount
from domain.errors import BrokenRule
from domain.identities import account_id, receipt_id
from domain.members.commands import EraseMember, ExitMember
from domain.members.errors import MemberNotActive, MoneyStillHeld
from domain.members.member import Member
from domain.mpesa.receipt import Receipt
from infra.event_store.unit_of_work import UnitOfWork
from tests.support.co_operative import TODAY
from tests.support.commits import contribution

LEAVING = {
    "exit": lambda member_id: ExitMember(member_id, "moved abroad", TODAY, TODAY),
    "erase": lambda member_id: EraseMember(member_id, "asked in writing", TODAY, unexited=True),
}
RACES = 12


def together(*acts):
    """What each act led to, all of them having loaded and decided before any appends."""
    met, thread = threading.Barrier(len(acts)), threading.local()
    commit = UnitOfWork.commit

    def commit_when_all_have_decided(unit, answer=None):
        if not getattr(thread, "has_met", False):
            thread.has_met = True
            met.wait(timeout=10)
        return commit(unit, answer)

    def attempted(act):
        try:
            return act()
        except BrokenRule as error:
            return error

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(len(acts)) as threads:
        patch.setattr(UnitOfWork, "commit", commit_when_all_have_decided)
        return list(threads.map(attempted, acts))


@pytest.mark.parametrize("way", LEAVING)
def test_a_contribution_in_the_moment_of_leaving_keeps_the_member_or_is_refused(co_operative, way):
    for _ in range(RACES):
        member_id = co_operative.member()
        left, paid = together(
            partial(co_operative.dispatch, LEAVING[way](member_id)),
            partial(co_operative.dispatch, contribution(member_id)),
        )
        ends = (type(left), type(paid))
        assert ends in {(Member, MemberNotActive), (MoneyStillHeld, MemberAccount)}
        member = co_operative.load(Member, member_id)
        account = co_operative.load(MemberAccount, account_id(member_id))
        assert member.belongs == (account.contributed_cents == 1_000_00) == (not account.is_closed)


@pytest.mark.parametrize("way", LEAVING)
def test_mpesas_money_in_the_moment_of_leaving_keeps_the_member_or_waits_in_suspense(
    co_operative, way
):
    for _ in range(RACES):
        member_id = co_operative.member()
        push_id = co_operative.accepted_push(member_id)
        left, paid = together(
            partial(co_operative.dispatch, LEAVING[way](member_id)),
            partial(co_operative.paid, push_id),
        )
        assert paid == "applied"
        receipt = co_operative.load(Receipt, receipt_id(push_id.hex[:10]))
        account = co_operative.load(MemberAccount, account_id(member_id))
        stayed = isinstance(left, MoneyStillHeld)
        assert (account.contributed_cents, receipt.suspended_cents) == (
            (2_000_00, 0) if stayed else (0, 2_000_00)
        )
        assert co_operative.load(Member, member_id).belongs == stayed
