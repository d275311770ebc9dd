"""One database for each file: its tests speak of different members and never meet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.event_store.unit_of_work import EventStore
from infra.keyring import Keyring
from infra.postgres.pool import open_pool
from tests.conftest import MASTER_KEY
from tests.support.co_operative import CoOperative
from tests.support.databases import Databases


@pytest.fixture(scope="module")
def co_operative(databases: Databases) -> Iterator[CoOperative]:
    with databases.fresh() as url, open_pool(url, size_max=4) as pool:
        with pool.connection() as connection:
            keyring = Keyring.open(connection, MASTER_KEY)
        yield CoOperative(EventStore.open(pool, keyring))
