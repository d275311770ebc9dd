"""What every test may ask for. Real PostgreSQL; a database of one's own; nothing mocked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from psycopg_pool import ConnectionPool

from infra.event_store.unit_of_work import EventStore
from infra.keyring import Keyring, new_master_key
from infra.postgres.embedded import EmbeddedPostgres
from infra.postgres.pool import open_pool
from tests.support.co_operative import CoOperative
from tests.support.databases import Databases

MASTER_KEY = new_master_key()
hypothesis.settings.register_profile("ours", deadline=None)  # a busy machine breaks no claim
hypothesis.settings.load_profile("ours")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole houses first: where several processes share the tests, none is left alone with one."""
    items.sort(key=lambda item: "stories" not in item.path.parts)


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """`TEST_DATABASE_URL` names another server, as its owner; else the embedded one is started."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        made = Databases(given)
        yield made
        made.close()
        return
    server = EmbeddedPostgres(
        Path(tmp_path_factory.mktemp("postgres")) / "data", settings={"fsync": "off"}
    )
    server.start()
    try:
        yield Databases(server.url("postgres", "daystar"))
    finally:
        server.stop()


@pytest.fixture
def owner_url(databases: Databases) -> Iterator[str]:
    with databases.fresh() as url:
        yield url


@pytest.fixture
def pool(owner_url: str) -> Iterator[ConnectionPool]:
    with open_pool(owner_url, size_max=20) as opened:
        yield opened


@pytest.fixture
def keyring(pool: ConnectionPool) -> Keyring:
    with pool.connection() as connection:
        return Keyring.open(connection, MASTER_KEY)


@pytest.fixture
def store(pool: ConnectionPool, keyring: Keyring) -> EventStore:
    return EventStore.open(pool, keyring)


@pytest.fixture
def co_operative(store: EventStore) -> CoOperative:
    return CoOperative(store)
