"""The list of endpoints says the same whether it followed event by event or was made anew."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from domain.webhooks.commands import RotateWebhookSecret
from infra import clock
from projections.rows import COPY_ROWS_MIN
from projections.webhook_endpoints import valid_secrets
from tests.support.read_models import dumped, emptied
from tests.support.subscribers import OWNER, Subscribers


@pytest.fixture
def subscribers(co_operative):
    return Subscribers(co_operative)


def rotate(subscribers, endpoint_id, overlap):
    secret_id = subscribers.keep(b"another secret of 24 bytes")
    subscribers.co_operative.dispatch(
        RotateWebhookSecret(endpoint_id, OWNER, secret_id, overlap, clock.now())
    )
    return secret_id


def live(subscribers):
    """Endpoints of every kind, the list brought up after each step. Each by its name."""
    named: dict[str, UUID] = {}
    for name in ("told", "paused", "disabled", "deleted", "resumed", "rotated", "leaked"):
        named[name] = subscribers.endpoint(description=name, masked_fields=("amount",))
        subscribers.fold()
    steps = (
        lambda: subscribers.pause(named["paused"]),
        lambda: subscribers.disable(named["disabled"]),
        lambda: rotate(subscribers, named["deleted"], timedelta(hours=1)),
        lambda: subscribers.delete(named["deleted"]),
        lambda: subscribers.disable(named["resumed"]),
        lambda: subscribers.resume(named["resumed"]),
        lambda: rotate(subscribers, named["rotated"], timedelta(hours=1)),
        lambda: rotate(subscribers, named["leaked"], timedelta(0)),
        lambda: subscribers.change(named["told"], types=["loan.created"], payload="thin"),
    )
    for step in steps:
        step()
        subscribers.fold()
    return named


def test_followed_step_by_step_or_all_at_once_it_is_the_same(subscribers, owner_url):
    named = live(subscribers)
    followed = dumped(owner_url)
    emptied(owner_url)
    subscribers.fold()
    assert dumped(owner_url) == followed
    rows = {row["description"]: row for row in followed["read_webhook_endpoints.endpoints"]}
    states = {name: rows[name]["state"] for name in named}
    assert states == {
        "told": "active",
        "paused": "paused",
        "disabled": "disabled",
        "deleted": "deleted",
        "resumed": "active",
        "rotated": "active",
        "leaked": "active",
    }
    assert rows["disabled"]["disabled_reason"] == "failing"
    assert rows["resumed"]["disabled_reason"] is None
    assert rows["told"]["types"] == ["loan.created"]


def test_only_secrets_that_hold_are_told_newest_first(subscribers):
    named = live(subscribers)
    counts = {name: len(valid_secrets(subscribers.pool, named[name])) for name in named}
    assert counts == dict.fromkeys(named, 1) | {"deleted": 0, "rotated": 2}
    newest = rotate(subscribers, named["rotated"], timedelta(hours=1))
    subscribers.fold()
    assert valid_secrets(subscribers.pool, named["rotated"])[0] == newest
    assert valid_secrets(subscribers.pool, uuid4()) == []


def test_many_at_once_are_copied_as_they_are(subscribers, owner_url):
    made = [subscribers.endpoint(masked_fields=("amount", "id")) for _ in range(COPY_ROWS_MIN + 1)]
    subscribers.fold()
    rows = dumped(owner_url)["read_webhook_endpoints.endpoints"]
    assert {row["endpoint_id"] for row in rows} == set(map(str, made))
    assert {tuple(row["masked_fields"]) for row in rows} == {("amount", "id")}
    assert {len(row["types"]) for row in rows} == {3}
