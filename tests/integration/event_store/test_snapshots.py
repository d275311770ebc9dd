"""Snapshots save time and change nothing."""

from __future__ import annotations

import orjson

from domain.contributions.account import MemberAccount
from domain.identities import account_id
from infra.event_store.unit_of_work import UnitOfWork
from tests.support.co_operative import CAUSE
from tests.support.commits import contribution


def snapshots(co_operative):
    with co_operative.store.pool.connection() as connection:
        return connection.execute(
            "SELECT stream_id, stream_version, topic FROM event_store.snapshots"
        ).fetchall()


def altered(co_operative, **columns):
    assignments = ", ".join(f"{column} = %({column})s" for column in columns)
    with co_operative.store.pool.connection() as connection:
        connection.execute(f"UPDATE event_store.snapshots SET {assignments}", columns)


def many_contributions(co_operative, member, number):
    """In one unit: an account that opened with version 1 gains `number` events."""
    unit = UnitOfWork(co_operative.store, CAUSE)
    account = unit.get(MemberAccount, account_id(member))
    for _ in range(number):
        command = contribution(member)
        account.receive(
            contribution_id=command.contribution_id,
            contribution_type=command.contribution_type,
            amount_cents=command.amount_cents,
            payment_method=command.payment_method,
            payment_reference=command.payment_reference,
            contributed_on=command.contributed_on,
        )
    unit.save(account)
    unit.commit()


def state(co_operative, member):
    return vars(co_operative.load(MemberAccount, account_id(member)))


def test_a_snapshot_is_taken_every_hundred_versions(co_operative):
    member = co_operative.member()
    many_contributions(co_operative, member, 98)
    assert snapshots(co_operative) == []
    co_operative.contribution(member)
    assert snapshots(co_operative) == [(account_id(member), 100, "account/3")]
    many_contributions(co_operative, member, 99)
    assert snapshots(co_operative) == [(account_id(member), 100, "account/3")]
    many_contributions(co_operative, member, 2)
    assert snapshots(co_operative) == [(account_id(member), 201, "account/3")]


def test_with_a_snapshot_the_account_is_the_same_as_without(co_operative):
    member = co_operative.member()
    undone = co_operative.contribution(member)
    many_contributions(co_operative, member, 105)
    co_operative.reverse(member, undone)
    with_snapshot = state(co_operative, member)
    assert snapshots(co_operative)
    with co_operative.store.pool.connection() as connection:
        connection.execute("DELETE FROM event_store.snapshots")
    assert state(co_operative, member) == with_snapshot
    co_operative.contribution(member)
    assert state(co_operative, member)["contributed_cents"] == 105 * 1_000_00 + 2_000_00


def test_a_snapshot_is_what_is_loaded(co_operative):
    """Else the test above would prove nothing."""
    member = co_operative.member()
    many_contributions(co_operative, member, 105)
    with co_operative.store.pool.connection() as connection:
        (kept,) = connection.execute("SELECT state FROM event_store.snapshots").fetchone()
    altered(co_operative, state=orjson.dumps(orjson.loads(kept) | {"member_number": "MARK"}))
    assert state(co_operative, member)["member_number"] == "MARK"


def test_a_snapshot_of_another_shape_is_passed_over(co_operative, monkeypatch):
    member = co_operative.member()
    many_contributions(co_operative, member, 105)
    before = state(co_operative, member)
    altered(co_operative, topic="account/0", state=b"{}")
    assert state(co_operative, member) == before
    monkeypatch.setattr(MemberAccount, "SNAPSHOT_VERSION", 4)
    assert MemberAccount.snapshot_topic() == "account/4"
    many_contributions(co_operative, member, 100)
    assert snapshots(co_operative) == [(account_id(member), 206, "account/4")]


def test_an_older_snapshot_never_replaces_a_newer_one(co_operative):
    member = co_operative.member()
    many_contributions(co_operative, member, 105)
    altered(co_operative, stream_version=10_000)
    many = UnitOfWork(co_operative.store, CAUSE)
    with co_operative.store.pool.connection() as connection:
        connection.execute("UPDATE event_store.snapshots SET topic = 'account/9'")
    account = many.get(MemberAccount, account_id(member))
    many._save_snapshot(account)
    assert snapshots(co_operative) == [(account_id(member), 10_000, "account/9")]
