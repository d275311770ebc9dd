"""Epochs of a restored log, and servers that might lose or hide events."""

from __future__ import annotations

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from infra.event_store.errors import (
    LogNotSafe,
)
from infra.event_store.log import EventLog
from infra.event_store.personal_keys import PersonalKeys
from infra.event_store.reader import LogReader
from infra.postgres.embedded import EmbeddedPostgres
from infra.postgres.pool import application_url, open_pool
from tests.support.commits import commit_of, events


@pytest.mark.parametrize(("beyond", "next_position"), [(0, 5000), (987_654, 989_000)])
def test_raising_the_epoch_jumps_and_readers_pass_the_jump(store, owner_url, beyond, next_position):
    for _ in range(3):
        store.log.append(commit_of(*events(1)))
    with psycopg.connect(owner_url, autocommit=True) as connection:
        raised = connection.execute("SELECT event_store.raise_epoch(%s)", (beyond,)).fetchone()
        epoch = connection.execute(
            "SELECT begins_after, last_restored FROM event_store.epochs WHERE epoch = 2"
        ).fetchone()
    assert raised == (2,)
    assert epoch == (max(beyond, 3000), 3000)
    assert store.log.append(commit_of(*events(1))) == [next_position]
    reader = LogReader(store.pool, PersonalKeys(store.pool, store.keyring))
    seen, position = [], 0
    while (batch := reader.read(position)).end > position:
        seen += [event.position for event in batch.events]
        position = batch.end
    assert seen == [1000, 2000, 3000, next_position]


def test_a_server_that_may_forget_commits_is_refused(owner_url):
    url = application_url(owner_url, statement_timeout_milliseconds=5_000)
    off = {
        "options": psycopg.conninfo.conninfo_to_dict(url)["options"] + " -c synchronous_commit=off"
    }
    with (
        ConnectionPool(url, min_size=1, max_size=1, kwargs=off, open=True) as pool,
        pytest.raises(LogNotSafe, match="synchronous_commit"),
    ):
        EventLog(pool).check_server()


def test_the_server_of_these_tests_is_safe(store):
    store.log.check_server()


@pytest.mark.slow
def test_a_server_with_prepared_transactions_is_refused(tmp_path):
    server = EmbeddedPostgres(
        tmp_path / "data", settings={"fsync": "off", "max_prepared_transactions": "2"}
    )
    server.start()
    try:
        with (
            psycopg.connect(server.url("postgres", "daystar"), autocommit=True) as connection,
        ):
            connection.execute("CREATE ROLE daystar_app LOGIN")
        with (
            open_pool(server.url("postgres", "daystar"), size_max=1) as pool,
            pytest.raises(LogNotSafe, match="max_prepared_transactions"),
        ):
            EventLog(pool).check_server()
    finally:
        server.stop()
