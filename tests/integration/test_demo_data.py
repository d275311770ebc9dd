"""An invented history is the domain's own: it replays, its sums agree, its seed decides it."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
from click.testing import CliRunner

from app.cli.main import daystar
from app.demo_data.filling import histories
from app.demo_data.life import Plan
from domain.contributions.account import MemberAccount
from domain.contributions.rules import ContributionRules
from domain.identities import account_id
from domain.loans.loan import Loan
from domain.mpesa.stk_push import OPEN_STATES, Push
from projections.installation import install_read_models
from projections.read_models import READ_MODELS
from tests.conftest import MASTER_KEY

MEMBERS = 24
PLAN = Plan(
    members=MEMBERS,
    months=18,
    seed=7,
    until=date(2026, 10, 31),
    prefix="DST",
    first_number=1,
    rules=ContributionRules(),
)
IMPLIED = ("originator_topic", "timestamp")


@pytest.fixture
def daystar_here(owner_url, tmp_path, monkeypatch, keyring):
    """`daystar` on this test's database, as a demo."""
    install_read_models(owner_url, READ_MODELS.values())
    monkeypatch.setenv("DATABASE_URL", owner_url)
    monkeypatch.setenv("DAYSTAR_MASTER_KEY", MASTER_KEY)
    monkeypatch.setenv("DAYSTAR_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DAYSTAR_ENV", "demo")
    return lambda *words: CliRunner().invoke(daystar, words)


@pytest.fixture
def filled(daystar_here):
    outcome = daystar_here(
        *("demo-data", "--members", str(MEMBERS), "--months", "18", "--seed", "7"),
        *("--until", "2026-10-31", "--processes", "2"),
    )
    assert outcome.exit_code == 0, outcome.output


def told(plan, indexes):
    return [
        (event.TOPIC, {k: v for k, v in vars(event).items() if k not in IMPLIED})
        for unit in histories(plan, indexes)
        for event in unit.events
    ]


def rows_of(pool, query):
    with pool.connection() as connection:
        return connection.execute(query).fetchall()


def test_the_same_seed_tells_the_same_history_and_another_seed_another():
    once = told(PLAN, range(8))
    assert told(PLAN, range(8)) == once
    assert [*told(PLAN, range(5)), *told(PLAN, range(5, 8))] == once
    assert told(Plan(**(vars(PLAN) | {"seed": 8})), range(8)) != once


def test_what_was_made_in_processes_is_what_is_in_the_log_in_order(filled, pool, store):
    stored = rows_of(
        pool,
        "SELECT stream_id, stream_version, topic FROM event_store.events"
        " WHERE topic !~ '^(principal|loan-product)' ORDER BY position",
    )
    made = [
        (event.originator_id, event.originator_version, event.TOPIC)
        for unit in histories(PLAN, range(MEMBERS))
        for event in unit.events
    ]
    assert stored == made
    topics = Counter(topic for _, _, topic in stored)
    assert topics["member.registered"] == MEMBERS
    for topic in ("loan.disbursed", "loan.repayment-received", "push.succeeded"):
        assert topics[topic]


def test_streams_replay_to_what_the_read_models_show_to_the_cent(filled, pool, co_operative):
    co_operative.follower().catch_up()
    loans = rows_of(
        pool,
        "SELECT loan_id, status, (balance * 100)::bigint, (SELECT coalesce(sum(100 * (principal"
        " + interest + fee + penalty - principal_paid - interest_paid - fee_paid - penalty_paid)),"
        " 0)::bigint FROM read_loans.instalments AS i WHERE i.loan_id = t.loan_id)"
        " FROM read_loans.loans AS t",
    )
    assert loans
    for loan_id, status, balance_cents, unpaid_cents in loans:
        loan = co_operative.load(Loan, loan_id)
        assert loan.status == status
        if loan.is_open or status == "completed":
            assert loan.balance_cents == balance_cents == unpaid_cents
    members = rows_of(
        pool,
        "SELECT member_id, (total_contributions * 100)::bigint, (SELECT coalesce(sum(amount), 0)"
        " * 100 FROM read_contributions.contributions AS c WHERE c.member_id = t.member_id"
        " AND c.status = 'completed')::bigint FROM read_members.members AS t",
    )
    for member_id, total_cents, contributed_cents in members:
        account = co_operative.load(MemberAccount, account_id(member_id))
        assert account.contributed_cents == total_cents == contributed_cents
    assert rows_of(
        pool,
        "SELECT count(*) FROM read_loans.repayments"
        " WHERE amount <> principal_amount + interest_amount + fee_amount + penalty_amount",
    ) == [(0,)]


def test_no_push_is_left_to_be_sent_or_waited_for(filled, pool, co_operative):
    pushes = rows_of(
        pool, "SELECT stream_id FROM event_store.events WHERE topic = 'push.requested'"
    )
    assert pushes
    for (push_id,) in pushes[:40]:
        assert co_operative.load(Push, push_id).state not in OPEN_STATES
    co_operative.follower().catch_up()
    assert rows_of(pool, "SELECT count(*) FROM read_mpesa_due.requests") == [(0,)]


def test_what_holds_members_already_is_left_alone(daystar_here, co_operative, pool):
    co_operative.member()
    outcome = daystar_here("demo-data", "--members", "1", "--months", "1")
    assert outcome.exit_code == 1
    assert "has members already" in outcome.output
    assert rows_of(pool, "SELECT count(*) FROM event_store.events") == [(2,)]


def test_production_is_left_alone(daystar_here, monkeypatch, pool):
    monkeypatch.setenv("DAYSTAR_ENV", "production")
    outcome = daystar_here("demo-data", "--members", "1", "--months", "1")
    assert outcome.exit_code == 1
    assert "production" in outcome.output
    assert rows_of(pool, "SELECT count(*) FROM event_store.events") == [(0,)]
