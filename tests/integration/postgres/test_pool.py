"""A pool whose server was restarted: whoever asks next gets a connection that works."""

from __future__ import annotations

from contextlib import ExitStack

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from infra.postgres.pool import borrowed, open_pool
from tests.support.waiting import eventually

WARM = 4
_OTHERS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_SAID = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"


def warmed(pool: ConnectionPool) -> None:
    """As many connections as the pool may have, all idle again."""
    with ExitStack() as held:
        for _ in range(WARM):
            held.enter_context(borrowed(pool)).execute("SELECT 1")


@pytest.fixture
def owner(owner_url):
    with psycopg.connect(owner_url, autocommit=True) as connection:
        yield connection


def test_connections_that_died_while_idle_are_never_handed_out(owner_url, owner):
    with open_pool(owner_url, size_max=WARM, name="mended") as pool:
        warmed(pool)
        assert owner.execute(_OTHERS).fetchone()[0] >= WARM
        eventually(lambda: owner.execute(_SAID, ("mended",)).fetchone() == (0,))
        with ExitStack() as held:
            for number in range(WARM):
                connection = held.enter_context(borrowed(pool))
                assert connection.execute("SELECT %s::int", (number,)).fetchone() == (number,)


def test_a_connection_with_news_on_it_is_asked_and_kept(owner_url):
    with open_pool(owner_url, size_max=1, name="told") as pool:
        with borrowed(pool) as connection:
            process_id = connection.info.backend_pid
            connection.execute("LISTEN news")
        with psycopg.connect(owner_url, autocommit=True) as other:
            other.execute("NOTIFY news")
        for _ in range(2):
            with borrowed(pool) as connection:
                assert connection.info.backend_pid == process_id
