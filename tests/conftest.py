"""What every test may ask for. Real PostgreSQL; a database of one's own; nothing mocked."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from psycopg_pool import ConnectionPool

from infra.event_store.unit_of_work import EventStore
from infra.kafka.broker import Broker
from infra.kafka.settings import KafkaSettings
from infra.keyring import Keyring, new_master_key
from infra.postgres.embedded import EmbeddedPostgres
from infra.postgres.pool import open_pool
from tests.support.co_operative import CoOperative
from tests.support.databases import Databases
from tests.support.kafka import RunningBroker, kafka_or_skip
from tests.support.ports import free_port

MASTER_KEY = new_master_key()
# Of connections that a broker refused, it leaves the sockets to the garbage collector.
LEFT_BY_KAFKA_PYTHON = "ignore:unclosed <socket.socket:ResourceWarning"
hypothesis.settings.register_profile("ours", deadline=None)  # a busy machine breaks no claim
hypothesis.settings.load_profile("ours")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole houses first: where several processes share the tests, none is left alone with one."""
    items.sort(key=lambda item: "stories" not in item.path.parts)
    for item in items:
        if "broker" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.filterwarnings(LEFT_BY_KAFKA_PYTHON))


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


@pytest.fixture(scope="session")
def kafka_jars(request: pytest.FixtureRequest) -> Path:
    """A folder that remembers where Kafka's jars are."""
    memory = Path(request.config.rootpath) / "var" / "kafka"
    kafka_or_skip(memory)
    return memory


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory, kafka_jars: Path) -> Iterator[RunningBroker]:
    """A Kafka of our own, started by the first test that asks for it."""
    running = RunningBroker(Broker(tmp_path_factory.mktemp("kafka"), free_port(), kafka_jars))
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def kafka(broker: RunningBroker) -> Iterator[KafkaSettings]:
    """Kafka with topics that are this test's alone."""
    with broker.topics() as settings:
        yield settings
    gc.collect()


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
