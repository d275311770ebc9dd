"""One demo at work that several stories share: each leaves nothing open in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.running_house import RunningHouse, running_house


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHouse]:
    with running_house(tmp_path_factory.mktemp("at_work") / "var") as running:
        yield running
