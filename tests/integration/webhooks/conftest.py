"""What the tests of webhooks share."""

from __future__ import annotations

import pytest

from tests.support.co_operative import CoOperative
from tests.support.subscribers import Subscribers


@pytest.fixture
def subscribers(co_operative: CoOperative) -> Subscribers:
    return Subscribers(co_operative)
