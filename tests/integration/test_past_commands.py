"""`daystar replay` and `daystar history`, as an administrator types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import psycopg
import pytest

from domain.members.commands import EraseMember, SuspendMember
from infra.event_store.dispatch import dispatch
from infra.event_store.unit_of_work import Cause
from projections.history import history
from projections.loans import LOAN_LIST
from tests.conftest import MASTER_KEY
from tests.support.co_operative import TODAY
from tests.support.somebody import SUSPENSION


@pytest.fixture
def daystar(owner_url, tmp_path):
    environment = {
        "DATABASE_URL": owner_url,
        "DAYSTAR_ENV": "demo",
        "DAYSTAR_MASTER_KEY": MASTER_KEY,
        "DAYSTAR_DATA_DIR": str(tmp_path),
        "COLUMNS": "200",
    }

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "app", *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_a_past_is_made_asked_listed_and_dropped(daystar, co_operative, owner_url):
    member_id = co_operative.member()
    position = co_operative.store.log.max_notification_id()
    co_operative.dispatch(SuspendMember(member_id, "asked", TODAY))
    made = daystar("replay", "--until", str(position), "--name", "before")
    assert made.returncode == 0, made.stderr
    assert f"before stands as of position {position}" in made.stdout
    assert "past_before_members" in made.stdout
    with psycopg.connect(owner_url) as connection:
        row = connection.execute("SELECT status FROM past_before_members.members").fetchone()
    assert row == ("active",)
    assert f"position {position:>16}" in daystar("replay", "--list").stdout
    again = daystar("replay", "--until", str(position), "--name", "before")
    assert again.returncode == 1
    assert "There is a past named before already" in again.stderr
    assert daystar("replay", "--drop", "before").returncode == 0
    assert daystar("replay", "--list").stdout == "no past is kept\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--until", "2999-01-01"], "That lies in the future"),
        (["--until", "999999999999"], "That lies in the future"),
        (["--until", "yesterday"], "Give a day"),
        ([], "Say one of"),
        (["--until", "0", "--list"], "Say one of"),
        (["--until", "0", "--name", "a b"], "Name a past by"),
    ],
)
def test_what_cannot_be_replayed_is_said_in_a_sentence(daystar, arguments, sentence):
    outcome = daystar("replay", *arguments)
    assert outcome.returncode != 0
    assert sentence in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_loans_history_says_who_did_what_and_how_it_stood_then(co_operative, store):
    loan_id = co_operative.loan()
    repayment_id = co_operative.repayment(loan_id, 1_000_00)
    co_operative.undo_repayment(loan_id, repayment_id)
    told = history(store.pool, store.keyring, "loan", loan_id)
    assert [each.topic for each in told][:4] == [
        "loan.applied",
        "loan.approved",
        "loan.disbursed",
        "loan.repayment-received",
    ]
    statuses = [each.after["status"] for each in told]
    assert statuses[:3] == ["pending", "approved", "active"]
    paid = {each.topic: each.after["paid_amount"] for each in told}
    assert paid["loan.repayment-received"] == "1000.00"
    assert paid["loan.repayment-reversed"] == "0.00"
    assert {each.actor for each in told} == {"test"}
    assert [each.position for each in told] == sorted(each.position for each in told)
    co_operative.follower().catch_up()
    [live] = json.loads(LOAN_LIST.page(store.pool, page=1, per_page=1, filters={}).json_text)
    assert told[-1].after["balance"] == live["balance"]


def test_history_is_told_as_a_table_and_in_full(daystar, co_operative):
    member_id = co_operative.member(first_name="Wanjiru")
    co_operative.contribution(member_id)
    co_operative.dispatch(SuspendMember(member_id, SUSPENSION, TODAY))
    table = daystar("history", "member", str(member_id))
    assert table.returncode == 0, table.stderr
    for word in ("member.registered", "account.contribution-received", SUSPENSION, "Wanjiru"):
        assert word in table.stdout
    assert "Wanjiru" not in table.stderr
    in_full = json.loads(daystar("history", "member", str(member_id), "--json").stdout)
    assert in_full[-1]["topic"] == "member.suspended"
    assert in_full[-1]["data"]["reason"] == SUSPENSION
    assert in_full[-1]["after"]["status"] == "suspended"
    assert in_full[-1]["after"]["total_contributions"] == "2000.00"
    nobody = daystar("history", "loan", str(member_id).replace(str(member_id)[:4], "0000"))
    assert nobody.returncode == 1
    assert "There is no loan of this id." in nobody.stderr
    assert daystar("history", "loan", "L000001").returncode == 2


def test_pushes_and_receipts_have_a_history_by_their_number_too(daystar, co_operative):
    push_id = co_operative.accepted_push(co_operative.member())
    co_operative.paid(push_id)
    told = json.loads(daystar("history", "push", str(push_id), "--json").stdout)
    assert [each["after"]["status"] for each in told][-1] == "succeeded"
    receipt = json.loads(daystar("history", "receipt", push_id.hex[:10].lower(), "--json").stdout)
    assert receipt[0]["topic"] == "receipt.received"
    assert receipt[0]["data"]["receipt_number"] == push_id.hex[:10].upper()


def test_the_history_of_an_erased_person_names_nobody(daystar, co_operative, store):
    member_id = co_operative.member(first_name="Wanjiru", email="wanjiru@example.org")
    co_operative.dispatch(SuspendMember(member_id, SUSPENSION, TODAY))
    co_operative.dispatch(EraseMember(member_id, "asked in writing", TODAY, unexited=True))
    shown = daystar("history", "member", str(member_id), "--json").stdout
    assert "anjiru" not in shown
    assert SUSPENSION not in shown
    told = history(store.pool, store.keyring, "member", member_id)
    assert told[-1].topic == "member.erased"
    assert told[0].after["first_name"] is None


def test_a_principal_is_called_by_name(co_operative, store):
    principal_id = co_operative.principal(name="Jane Wanjiku")
    member_id = co_operative.member()
    dispatch(store, SuspendMember(member_id, "asked", TODAY), Cause(principal_id, "a-request"))
    told = history(store.pool, store.keyring, "member", member_id)
    assert [each.actor_name for each in told][-1] == "Jane Wanjiku"
