"""Subscribers to test with: real endpoints, and the feed told to whoever writes deliveries."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any
from uuid import UUID, uuid4

from consumers.public_events.handling import Item, Outcome
from consumers.public_events.inbox import Inbox
from consumers.webhooks.catching_up import CatchingUp
from consumers.webhooks.fan_out import WebhookFanOut
from consumers.webhooks.sender import WebhookSender
from domain.webhooks.commands import (
    ChangeWebhookEndpoint,
    CreateWebhookEndpoint,
    DeleteWebhookEndpoint,
    DisableWebhookEndpoint,
    PauseWebhookEndpoint,
    ResumeWebhookEndpoint,
)
from domain.webhooks.endpoint import DisableReason, Payload
from infra.webhooks.courier import Courier
from infra.webhooks.endpoint_secrets import EndpointSecrets
from projections.public_events.feed import ChangeFeed
from projections.webhook_endpoints import valid_secrets
from tests.support.co_operative import NOW, CoOperative

OWNER = str(uuid4())
SECRET = b"a secret of twenty-four b"
_DELIVERIES = """
SELECT item_id, sequence, type, subject, position, state, is_next, attempts, delivery_id
FROM webhooks.deliveries WHERE endpoint_id = %s ORDER BY sequence
"""
_ALL = frozenset({"member.created", "contribution.received", "loan.created"})


class Subscribers:
    """Makes endpoints, and tells what has happened since it was last asked to."""

    def __init__(self, co_operative: CoOperative) -> None:
        self.co_operative = co_operative
        store = co_operative.store
        self.pool = store.pool
        self.secrets = EndpointSecrets(
            store.pool, store.keyring, lambda endpoint_id: valid_secrets(store.pool, endpoint_id)
        )
        self.feed = ChangeFeed(store.pool, waiters_max=1)
        self.fan_out = WebhookFanOut(patience_seconds=0.0)
        self._told = 0
        with self.pool.connection() as connection:
            Inbox(self.fan_out.name).register(connection)

    def endpoint(self, url: str = "https://books.example/hook", **fields: Any) -> UUID:
        endpoint_id, secret_id = uuid4(), self.keep(SECRET)
        values = {
            "principal_id": OWNER,
            "key_id": uuid4(),
            "webhooks_max": 20,
            "url": url,
            "http_allowed": True,
            "types": tuple(_ALL),
            "payload": Payload.FULL,
            "masked_fields": (),
            "rate_limit_per_second": None,
            "description": None,
            "begins_after": None,
            "now": NOW,
        }
        self.co_operative.dispatch(
            CreateWebhookEndpoint(endpoint_id=endpoint_id, secret_id=secret_id, **(values | fields))
        )
        if fields.get("begins_after") is None:
            self.fold()
            self.catch_up()
        return endpoint_id

    def keep(self, secret: bytes) -> UUID:
        secret_id = uuid4()
        self.secrets.keep(secret_id, secret)
        return secret_id

    def change(self, endpoint_id: UUID, **changes: Any) -> None:
        self.co_operative.dispatch(
            ChangeWebhookEndpoint(endpoint_id, OWNER, changes, http_allowed=True, now=NOW)
        )

    def pause(self, endpoint_id: UUID) -> None:
        self.co_operative.dispatch(PauseWebhookEndpoint(endpoint_id, OWNER, NOW))

    def resume(self, endpoint_id: UUID) -> None:
        self.co_operative.dispatch(ResumeWebhookEndpoint(endpoint_id, OWNER, NOW))

    def disable(self, endpoint_id: UUID, reason: DisableReason = DisableReason.FAILING) -> None:
        self.co_operative.dispatch(DisableWebhookEndpoint(endpoint_id, reason, NOW))

    def delete(self, endpoint_id: UUID) -> None:
        self.co_operative.dispatch(DeleteWebhookEndpoint(endpoint_id, OWNER, NOW))

    def sender(self, **options: Any) -> WebhookSender:
        """A sender that may tell this machine."""
        courier = Courier([ip_network("127.0.0.1/32")], seconds_max=2.0)
        options.setdefault("disable", self.disable)
        return WebhookSender(self.pool, courier, self.secrets.opened, **options)

    def state(self, endpoint_id: UUID) -> str:
        self.fold()
        with self.pool.connection() as connection:
            row = connection.execute(
                "SELECT state FROM read_webhook_endpoints.endpoints WHERE endpoint_id = %s",
                (endpoint_id,),
            ).fetchone()
        assert row is not None
        return str(row[0])

    def attempts(self, endpoint_id: UUID) -> list[dict[str, Any]]:
        """Every attempt at an endpoint, in the order they were made."""
        with self.pool.connection() as connection:
            cursor = connection.execute(
                "SELECT d.sequence, a.* FROM webhooks.attempts a"
                " JOIN webhooks.deliveries d USING (delivery_id)"
                " WHERE d.endpoint_id = %s ORDER BY a.started_at",
                (endpoint_id,),
            )
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def time_passes(self) -> None:
        """What is to be tried later may be tried now."""
        self.execute("UPDATE webhooks.deliveries SET next_at = now() WHERE state = 'due'")
        self.execute(
            "UPDATE webhooks.endpoint_states SET broken_until = now()"
            " WHERE broken_until IS NOT NULL"
        )

    def fold(self) -> None:
        """Bring the read models up with the log."""
        self.co_operative.follower().catch_up()

    def news(self) -> list[Item]:
        """What has happened since it was last asked for."""
        changes = self.feed.changes(self._told, limit=1_000, types=_ALL)
        self._told = changes.next_after
        return list(changes.items)

    def tell(self, items: list[Item] | None = None) -> list[Outcome]:
        """Have the news written as deliveries, in one transaction, as the consumer's loop does."""
        self.fold()
        news = self.news() if items is None else items
        with self.pool.connection() as connection, connection.transaction():
            return list(self.fan_out.handle(connection, news)) if news else []

    def catch_up(self) -> None:
        """Whoever reads the log reads it to its end."""
        catching_up = CatchingUp(self.pool, self.feed, patience_seconds=0.1)
        while catching_up.work_once():
            pass

    def deliveries(self, endpoint_id: UUID) -> list[dict[str, Any]]:
        with self.pool.connection() as connection:
            cursor = connection.execute(_DELIVERIES, (endpoint_id,))
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def execute(self, statement: str, *values: Any) -> None:
        with self.pool.connection() as connection:
            connection.execute(statement, values)
