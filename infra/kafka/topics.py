"""The topics: made where they are missing, each with a number of partitions that never changes.

Which partition a subject's items are in depends on how many there are. Were partitions added to a
topic that has items, later items of a subject could be read before earlier ones. So the number is
kept in the database the first time a topic is seen, and that many are used ever after.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import structlog
from kafka import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from kafka.partitioner.default import murmur2
from psycopg_pool import ConnectionPool

from infra.kafka.errors import BrokersAway, TopicChanged
from infra.kafka.settings import KafkaSettings

PARTITIONS = 12
REPLICAS_OF_THE_BROKERS = -1  # as many as `default.replication.factor` says
_DAY_MILLISECONDS = 86_400_000
RETENTION_DAYS = 30  # Kafka carries; the log remembers

_log = structlog.get_logger()


def partition_of(subject: str, partitions: int) -> int:
    """Where a subject's items are: as Kafka's own clients would put them."""
    place: int = murmur2(subject.encode()) & 0x7FFFFFFF
    return place % partitions


def ensure_topics(
    settings: KafkaSettings, pool: ConnectionPool, names: Iterable[str]
) -> Mapping[str, int]:
    """Make the topics that are missing. Answers how many partitions of each are used.

    Raises:
        TopicChanged: a topic has fewer partitions than are used of it.
        BrokersAway: they do not answer, or refuse.
    """
    names = list(names)
    try:
        present = _made(settings, names)
    except KafkaError as error:
        raise BrokersAway(type(error).__name__) from error
    return {name: _agreed(pool, name, present[name]) for name in names}


def _made(settings: KafkaSettings, names: list[str]) -> dict[str, int]:
    """How many partitions each has, once all exist."""
    admin = KafkaAdminClient(**settings.client())
    try:
        present = _present(admin, names)
        missing = [name for name in names if name not in present]
        if missing:
            _make(admin, missing)
            present |= dict.fromkeys(missing, PARTITIONS)
    finally:
        admin.close()
    return present


def _present(admin: KafkaAdminClient, names: list[str]) -> dict[str, int]:
    """Those that exist, and how many partitions each has."""
    existing = set(admin.list_topics())
    wanted = [name for name in names if name in existing]
    found = {}
    for topic in admin.describe_topics(wanted) if wanted else []:
        if topic["error_code"]:
            raise for_code(topic["error_code"])
        found[topic["name"]] = len(topic["partitions"])
    return found


def _make(admin: KafkaAdminClient, names: list[str]) -> None:
    wanted = {
        name: {
            "num_partitions": PARTITIONS,
            "replication_factor": REPLICAS_OF_THE_BROKERS,
            "configs": {"retention.ms": str(RETENTION_DAYS * _DAY_MILLISECONDS)},
        }
        for name in names
    }
    try:
        admin.create_topics(wanted, wait_for_metadata=True)
    except TopicAlreadyExistsError:  # another relay was first, with the same numbers
        return
    _log.info("topics_made", topics=names, partitions=PARTITIONS)


def _agreed(pool: ConnectionPool, name: str, present: int) -> int:
    with pool.connection() as connection:
        connection.execute(
            "INSERT INTO consuming.topics (topic, partitions) VALUES (%s, %s)"
            " ON CONFLICT (topic) DO NOTHING",
            (name, present),
        )
        row = connection.execute(
            "SELECT partitions FROM consuming.topics WHERE topic = %s", (name,)
        ).fetchone()
    assert row is not None
    used: int = row[0]
    if present < used:
        raise TopicChanged(
            f"Topic {name} has {present} partitions and had {used}. Give it {used} again."
        )
    return used
