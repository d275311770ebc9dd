from uuid import uuid4

import pytest

from domain.errors import InvalidInput
from domain.members.errors import MemberNotFound
from domain.principals.principal import (
    AddPrincipal,
    Principal,
    PrincipalKind,
    PrincipalNameTaken,
    Role,
)


def add(co_operative, name, *, roles=(Role.OPERATOR,), approval_limit_cents=0, member_id=None):
    command = AddPrincipal(
        uuid4(), name, PrincipalKind.PERSON, roles, approval_limit_cents, member_id
    )
    return co_operative.dispatch(command)


def test_a_principal_keeps_roles_and_band(co_operative):
    roles = (Role.VIEWER, Role.APPROVER, Role.VIEWER)
    added = add(co_operative, " Jane   Wanjiku ", roles=roles, approval_limit_cents=200_000_00)
    kept = co_operative.load(Principal, added.id)
    assert kept.name == "Jane Wanjiku"
    assert kept.kind == "person"
    assert kept.roles == ["approver", "viewer"]
    assert kept.approval_limit_cents == 200_000_00


def test_names_are_unique_whatever_their_capitals(co_operative):
    add(co_operative, "Sage Accounting")
    with pytest.raises(PrincipalNameTaken):
        add(co_operative, "SAGE  accounting")


@pytest.mark.parametrize("name", ["", "  ", "x" * 81, "a\x00b"])
def test_a_principal_has_a_name(co_operative, name):
    with pytest.raises(InvalidInput) as refused:
        add(co_operative, name)
    assert refused.value.field == "name"


def test_a_band_is_not_below_zero(co_operative):
    with pytest.raises(InvalidInput) as refused:
        add(co_operative, "Below", approval_limit_cents=-1)
    assert refused.value.field == "approval_limit"


def test_a_principal_who_is_a_member_is_one_we_know(co_operative):
    member = co_operative.member()
    added = add(co_operative, "Mary the treasurer", member_id=member)
    assert co_operative.load(Principal, added.id).member_id == str(member)
    with pytest.raises(MemberNotFound):
        add(co_operative, "Nobody", member_id=uuid4())
