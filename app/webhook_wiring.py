"""Builds what tells webhook endpoints: who writes their deliveries, and who sends them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from consumers.webhooks.catching_up import CatchingUp
from consumers.webhooks.digest_round import DigestRound
from consumers.webhooks.sender import WebhookSender
from domain.webhooks.commands import DisableWebhookEndpoint
from domain.webhooks.endpoint import DisableReason
from infra import clock
from infra.event_store.dispatch import dispatch
from infra.event_store.unit_of_work import Cause
from infra.webhooks.courier import Courier

if TYPE_CHECKING:
    from app.wiring import Services

ACTOR = "system:webhook-sender"


class WebhookServices:
    """Made as they are asked for."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def catching_up(self) -> CatchingUp:
        return CatchingUp(self._services.pool, self._services.change_feed)

    def sender(self) -> WebhookSender:
        return WebhookSender(
            self._services.pool,
            Courier(self._services.settings.deliveries.networks),
            self._services.endpoint_secrets.opened,
            disable=self._disable,
        )

    def digest_round(self) -> DigestRound:
        return DigestRound(self._services.pool)

    def _disable(self, endpoint_id: UUID, reason: DisableReason) -> None:
        command = DisableWebhookEndpoint(endpoint_id, reason, clock.now())
        dispatch(self._services.store, command, Cause(ACTOR, str(endpoint_id)))
