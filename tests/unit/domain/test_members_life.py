"""From each standing, what each act leads to: another standing, or a refusal by name."""

from __future__ import annotations

import pytest

from domain.contributions.rules import ContributionType
from domain.errors import InvalidInput
from domain.members.commands import (
    ChangeContact,
    EraseMember,
    ExitMember,
    ReactivateMember,
    SuspendMember,
)
from domain.members.errors import (
    ContactUnchanged,
    MemberHasExited,
    MemberHasNotExited,
    MemberIsErased,
    MemberNotActive,
    MemberNotSuspended,
    MoneyStillHeld,
)
from domain.members.member import Member
from tests.support.co_operative import TODAY

WHY = "asked by the board"
ACTS = {
    "change_contact": lambda member_id: ChangeContact(member_id, "0733000999", None),
    "suspend": lambda member_id: SuspendMember(member_id, WHY, TODAY),
    "reactivate": lambda member_id: ReactivateMember(member_id, WHY, TODAY),
    "exit": lambda member_id: ExitMember(member_id, WHY, TODAY, TODAY),
    "erase": lambda member_id: EraseMember(member_id, WHY, TODAY),
    "insist_on_erasing": lambda member_id: EraseMember(member_id, WHY, TODAY, unexited=True),
}
WAYS_TO = {
    "active": (),
    "suspended": ("suspend",),
    "exited": ("exit",),
    "erased": ("exit", "erase"),
}
LEADS_TO = {
    ("active", "change_contact"): "active",
    ("active", "suspend"): "suspended",
    ("active", "reactivate"): MemberNotSuspended,
    ("active", "exit"): "exited",
    ("active", "erase"): MemberHasNotExited,
    ("active", "insist_on_erasing"): "erased",
    ("suspended", "change_contact"): "suspended",
    ("suspended", "suspend"): MemberNotActive,
    ("suspended", "reactivate"): "active",
    ("suspended", "exit"): "exited",
    ("suspended", "erase"): MemberHasNotExited,
    ("suspended", "insist_on_erasing"): "erased",
    ("exited", "change_contact"): MemberHasExited,
    ("exited", "suspend"): MemberNotActive,
    ("exited", "reactivate"): MemberNotSuspended,
    ("exited", "exit"): MemberHasExited,
    ("exited", "erase"): "erased",
    ("exited", "insist_on_erasing"): "erased",
    ("erased", "change_contact"): MemberIsErased,
    ("erased", "suspend"): MemberNotActive,
    ("erased", "reactivate"): MemberNotSuspended,
    ("erased", "exit"): MemberIsErased,
    ("erased", "erase"): "erased",
    ("erased", "insist_on_erasing"): "erased",
}


@pytest.mark.parametrize(("standing", "what"), LEADS_TO)
def test_every_act_from_every_standing(co_operative, standing, what):
    member_id = co_operative.member()
    for step in WAYS_TO[standing]:
        co_operative.dispatch(ACTS[step](member_id))
    assert co_operative.load(Member, member_id).status == standing
    wanted = LEADS_TO[standing, what]
    if isinstance(wanted, str):
        co_operative.dispatch(ACTS[what](member_id))
        assert co_operative.load(Member, member_id).status == wanted
        return
    with pytest.raises(wanted):
        co_operative.dispatch(ACTS[what](member_id))
    assert co_operative.load(Member, member_id).status == standing


@pytest.mark.parametrize("held", [ContributionType.MONTHLY, ContributionType.SHARE_CAPITAL])
@pytest.mark.parametrize("what", ["exit", "insist_on_erasing"])
def test_nobody_leaves_while_deposits_or_shares_are_held(co_operative, held, what):
    member_id = co_operative.member()
    co_operative.contribution(member_id, contribution_type=held)
    with pytest.raises(MoneyStillHeld):
        co_operative.dispatch(ACTS[what](member_id))


def test_a_registration_fee_keeps_nobody(co_operative):
    member_id = co_operative.member()
    fee = ContributionType.REGISTRATION_FEE
    co_operative.contribution(member_id, contribution_type=fee)
    assert co_operative.dispatch(ACTS["exit"](member_id)).status == "exited"


def test_what_is_not_said_of_a_contact_stays(co_operative):
    member_id = co_operative.member(phone="0733000111", email="old@example.org")
    changed = co_operative.dispatch(ChangeContact(member_id, "0733000222", None))
    assert (changed.phone, changed.email) == ("254733000222", "old@example.org")
    changed = co_operative.dispatch(ChangeContact(member_id, None, ""))
    assert (changed.phone, changed.email) == ("254733000222", None)
    with pytest.raises(ContactUnchanged):
        co_operative.dispatch(ChangeContact(member_id, "0733 000 222", ""))


@pytest.mark.parametrize("what", [SuspendMember, ReactivateMember, EraseMember])
@pytest.mark.parametrize("reason", ["", "  ", "x" * 201, "two\0words"])
def test_a_reason_is_one_line(co_operative, what, reason):
    member_id = co_operative.member()
    with pytest.raises(InvalidInput):
        co_operative.dispatch(what(member_id, reason, TODAY))
