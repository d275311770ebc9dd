"""A real Kafka for the tests: one broker a process of theirs, topics of its own for each test."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from infra.kafka.broker import Broker, stop
from infra.kafka.errors import NoKafka
from infra.kafka.installation import classpath, java
from infra.kafka.settings import KafkaSettings
from projections.public_events.cloud_events import topic_name
from projections.public_events.topics import TOPICS
from tests.support.waiting import eventually

PARTITIONS = 3  # topics that somebody made beforehand are used as they are
_numbers = itertools.count(1)


class RunningBroker:
    """The broker, which a test may kill and start again."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if self._process is None:
            self._process = self.broker.start()

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        if self._process is not None:
            stop(self._process)

    @contextmanager
    def topics(self) -> Iterator[KafkaSettings]:
        """Topics that nobody else has."""
        self.start()
        settings = KafkaSettings(
            bootstrap_servers=(self.broker.address,),
            topic_prefix=f"test{os.getpid()}-{next(_numbers)}",
        )
        names = [topic_name(topic, settings.topic_prefix) for topic in TOPICS.values()]
        admin = KafkaAdminClient(**settings.client())
        try:
            admin.create_topics(
                {name: {"num_partitions": PARTITIONS, "replication_factor": 1} for name in names}
            )
            yield settings
            self.start()
            admin.delete_topics(names)
        finally:
            admin.close()


def delete_topics(settings: KafkaSettings) -> None:
    """As somebody does who does not know better."""
    admin = KafkaAdminClient(**settings.client())
    try:
        names = [topic_name(topic, settings.topic_prefix) for topic in TOPICS.values()]
        admin.delete_topics(names)
        eventually(lambda: not set(names) & set(admin.list_topics()))
    finally:
        admin.close()


def kafka_or_skip(memory: Path) -> None:
    """Without Kafka, the tests that need it are left out, and say so; in CI they fail."""
    try:
        java()
        classpath(memory)
    except NoKafka as error:
        told = f"!!! KAFKA IS NOT TESTED: {error} !!!"
        if os.environ.get("CI") == "true":
            pytest.fail(told)
        pytest.skip(told)


def records(settings: KafkaSettings) -> list[Any]:
    """Everything in the test's topics, partition by partition."""
    reader = KafkaConsumer(
        **settings.client(), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        partitions = [
            TopicPartition(topic_name(topic, settings.topic_prefix), number)
            for topic in TOPICS.values()
            for number in range(PARTITIONS)
        ]
        reader.assign(partitions)
        left = {place: end for place, end in reader.end_offsets(partitions).items() if end}
        found = []
        while any(reader.position(place) < end for place, end in left.items()):
            for read in reader.poll(timeout_ms=100).values():
                found += read
        return found
    finally:
        reader.close()
