"""Telling Kafka: every record is acknowledged by all replicas in sync, or the caller hears of it.

Records of one key go one after another: the second leaves when the first is acknowledged. Whatever
fails in between, and however often all of it is sent again, a reader never meets a record for the
first time before those of its key that precede it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError

from infra.kafka.errors import BrokersAway
from infra.kafka.settings import KafkaSettings
from infra.kafka.topics import partition_of

ACKNOWLEDGED_SECONDS_MAX = 10.0
_SETTLED_SECONDS_MAX = ACKNOWLEDGED_SECONDS_MAX + 5.0  # by then it is acknowledged or given up
_REQUEST_MILLISECONDS = 5_000
_LINGER_MILLISECONDS = 5
_BATCH_BYTES = 131_072

_log = structlog.get_logger()


@dataclass(frozen=True)
class Record:
    """What is told. Headers are a name and its text."""

    topic: str
    key: str
    value: bytes
    headers: Mapping[str, str]


class Publisher:
    """An idempotent producer. One a process, used by one thread."""

    def __init__(self, settings: KafkaSettings, partitions: Mapping[str, int]) -> None:
        """`partitions` of each topic.

        Raises:
            BrokersAway: they do not answer.
        """
        self._partitions = partitions
        try:
            self._producer = self._connected(settings)
        except KafkaError as error:
            raise BrokersAway(type(error).__name__) from error

    def publish(self, records: Sequence[Record]) -> None:
        """Send them, and wait until the brokers have each.

        Raises:
            BrokersAway: some may not be there. Send all of them again, by another publisher.
        """
        try:
            self._publish(records)
        except KafkaError as error:
            raise BrokersAway(type(error).__name__) from error

    def close(self) -> None:
        """End it. What is not acknowledged is given up when its time is over."""
        try:
            self._producer.close(timeout=_SETTLED_SECONDS_MAX)
        except KafkaError as error:
            _log.warning("publisher_not_closed", error=type(error).__name__)

    def _connected(self, settings: KafkaSettings) -> KafkaProducer:
        return KafkaProducer(
            **settings.client(),
            acks="all",
            enable_idempotence=True,
            allow_auto_create_topics=False,
            linger_ms=_LINGER_MILLISECONDS,
            batch_size=_BATCH_BYTES,
            request_timeout_ms=_REQUEST_MILLISECONDS,
            delivery_timeout_ms=int(ACKNOWLEDGED_SECONDS_MAX * 1000),
            max_block_ms=int(ACKNOWLEDGED_SECONDS_MAX * 1000),
        )

    def _publish(self, records: Sequence[Record]) -> None:
        for wave in waves(records):
            sent = [
                self._producer.send(
                    record.topic,
                    key=record.key.encode(),
                    value=record.value,
                    headers=[(name, text.encode()) for name, text in record.headers.items()],
                    partition=partition_of(record.key, self._partitions[record.topic]),
                )
                for record in wave
            ]
            self._producer.flush(timeout=_SETTLED_SECONDS_MAX)
            for answer in sent:
                answer.get(timeout=1.0)


def waves(records: Sequence[Record]) -> Iterator[list[Record]]:
    """The records in order, so that no wave holds two of one key."""
    nth: dict[tuple[str, str], int] = {}
    sorted_out: list[list[Record]] = []
    for record in records:
        key = (record.topic, record.key)
        number = nth.get(key, 0)
        nth[key] = number + 1
        if number == len(sorted_out):
            sorted_out.append([])
        sorted_out[number].append(record)
    yield from sorted_out
