"""What the application's role may not do, and what not even the owner may."""

from __future__ import annotations

import psycopg
import pytest

from tests.support.commits import commit_of, count, events


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO event_store.events SELECT * FROM event_store.events",
        "UPDATE event_store.events SET state = '{}'",
        "DELETE FROM event_store.events",
        "TRUNCATE event_store.events",
        "DROP TABLE event_store.events",
        "ALTER TABLE event_store.events DISABLE TRIGGER ALL",
        "CREATE TABLE event_store.mine (x int)",
        "INSERT INTO event_store.keys SELECT * FROM event_store.keys",
        "DELETE FROM event_store.keys",
        "UPDATE event_store.personal_keys SET wrapped_key = ''",
        "INSERT INTO event_store.personal_keys VALUES (gen_random_uuid(), '')",
        "UPDATE event_store.idempotency SET status = 200",
        "UPDATE event_store.idempotency SET body = ''",
        "INSERT INTO event_store.epochs VALUES (9, 0, 0)",
        "SELECT event_store.raise_epoch(1)",
        "SELECT setval('event_store.commit_number', 1)",
        "SELECT nextval('event_store.commit_number')",
        "UPDATE secrets.master_key SET fingerprint = 'mine'",
        "DELETE FROM secrets.master_key",
        "SELECT * FROM pg_authid",
        "DELETE FROM public.daystar_migrations",
        "SET session_replication_role = replica",
    ],
)
def test_the_application_may_not(co_operative, statement):
    co_operative.member()
    with (
        co_operative.store.pool.connection() as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event_store.events SET state = '{}'",
        "DELETE FROM event_store.events",
        "DELETE FROM event_store.events WHERE false",
        "TRUNCATE event_store.events",
        "TRUNCATE event_store.events CASCADE",
    ],
)
def test_not_even_the_owner_changes_history(store, owner_url, statement):
    store.log.append(commit_of(*events(3)))
    with (
        psycopg.connect(owner_url, autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="never changed or removed"),
    ):
        connection.execute(statement)
    assert count(store, "event_store.events") == 3
