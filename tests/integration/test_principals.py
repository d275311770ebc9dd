"""Persons who act, as an administrator enters them."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from app.cli.main import daystar
from domain.loans.commands import ApproveLoan
from domain.loans.errors import ApproverIsApplicant
from domain.members.member import Member
from tests.conftest import MASTER_KEY
from tests.support.co_operative import TODAY

APPROVER = ("--role", "approver", "--approval-limit", "200000")


@pytest.fixture
def principals(owner_url, tmp_path, monkeypatch, keyring):
    monkeypatch.setenv("DATABASE_URL", owner_url)
    monkeypatch.setenv("DAYSTAR_MASTER_KEY", MASTER_KEY)
    monkeypatch.setenv("DAYSTAR_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DAYSTAR_ENV", "demo")
    return lambda *words: CliRunner().invoke(daystar, ("principals", *words))


def test_an_approver_who_is_a_member_decides_no_loan_of_their_own(principals, co_operative):
    member = co_operative.borrower()
    number = co_operative.load(Member, member).member_number
    added = principals("add", "--name", "Jane Wanjiku", *APPROVER, "--member", number)
    assert added.exit_code == 0, added.output
    approver = added.output.strip()
    own, another = co_operative.application(member), co_operative.application()
    with pytest.raises(ApproverIsApplicant):
        co_operative.dispatch(ApproveLoan(own, approver, None, TODAY))
    co_operative.dispatch(ApproveLoan(another, approver, None, TODAY))
    assert f"member {member}" in principals("list").output


def test_a_member_nobody_knows_is_refused(principals):
    refused = principals("add", "--name", "Jane Wanjiku", *APPROVER, "--member", "DST209900001")
    assert refused.exit_code == 1
    assert "There is no member with this number." in refused.output
    assert principals("list").output == ""
