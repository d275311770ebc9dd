"""One token for all: threads, processes and crashes, against a real PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from cryptography.fernet import Fernet, MultiFernet
from flask import Flask, jsonify
from psycopg.conninfo import make_conninfo
from psycopg_pool import ConnectionPool

from infra.mpesa.tokens import TOKEN_PATH, DatabaseTokens, TokenUnavailable
from tests.conformance.mpesa.conftest import credentials_for, served


class TokenServer:
    """Counts what it hands out, and can be told to wait for a sign before each answer."""

    def __init__(self) -> None:
        self.fetches = 0
        self.asked = threading.Semaphore(0)
        self.open = threading.Event()
        self.open.set()
        self.url = ""
        self._lock = threading.Lock()

    def app(self) -> Flask:
        app = Flask(__name__)
        app.add_url_rule(TOKEN_PATH, view_func=self.token)
        return app

    def token(self):
        self.asked.release()
        self.open.wait(10)
        with self._lock:
            self.fetches += 1
            return jsonify(access_token=f"token-{self.fetches}", expires_in="3599")


@pytest.fixture
def server() -> Iterator[TokenServer]:
    server = TokenServer()
    with served(server.app()) as url:
        server.url = url
        yield server
        server.open.set()


@pytest.fixture
def tokens(server, pool, cipher) -> DatabaseTokens:
    return DatabaseTokens(credentials_for(server.url), pool, cipher)


def execute(pool, statement: str):
    with pool.connection() as connection:
        cursor = connection.execute(statement)
        return cursor.fetchone() if cursor.description else None


def test_a_token_is_fetched_once_and_kept(tokens, server):
    assert [tokens.current() for _ in range(3)] == ["token-1"] * 3
    assert server.fetches == 1


def test_many_threads_fetch_one_token(tokens, server):
    server.open.clear()
    with ThreadPoolExecutor(10) as threads:
        waiting = [threads.submit(tokens.current) for _ in range(10)]
        assert server.asked.acquire(timeout=5)
        server.open.set()
        assert {future.result(timeout=10) for future in waiting} == {"token-1"}
    assert server.fetches == 1


CHILD = """
import sys
from cryptography.fernet import Fernet, MultiFernet
from infra.mpesa.tokens import DatabaseTokens
from infra.postgres.pool import open_pool
from tests.conformance.mpesa.conftest import credentials_for
database_url, base_url, key = sys.argv[1:]
with open_pool(database_url, size_max=2) as pool:
    tokens = DatabaseTokens(credentials_for(base_url), pool, MultiFernet([Fernet(key)]))
    print("ready", flush=True)
    sys.stdin.readline()
    print(tokens.current(), flush=True)
"""


def test_two_processes_fetch_one_token(server, owner_url):
    arguments = [sys.executable, "-c", CHILD, owner_url, server.url, Fernet.generate_key().decode()]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    server.open.clear()
    with (
        subprocess.Popen(arguments, **pipes) as one,
        subprocess.Popen(arguments, **pipes) as other,
    ):
        for process in (one, other):
            assert process.stdout.readline() == "ready\n"
        for process in (one, other):
            process.stdin.write("go\n")
            process.stdin.flush()
        assert server.asked.acquire(timeout=5)
        server.open.set()
        told = [process.communicate(timeout=20)[0] for process in (one, other)]
    assert told == ["token-1\n", "token-1\n"]
    assert server.fetches == 1


def test_a_token_of_fifty_minutes_is_old(tokens, pool):
    assert tokens.current() == "token-1"
    execute(pool, "UPDATE mpesa.access_tokens SET obtained_at = now() - interval '49 minutes'")
    assert tokens.current() == "token-1"
    execute(pool, "UPDATE mpesa.access_tokens SET obtained_at = now() - interval '50 minutes'")
    assert tokens.current() == "token-2"


def test_only_the_stored_token_is_dropped(tokens):
    old = tokens.current()
    tokens.drop(old)
    assert tokens.current() == "token-2"
    tokens.drop(old)
    assert tokens.current() == "token-2"


def test_dropping_nothing_is_no_error(tokens):
    tokens.drop("never-seen")


def test_a_failed_fetch_frees_the_lease(server, pool, cipher, free_port):
    broken = DatabaseTokens(credentials_for(f"http://127.0.0.1:{free_port}"), pool, cipher)
    with pytest.raises(TokenUnavailable) as refused:
        broken.current()
    assert not refused.value.permanent
    assert DatabaseTokens(credentials_for(server.url), pool, cipher).current() == "token-1"


def test_a_lease_of_the_dead_lapses(server, pool, cipher):
    execute(
        pool,
        "INSERT INTO mpesa.access_tokens (credentials, refresh_lease_until)"
        " VALUES ('paybill', now() + interval '200 milliseconds')",
    )
    assert DatabaseTokens(credentials_for(server.url), pool, cipher).current() == "token-1"


def test_waiting_for_another_is_bounded(server, pool, cipher):
    execute(
        pool,
        "INSERT INTO mpesa.access_tokens (credentials, refresh_lease_until)"
        " VALUES ('paybill', now() + interval '1 hour')",
    )
    tokens = DatabaseTokens(credentials_for(server.url), pool, cipher, wait_seconds_max=0.2)
    with pytest.raises(TokenUnavailable) as refused:
        tokens.current()
    assert not refused.value.permanent
    assert server.fetches == 0


def test_a_winner_that_lost_its_lease_stores_nothing(tokens, server, pool):
    server.open.clear()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(tokens.current)
        assert server.asked.acquire(timeout=5)
        execute(
            pool,
            "UPDATE mpesa.access_tokens SET refresh_lease_until = now() + interval '100 ms'",
        )
        server.open.set()
        assert waiting.result(timeout=10) == "token-2"


def test_the_token_is_stored_encrypted(tokens, pool):
    token = tokens.current()
    [sealed] = execute(pool, "SELECT token FROM mpesa.access_tokens")
    assert token.encode() not in bytes(sealed)


def test_a_token_under_a_lost_key_is_fetched_anew(tokens, server, pool):
    assert tokens.current() == "token-1"
    other_key = MultiFernet([Fernet(Fernet.generate_key())])
    renewed = DatabaseTokens(credentials_for(server.url), pool, other_key)
    assert renewed.current() == "token-2"


def test_no_transaction_is_open_during_the_fetch(tokens, server, pool):
    server.open.clear()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(tokens.current)
        assert server.asked.acquire(timeout=5)
        [open_transactions] = execute(
            pool,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND state LIKE 'idle in transaction%'",
        )
        server.open.set()
        waiting.result(timeout=10)
    assert open_transactions == 0


def test_a_lost_database_is_a_missing_token(server, owner_url, cipher):
    nowhere = make_conninfo(owner_url, dbname="no_such_database")
    with ConnectionPool(nowhere, min_size=0, max_size=1, timeout=0.2, open=True) as pool:
        tokens = DatabaseTokens(credentials_for(server.url), pool, cipher)
        for call in (tokens.current, lambda: tokens.drop("token-1")):
            with pytest.raises(TokenUnavailable) as refused:
                call()
            assert not refused.value.permanent


def test_a_new_token_kills_the_old_one(simulator, pool, cipher):
    credentials = credentials_for(simulator.url)
    tokens = DatabaseTokens(credentials, pool, cipher)
    first = tokens.current()
    tokens.drop(first)
    second = tokens.current()
    statuses = [
        requests.post(
            f"{simulator.url}/mpesa/stkpush/v1/processrequest",
            headers={"Authorization": f"Bearer {token}"},
            json={},
            timeout=5,
        ).status_code
        for token in (first, second)
    ]
    assert statuses == [404, 400]
