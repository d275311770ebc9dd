"""Houses to knock at. What refuses everything may be shared; what changes things is one's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from app.wiring import Services
from projections.follower import Follower
from tests.integration.http.house import ALL_PERMISSIONS, Client, House, open_house
from tests.integration.http.requests_of_every_kind import Premises
from tests.support.databases import Databases


@pytest.fixture
def house(owner_url: str, tmp_path: Path) -> Iterator[House]:
    with open_house(owner_url, tmp_path) as opened:
        yield opened


@pytest.fixture
def services(house: House) -> Services:
    return house.services


@pytest.fixture
def app(house: House) -> Flask:
    return house.app


@pytest.fixture
def client(house: House) -> Client:
    """Somebody who may do everything."""
    return house.client(*ALL_PERMISSIONS)


@pytest.fixture
def follower(house: House) -> Follower:
    return house.co_operative.follower()


@pytest.fixture(scope="module")
def premises(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Premises]:
    """One house for a whole module of refusals, which change nothing."""
    with (
        databases.fresh() as owner_url,
        open_house(owner_url, tmp_path_factory.mktemp("premises")) as opened,
    ):
        yield Premises.of(opened)
