"""`python -m tests.benchmarks`: measure everything, print a table, write it down.

The database is the embedded one, durable as in production, in a folder thrown away afterwards.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.wiring import Services, database_urls, running_database
from infra.settings import read_settings
from tests.benchmarks import append, callbacks, lag, lists, paybill, rebuild, summary, webhooks
from tests.benchmarks.figures import Figure, table, write_readme, write_results


def main() -> None:
    """Each part in a database of its own. Parts may be named: `python -m tests.benchmarks lag`."""
    figures: list[Figure] = []
    parts: list[tuple[str, Callable[[Services, Path, int], list[Figure]]]] = [
        ("appends", lambda services, _, __: append.measure(database_urls(services.settings).owner)),
        ("callbacks", lambda s, d, p: callbacks.measure(s, port=p, data_directory=d)),
        ("paybill", lambda s, d, p: paybill.measure(s, port=p, data_directory=d)),
        ("lists", lambda s, d, p: lists.measure(s, port=p, data_directory=d)),
        ("summary", lambda s, d, p: summary.measure(s, port=p, data_directory=d)),
        ("lag", lambda s, d, p: lag.measure(s, port=p, data_directory=d)),
        ("webhooks", lambda s, d, p: webhooks.measure(s, port=p, data_directory=d)),
        ("rebuild", lambda s, d, p: rebuild.measure(s, port=p, data_directory=d)),
    ]
    wanted = set(sys.argv[1:]) or {name for name, _ in parts}
    for name, measure in parts:
        if name in wanted:
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            with _house() as (services, data_directory):
                figures += measure(services, data_directory, _free_port())
    print(table(figures))
    if len(wanted) == len(parts):
        write_results(figures, path=Path("var/bench.json"))
        write_readme(figures, path=Path("README.md"))


@contextmanager
def _house() -> Iterator[tuple[Services, Path]]:
    with tempfile.TemporaryDirectory(prefix="daystar-bench-") as folder:
        data_directory = Path(folder) / "data"
        os.environ["DAYSTAR_DATA_DIR"] = str(data_directory)
        os.environ["DAYSTAR_ENV"] = "demo"
        os.environ["DAYSTAR_RATE_LIMIT"] = "1000000000"  # one key asks for all of them
        os.environ.pop("DATABASE_URL", None)
        settings = read_settings()
        with running_database(settings):
            services = Services(settings)
            yield services, data_directory
            services.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
