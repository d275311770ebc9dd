"""The topics: made where they are missing, each with a number of partitions that never changes.

Which partition a subject's items are in depends on how many there are. Were partitions added to a
topic that has items, later items of a subject could be read before earlier ones. So the number is
kept in the database the first time a topic is seen, and that many are used ever after.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

import structlog
from kafka import KafkaAdminClient
from kafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)
from kafka.partitioner.default import murmur2
from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from infra.kafka.errors import BrokersAway, TopicChanged, TopicsLost
from infra.kafka.settings import KafkaSettings
from infra.postgres.pool import borrowed

PARTITIONS = 12
REPLICAS_OF_THE_BROKERS = -1  # as many as `default.replication.factor` says
RETENTION_DAYS = 30  # Kafka carries; the log remembers
_DAY_MILLISECONDS = 86_400_000
_VISIBLE_SECONDS_MAX = 10.0
_LOOK_SECONDS = 0.1

_log = structlog.get_logger()


def partition_of(subject: str, partitions: int) -> int:
    """Where a subject's items are: as Kafka's own clients would put them."""
    place: int = murmur2(subject.encode()) & 0x7FFFFFFF
    return place % partitions


def ensure_topics(
    settings: KafkaSettings, pool: ConnectionPool, names: Iterable[str]
) -> Mapping[str, int]:
    """Make the topics that there never were. Answers how many partitions of each are used.

    Raises:
        TopicsLost: there were topics that are missing, and what they told with them.
        TopicChanged: a topic has fewer partitions than are used of it.
        BrokersAway: they do not answer, or refuse.
    """
    names = list(names)
    with borrowed(pool) as connection:
        rows = connection.execute(
            "SELECT topic FROM consuming.topics WHERE topic = ANY(%s)", (names,)
        ).fetchall()
    try:
        present = _made(settings, names, known={row[0] for row in rows})
    except KafkaError as error:
        raise BrokersAway(type(error).__name__) from error
    return {name: _agreed(pool, name, present[name]) for name in names}


def _made(settings: KafkaSettings, names: list[str], *, known: set[str]) -> dict[str, int]:
    """How many partitions each has, once all exist."""
    admin = KafkaAdminClient(**settings.client())
    try:
        present = _present(admin, names)
        missing = [name for name in names if name not in present]
        if lost := sorted(known.intersection(missing)):
            raise TopicsLost(lost)
        if missing:
            _make(admin, missing)
        # Somebody else may have made them meanwhile, with another number, and the brokers may
        # learn of it a moment later.
        deadline = time.monotonic() + _VISIBLE_SECONDS_MAX
        while len(present) < len(names):
            if time.monotonic() > deadline:
                raise KafkaTimeoutError("topics that were made are not to be seen")
            time.sleep(_LOOK_SECONDS)
            present = _present(admin, names, led=True)
    finally:
        admin.close()
    return present


def forget_topics(connection: Connection[TupleRow], names: list[str]) -> None:
    """Let topics be made anew, with a number of partitions of their own."""
    connection.execute("DELETE FROM consuming.topics WHERE topic = ANY(%s)", (names,))


def _present(admin: KafkaAdminClient, names: list[str], *, led: bool = False) -> dict[str, int]:
    """Those that exist, `led` by a broker in each partition, and how many partitions each has."""
    existing = set(admin.list_topics())
    wanted = [name for name in names if name in existing]
    found = {}
    for topic in admin.describe_topics(wanted) if wanted else []:
        if topic["error_code"] == UnknownTopicOrPartitionError.errno:
            continue  # it is about to be made, or gone
        if topic["error_code"]:
            raise for_code(topic["error_code"])
        if not led or all(partition["leader_id"] >= 0 for partition in topic["partitions"]):
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
        admin.create_topics(wanted)
    except TopicAlreadyExistsError:
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
