"""Sixteen writers, one event a commit: ours, a plain INSERT, and the library's own recorder."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.conninfo import conninfo_to_dict

from infra.event_store.log import Commit, EventLog
from infra.postgres.pool import open_pool
from tests.benchmarks.figures import Figure, medians

PROCESSES, THREADS = 2, 8
SECONDS = 4.0
_STATE = b'{"contribution_id":"8f14e45f-ceea-467f-a0e6-2e1c2b1c9f10","amount_cents":200000}' * 2
_METADATA = b'{"actor":"bench","correlation_id":"bench","causation_id":null}'

_PLAIN_TABLE = """
CREATE SCHEMA plain;
CREATE TABLE plain.events (LIKE event_store.events INCLUDING ALL);
CREATE SEQUENCE plain.position;
"""
_PLAIN_INSERT = """
INSERT INTO plain.events
    (position, stream_id, stream_version, topic, state, recorded_at, metadata)
VALUES (nextval('plain.position'), %s, %s, %s, %s, clock_timestamp(), %s)
"""


def measure(owner_url: str) -> list[Figure]:
    """The two figures of the append."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute(_PLAIN_TABLE)
    datastore, recorder = _library_recorder(owner_url)
    recorder.create_table()
    datastore.close()
    ours, plain, library = medians(
        lambda: _rate(owner_url, _ours),
        lambda: _rate(owner_url, _plain),
        lambda: _rate(owner_url, _library),
    )
    return [
        Figure(
            "appends/s, 16 writers, beside plain INSERT",
            ours,
            plain,
            ours / plain,
            "60 % of plain",
            ours >= 0.6 * plain,
        ),
        Figure(
            "appends/s, 16 writers, beside the library's recorder",
            ours,
            library,
            ours / library,
            "5 x the library",
            ours >= 5 * library,
        ),
    ]


def _rate(url: str, writer: Callable[[str, float], int]) -> float:
    context = multiprocessing.get_context("spawn")
    start = time.time() + 2.5
    with context.Pool(PROCESSES) as pool:
        counts = pool.starmap(_write_many, [(writer, url, start)] * PROCESSES)
    return sum(counts) / SECONDS


def _write_many(writer: Callable[[str, float], Any], url: str, start: float) -> int:
    return int(writer(url, start))


def _threads(work: Callable[[], int]) -> int:
    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(work())) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counts) == THREADS, "a writer died"
    return sum(counts)


def _repeat(append: Callable[[StoredEvent], object], start: float) -> int:
    time.sleep(max(0.0, start - time.time()))
    count = 0
    while time.time() < start + SECONDS:
        append(StoredEvent(uuid4(), 1, "api-key.revoked", _STATE))
        count += 1
    return count


def _ours(url: str, start: float) -> int:
    with open_pool(url, size_max=THREADS) as pool:
        log = EventLog(pool)
        return _threads(
            lambda: _repeat(lambda event: log.append(Commit([event], [_METADATA])), start)
        )


def _plain(url: str, start: float) -> int:
    def work() -> int:
        with psycopg.connect(url, autocommit=True) as connection:
            return _repeat(
                lambda event: connection.execute(
                    _PLAIN_INSERT, (event.originator_id, 1, event.topic, event.state, _METADATA)
                ),
                start,
            )

    return _threads(work)


def _library(url: str, start: float) -> int:
    datastore, recorder = _library_recorder(url)
    try:
        return _threads(lambda: _repeat(lambda event: recorder.insert_events([event]), start))
    finally:
        datastore.close()


def _library_recorder(url: str) -> tuple[PostgresDatastore, PostgresApplicationRecorder]:
    parts = conninfo_to_dict(url)
    datastore = PostgresDatastore(
        dbname=str(parts["dbname"]),
        host=str(parts.get("host", "")),
        port=str(parts.get("port", "5432")),
        user=str(parts["user"]),
        password=str(parts.get("password", "")),
        pool_size=THREADS,
    )
    return datastore, PostgresApplicationRecorder(datastore, events_table_name="library_events")
