"""A million events: followed and rebuilt, how fast, and in how much memory.

The read models rebuilt are the accounting ones, members and contributions, one after the other as
`daystar rebuild` does it: filled from the whole log, indexed, compared with the live one, swapped.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from app.cli.administration import issue_key
from app.cli.processes import collect_garbage_seldom
from app.wiring import Services, database_urls
from domain.api_keys.api_key import Permission
from infra.event_store.personal_keys import PersonalKeys
from infra.event_store.reader import LogReader
from projections.filling import BATCH_EVENTS
from projections.read_models import READ_MODELS
from projections.rebuild import Rebuild
from tests.benchmarks.figures import Figure, medians
from tests.benchmarks.history import make_history
from tests.benchmarks.house import CAUSE, processes
from tests.benchmarks.library_projection import library_rate
from tests.benchmarks.load import request_bytes, run_load
from tests.benchmarks.memory import Memory, run_watched

EVENTS = 1_000_000
LIBRARY_MEMBERS = 300
ACCOUNTING = ("members", "contributions")
TARGET_A_SECOND = 100_000
TARGET_TIMES_LIBRARY = 50
MEGABYTES_MAX = 250
GROWTH_MAX = 1.1
_PROCESSES = {
    "web": ["web"],
    "intake": ["intake"],
    "follow": ["follow"],
    "send": ["send", "mpesa"],
    "schedule": ["schedule"],
}


def measure(services: Services, *, port: int, data_directory: Path) -> list[Figure]:
    """How fast read models are rebuilt, beside the library's runner and beside mere reading."""
    assert services.keyring is not None, "made here, before the writers want it"
    make_history(EVENTS)
    events = _count(services)
    followed, following = _follow(services, port, data_directory)
    _tell(f"{events:,} events followed by all read models at {followed:,.0f}/s")
    _tell(", ".join(f"{name} {memory.peak_megabytes:.0f} MB" for name, memory in following.items()))
    rebuilding = run_watched("rebuild", "--all", "--yes", data_directory=data_directory)
    _tell(f"rebuilt by command in {rebuilding.peak_megabytes:.0f} MB")
    collect_garbage_seldom()
    rebuilt, read = medians(
        lambda: events / _rebuild_seconds(services), lambda: events / _read_seconds(services)
    )
    library = library_rate(database_urls(services.settings).owner, sample_members=LIBRARY_MEMBERS)
    return [
        _figure("rebuilt, members and contributions, events/s", rebuilt, TARGET_A_SECOND),
        Figure(
            "rebuilt, events/s, beside the library's ProjectionRunner",
            rebuilt,
            library,
            rebuilt / library,
            f"{TARGET_TIMES_LIBRARY} x the library",
            rebuilt >= TARGET_TIMES_LIBRARY * library,
        ),
        Figure(
            "rebuilt, events/s, beside reading and decoding the log alone",
            rebuilt,
            read,
            rebuilt / read,
            "-",
            None,
        ),
        Figure(
            "followed from the beginning by all read models, events/s, beside reading alone",
            followed,
            read,
            followed / read,
            "-",
            None,
        ),
        *_memory_figures({**following, "rebuild": rebuilding}),
    ]


def _figure(name: str, ours: float, target: float) -> Figure:
    return Figure(name, ours, target, ours / target, f"{target:,.0f}/s", ours >= target)


def _memory_figures(watched: dict[str, Memory]) -> list[Figure]:
    figures = []
    for name, memory in watched.items():
        peak = memory.peak_megabytes
        figures.append(
            Figure(
                f"memory of {name}, peak MB over {EVENTS:,} events",
                peak,
                MEGABYTES_MAX,
                peak / MEGABYTES_MAX,
                f"below {MEGABYTES_MAX} MB",
                peak < MEGABYTES_MAX,
            )
        )
    for name in ("follow", "rebuild"):
        first, second = watched[name].halves_megabytes
        figures.append(
            Figure(
                f"memory of {name}, peak MB of the second half, beside the first",
                second,
                first,
                second / first,
                "flat",
                second <= GROWTH_MAX * first,
            )
        )
    return figures


def _follow(services: Services, port: int, data_directory: Path) -> tuple[float, dict[str, Memory]]:
    """Let the processes run while the follower takes the whole log, and lists are asked for."""
    _, key = issue_key(services, CAUSE, name="Bench", permissions=tuple(Permission))
    path = "/daystar-accounting/v1/contributions?per_page=100"
    lists = [request_bytes("GET", path, headers={"X-API-Key": key})] * 1_000
    with processes(port, list(_PROCESSES.values()), data_directory=data_directory) as running:
        begun = time.perf_counter()
        already = min(_positions(services))
        watched = {
            name: Memory(process.pid) for name, process in zip(_PROCESSES, running, strict=True)
        }
        asking = threading.Thread(target=run_load, args=(port, lists), kwargs={"rate": 50.0})
        asking.start()
        head = LogReader(services.pool, PersonalKeys(services.pool, services.keyring)).head()
        while min(_positions(services)) < head:
            time.sleep(0.1)
        rate = EVENTS * (1 - already / head) / (time.perf_counter() - begun)
        asking.join()
        for memory in watched.values():
            memory.stop()
    return rate, watched


def _rebuild_seconds(services: Services) -> float:
    pool = services.following_pool()
    begun = time.perf_counter()
    for name in ACCOUNTING:
        Rebuild(
            database_urls(services.settings).owner,
            LogReader(pool, PersonalKeys(pool, services.keyring)),
            READ_MODELS[name],
            report=lambda _: None,
            cancelled=threading.Event(),
        ).run(confirm=lambda comparison: comparison.is_equal)
    seconds = time.perf_counter() - begun
    _tell(f"rebuilt in {seconds:.1f} s")
    return seconds


def _read_seconds(services: Services) -> float:
    pool = services.following_pool()
    reader = LogReader(pool, PersonalKeys(pool, services.keyring))
    begun = time.perf_counter()
    position = 0
    while (batch := reader.read(position, limit=BATCH_EVENTS)).end > position:
        position = batch.end
    seconds = time.perf_counter() - begun
    _tell(f"read in {seconds:.1f} s")
    return seconds


def _positions(services: Services) -> list[int]:
    with services.pool.connection() as connection:
        return [
            connection.execute(f"SELECT position FROM read_{name}.position").fetchone()[0]
            for name in READ_MODELS
        ]


def _count(services: Services) -> int:
    with services.pool.connection() as connection:
        return connection.execute("SELECT count(*) FROM event_store.events").fetchone()[0]


def _tell(what: str) -> None:
    print(f"  {what}", file=sys.stderr, flush=True)
