"""Builds consumers of public events, the relay that tells Kafka, and the desk of dead letters."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from consumers.public_events.dead_letters import DeadLetters
from consumers.public_events.feed_loop import FeedLoop
from consumers.public_events.handling import Handler
from consumers.public_events.log_feed import LogFeed
from consumers.public_events.taking import Taking
from consumers.webhooks.fan_out import WebhookFanOut
from infra.errors import SettingsError

if TYPE_CHECKING:
    from app.wiring import Services
    from projections.public_events.relay import Relay

HANDLERS: Mapping[str, Callable[[Services], Handler]] = {"webhooks": lambda _: WebhookFanOut()}
"""Every consumer, by its name."""

BESIDE: Mapping[str, Callable[[Services], Callable[[threading.Event], None]]] = {
    "webhooks": lambda services: services.webhooks.catching_up().run
}
"""What runs beside a consumer in its process."""


class ConsumingServices:
    """Made as they are asked for."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def handler(self, consumer: str) -> Handler:
        """What a consumer does."""
        return HANDLERS[consumer](self._services)

    def loop(self, handler: Handler) -> FeedLoop:
        """Over Kafka where there is one, else over the log."""
        pool, settings = self._services.pool, self._services.settings
        taking = Taking(pool, handler, dead_letters_max=settings.dead_letters_max)
        if settings.kafka.bootstrap_servers:
            # Kafka's client takes a while to load, and few processes need it.
            from consumers.public_events.kafka_feed import KafkaFeed  # noqa: PLC0415

            return KafkaFeed(pool, handler.name, taking, settings.kafka)
        return LogFeed(pool, handler.name, taking, self._services.change_feed)

    def relay(self) -> Relay:
        """Tells Kafka of the log.

        Raises:
            SettingsError: there is no Kafka.
        """
        kafka = self._services.settings.kafka
        if not kafka.bootstrap_servers:
            raise SettingsError("There is no Kafka to tell: set KAFKA_BOOTSTRAP_SERVERS.")
        from projections.public_events.relay import Relay  # noqa: PLC0415

        return Relay(self._services.pool, self._services.change_feed, kafka)

    def dead_letters(self) -> DeadLetters:
        return DeadLetters(self._services.pool, self.handler)
