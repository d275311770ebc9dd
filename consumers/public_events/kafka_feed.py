"""Kafka as a feed: a consumer group reads the topics and shares their partitions out.

An offset is committed after the transaction that took the items before it. What is read again,
after a crash or when partitions are shared out anew, the inbox knows. So nothing needs to be done
at the moment in which partitions come or go.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson
import structlog
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from psycopg_pool import ConnectionPool

from consumers.public_events.feed_loop import WAIT_SECONDS_FIRST, WAIT_SECONDS_MAX, FeedLoop
from consumers.public_events.handling import Item
from consumers.public_events.standing import tell_partitions
from consumers.public_events.taking import Taking, Told, Waiting
from infra.kafka.errors import BrokersAway
from infra.kafka.settings import KafkaSettings
from infra.kafka.sharing_out import UsedPartitions
from infra.kafka.topics import ensure_topics
from infra.postgres.pool import borrowed
from projections.public_events.cloud_events import topic_name
from projections.public_events.table import TYPES
from projections.public_events.topics import TOPICS

ITEMS_AT_ONCE = 500
POLL_MILLISECONDS = 250
SESSION_MILLISECONDS = 6_000  # so long are the partitions of a killed process without a reader
HEARTBEAT_MILLISECONDS = 1_500
TELL_SECONDS = 5.0
CLOSE_MILLISECONDS = 3_000
_SHARED_OUT_ANEW = (
    CommitFailedError,
    IllegalGenerationError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

_log = structlog.get_logger()
_Polled = Mapping[TopicPartition, list[Any]]


class KafkaFeed(FeedLoop):
    """Feeds a consumer from Kafka. Of many processes each has some of the partitions."""

    feed = "kafka"

    def __init__(
        self, pool: ConnectionPool, consumer: str, taking: Taking, settings: KafkaSettings
    ) -> None:
        super().__init__(pool, consumer, taking)
        self._settings = settings

    def follow(self, stop: threading.Event) -> None:
        prefix = self._settings.topic_prefix
        names = [topic_name(topic, prefix) for topic in TOPICS.values()]
        partitions = ensure_topics(self._settings, self._pool, names)
        try:
            self._follow(partitions, stop)
        except KafkaError as error:
            raise BrokersAway(type(error).__name__) from error

    def _follow(self, partitions: Mapping[str, int], stop: threading.Event) -> None:
        with self._reader(partitions) as reader:
            resting: dict[TopicPartition, float] = {}
            patience, told_at = WAIT_SECONDS_FIRST, 0.0
            while not stop.is_set():
                self._wake(reader, resting)
                polled = reader.poll(timeout_ms=POLL_MILLISECONDS, max_records=ITEMS_AT_ONCE)
                if polled:
                    waiting = self._take(reader, polled)
                    patience = (
                        min(patience * 2, WAIT_SECONDS_MAX) if waiting else WAIT_SECONDS_FIRST
                    )
                    resting |= dict.fromkeys(waiting, time.monotonic() + patience)
                if time.monotonic() > told_at + TELL_SECONDS:
                    self._tell(reader)
                    told_at = time.monotonic()

    @contextmanager
    def _reader(self, partitions: Mapping[str, int]) -> Iterator[KafkaConsumer]:
        reader = KafkaConsumer(
            **self._settings.client(),
            group_id=f"{self._settings.topic_prefix}.{self._consumer}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # what is not the consumer's, the inbox knows
            allow_auto_create_topics=False,
            partition_assignment_strategy=[UsedPartitions(partitions)],
            session_timeout_ms=SESSION_MILLISECONDS,
            heartbeat_interval_ms=HEARTBEAT_MILLISECONDS,
        )
        try:
            reader.subscribe(list(partitions))
            yield reader
        finally:
            reader.close(timeout_ms=CLOSE_MILLISECONDS)

    def _take(self, reader: KafkaConsumer, polled: _Polled) -> dict[Hashable, Waiting]:
        """Take what was read and commit how far. Partitions in which something waits are paused."""
        told: list[Told] = []
        first: dict[tuple[TopicPartition, str], int] = {}
        for partition, records in polled.items():
            for record in records:
                item = _item(record)
                if item is not None:
                    told.append(Told(item, partition))
                    first.setdefault((partition, item["id"]), record.offset)
        waiting = self._taking.take(told)
        offsets = {}
        for partition, records in polled.items():
            offsets[partition] = records[-1].offset + 1
            if partition in waiting:
                offsets[partition] = first[partition, waiting[partition].item["id"]]
                if partition in reader.assignment():
                    reader.seek(partition, offsets[partition])
                    reader.pause(partition)
        try:
            reader.commit({place: OffsetAndMetadata(at, "", -1) for place, at in offsets.items()})
        except _SHARED_OUT_ANEW as error:
            _log.info("partitions_shared_out_anew", error=type(error).__name__)
        if waiting:
            self.say_what_waits(next(iter(waiting.values())).reason)
        return waiting

    def _wake(self, reader: KafkaConsumer, resting: dict[TopicPartition, float]) -> None:
        """Let partitions go on that have waited long enough."""
        now = time.monotonic()
        for partition in [place for place, until in resting.items() if until <= now]:
            del resting[partition]
            if partition in reader.assignment():
                reader.resume(partition)
            if not resting:
                self.say_what_waits(None)

    def _tell(self, reader: KafkaConsumer) -> None:
        ours = sorted(reader.assignment())
        if not ours:
            return
        ends = reader.end_offsets(ours)
        read = {place: (reader.position(place, timeout_ms=1_000), ends[place]) for place in ours}
        with borrowed(self._pool) as connection:
            tell_partitions(
                connection, self._consumer, {k: v for k, v in read.items() if v[0] is not None}
            )


def _item(record: Any) -> Item | None:
    """What a record tells; None where it is nothing of ours."""
    try:
        item: Item = orjson.loads(record.value)
        if item["type"] in TYPES and item["subject"] and item["position"]:
            return item
        reason = f"unknown type {item['type']}"
    except (orjson.JSONDecodeError, LookupError, TypeError) as error:
        reason = type(error).__name__
    _log.error(
        "record_not_ours",
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        reason=reason,
    )
    return None
