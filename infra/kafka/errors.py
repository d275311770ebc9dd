"""What may go wrong with Kafka, for whoever must not load its client to name it."""

from __future__ import annotations

from infra.errors import InfrastructureError


class NoKafka(InfrastructureError):
    """There is no Kafka of our own to be had on this machine, and how to get it."""


class BrokerNotStarted(InfrastructureError):
    """The broker did not come up; its last words are with it."""


class BrokersAway(InfrastructureError):
    """The brokers do not answer, or refuse. It passes, or somebody mends it; until then we wait."""


class TopicsLost(InfrastructureError):
    """Topics that were told of are there no more. The relay makes them anew and tells again."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(f"Topics are gone: {', '.join(names)}.")
        self.names = names


class TopicChanged(InfrastructureError):
    """A topic has fewer partitions than it had: it was made anew."""
