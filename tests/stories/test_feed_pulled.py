"""A story of somebody who pulls our events, is killed again and again, and holds our very books."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import requests

from app.cli.administration import issue_key
from app.wiring import Services
from domain.errors import DomainError
from domain.loans.commands import ChargeFee, DeclineLoan, RestructureLoan, WriteOffLoan
from domain.members.commands import SuspendMember
from domain.mpesa.stk_push import PushPurpose
from infra.event_store.log import _APPEND_EVENTS
from tests.integration.http.house import settings_for
from tests.support.co_operative import CAUSE, TODAY, CoOperative
from tests.support.puller import TABLES, pull
from tests.support.waiting import eventually
from tests.support.web_processes import running_web

ROOT = Path(__file__).parents[2]
BASE = "/daystar-accounting/v1"
READ = ("read_members", "read_contributions", "read_loans", "read_repayments")
WRITERS, KILLS = 3, 25
RECEIVED = ROOT / "tests/golden/events/account.contribution-received.v1.json"
# What the feed never tells, or what a reader reckons from the day it reads on.
NOT_TOLD = {
    "loans": {"purpose", "days_overdue"},
    "repayments": set(),
    "contributions": set(),
    "members": {
        *("first_name", "last_name", "email", "phone", "id_number"),
        *("total_contributions", "share_capital", "updated_at"),  # the contributions say it
    },
}
FIRST = {
    "loans": {
        **dict.fromkeys(("paid_amount", "balance", "principal_balance"), "0.00"),
        **dict.fromkeys(("monthly_payment", "total_payable", "next_due_date")),
        **dict.fromkeys(("approval_date", "disbursement_date", "due_date")),
    },
    "repayments": {},
    "contributions": {},
    "members": {},
}


def write(co_operative, chance):
    """Everything that changes what the lists tell, in an order of its own."""
    member_id = co_operative.borrower()
    others = [co_operative.contribution(member_id) for _ in range(2)]
    co_operative.reverse(member_id, others[0])
    co_operative.dispatch(SuspendMember(co_operative.member(), "asked by the board", TODAY))
    acts = [repaid_and_undone, paid_by_push, over, late, given_up, decided, spread_anew]
    for act in chance.sample(acts, len(acts)):
        act(co_operative, member_id)


def repaid_and_undone(co_operative, member_id):
    loan_id = co_operative.loan()
    first = co_operative.repayment(loan_id, 12_000_00)
    co_operative.repayment(loan_id, 3_000_50)
    co_operative.undo_repayment(loan_id, first)


def paid_by_push(co_operative, member_id):
    """Posted by a query first; the receipt that comes later changes the reference."""
    for loan_id in (None, co_operative.loan(member_id)):
        purpose = PushPurpose.LOAN_REPAYMENT if loan_id else PushPurpose.MONTHLY
        push_id = co_operative.accepted_push(member_id, purpose=purpose, loan_id=loan_id)
        co_operative.queried(push_id, "0")
        co_operative.paid(push_id)


def over(co_operative, member_id):
    """Settled, and the surplus goes to the deposits; then undone, so that it is owed again."""
    loan_id = co_operative.loan()
    repayment_id = co_operative.repayment(loan_id, 50_000_00)
    co_operative.undo_repayment(loan_id, repayment_id)


def late(co_operative, member_id):
    """A loan of last year: penalties, default, and a repayment dated before them."""
    loan_id = co_operative.loan(applied_on=date(2026, 1, 5), disbursed_on=date(2026, 1, 10))
    co_operative.assess(loan_id, TODAY)
    co_operative.repayment(loan_id, 11_000_00)
    co_operative.repayment(loan_id, 11_000_00, paid_on=date(2026, 2, 9))
    fee = ChargeFee(loan_id, loan_id, 500_00, "bounced cheque", TODAY, TODAY)
    co_operative.dispatch(fee)


def given_up(co_operative, member_id):
    loan_id = co_operative.loan()
    give_up = WriteOffLoan(loan_id, co_operative.principal(), "left the country", TODAY)
    co_operative.dispatch(give_up)
    recovery = co_operative.repayment(loan_id, 1_000_00)
    co_operative.repayment(loan_id, 2_000_00)
    co_operative.undo_repayment(loan_id, recovery)


def decided(co_operative, member_id):
    loan_id = co_operative.application()
    co_operative.dispatch(DeclineLoan(loan_id, co_operative.principal(), "too much", TODAY))
    co_operative.approved_loan()


def spread_anew(co_operative, member_id):
    loan_id = co_operative.loan()
    co_operative.dispatch(
        RestructureLoan(loan_id, co_operative.principal(), 6, "11.50", None, "ill", TODAY)
    )


def write_late(owner_url, member_id, stop):
    """Commits that take their number early and end late, every other one in nothing."""
    with psycopg.connect(owner_url) as connection:
        while not stop.wait(0.01):
            told = json.loads(RECEIVED.read_text()) | {
                "contribution_id": str(uuid4()),
                "member_id": str(member_id),
            }
            event = ([uuid4()], [1], ["account.contribution-received"])
            sealed = ([json.dumps(told).encode()], [CAUSE.as_metadata()])
            connection.execute(_APPEND_EVENTS, event + sealed)
            stop.wait(0.12)
            if int(told["contribution_id"][0], 16) % 2:
                connection.commit()
            connection.rollback()


def place(owner):
    """How far the puller has come."""
    return owner.execute("SELECT next_after FROM puller.place").fetchone()[0]


def listed(web, key, plural):
    rows, cursor = [], None

    def moment_read(row):
        moment = row.get("updated_at")
        return row | ({"updated_at": datetime.fromisoformat(moment)} if moment else {})

    while True:
        parameters = {"per_page": 100} | ({"cursor": cursor} if cursor else {})
        answer = requests.get(
            f"{web.url}{BASE}/{plural}",
            params=parameters,
            headers={"X-API-Key": key},
            timeout=20,
        ).json()
        rows += answer[plural]
        cursor = answer["pagination"]["next_cursor"]
        if cursor is None:
            return {row["id"]: moment_read(row) for row in rows}


def pull_and_be_killed(command, owner, co_operative):
    """Each time when it has come further, in the midst of what it does next."""
    chance, child = random.Random(4), 0
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as puller:
        try:
            for _ in range(KILLS):
                child = int(puller.stdout.readline())
                before = place(owner)
                co_operative.member()  # something is always left to pull
                eventually(lambda before=before: place(owner) > before)
                threading.Event().wait(chance.uniform(0, 0.05))  # the moment of its death
                os.kill(child, signal.SIGKILL)
            child = int(puller.stdout.readline())
        finally:
            puller.kill()
            with suppress(ProcessLookupError):
                os.kill(child or puller.pid, signal.SIGKILL)


def assert_same_books(web, key, held):
    for plural, first in FIRST.items():
        ours = listed(web, key, plural)
        theirs = {each: first | fields for kind, each, fields in held if kind == plural}
        for fields in theirs.values():
            fields["updated_at"] = datetime.fromisoformat(fields["updated_at"])
        assert len(ours) > WRITERS
        assert set(theirs) == set(ours)
        for each, row in ours.items():
            told = {name: row[name] for name in row if name not in NOT_TOLD[plural]}
            assert {name: theirs[each][name] for name in told} == told, theirs[each]


@pytest.mark.slow
def test_a_puller_killed_again_and_again_holds_our_very_books(owner_url, tmp_path):
    services = Services(settings_for(owner_url, tmp_path), pool_size=8)
    co_operative = CoOperative(services.store)
    _, key = issue_key(services, CAUSE, name="Puller", permissions=(*READ, "operate"))
    rate = {"DAYSTAR_RATE_LIMIT": "1000000"}
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute(TABLES)
        with running_web(owner_url, tmp_path, **rate) as web:
            feed = f"{web.url}{BASE}/changes"
            command = [sys.executable, "-m", "tests.support.puller", owner_url, feed, key]
            seeds = [random.Random(number) for number in range(WRITERS)]
            errors, stop = [], threading.Event()

            def work(chance):
                try:
                    write(co_operative, chance)
                except (DomainError, AssertionError, TypeError) as error:
                    errors.append(error)

            writers = [threading.Thread(target=work, args=(seed,)) for seed in seeds]
            late_writer = threading.Thread(
                target=write_late, args=(owner_url, co_operative.member(), stop)
            )
            for thread in (*writers, late_writer):
                thread.start()
            pull_and_be_killed(command, owner, co_operative)
            for thread in writers:
                thread.join()
            stop.set()
            late_writer.join()
            assert errors == []
            with psycopg.connect(owner_url, autocommit=True) as connection:
                while pull(connection, feed, key, wait=0):
                    pass
            co_operative.follower().catch_up()
            held = owner.execute("SELECT kind || 's', id, fields FROM puller.held").fetchall()
            assert_same_books(web, key, held)
    services.close()
