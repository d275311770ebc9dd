"""What the tests of webhooks share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from consumers.webhooks.sender import WebhookSender
from tests.support.co_operative import CoOperative
from tests.support.receiver import Receiver, receiving
from tests.support.subscribers import Subscribers


@pytest.fixture
def subscribers(co_operative: CoOperative) -> Subscribers:
    return Subscribers(co_operative)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened


@pytest.fixture
def sender(subscribers: Subscribers) -> WebhookSender:
    return subscribers.sender()
