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

from app.wiring import Services, database_urls
from infra.postgres.embedded import EmbeddedPostgres
from infra.postgres.migrate import migrate
from infra.settings import read_settings
from projections.installation import install_read_models
from projections.read_models import READ_MODELS
from tests.benchmarks import append, callbacks, lists
from tests.benchmarks.figures import Figure, table, write_readme, write_results


def main() -> None:
    """Each part in a database of its own."""
    figures: list[Figure] = []
    parts: list[tuple[str, Callable[[Services, Path, int], list[Figure]]]] = [
        ("appends", lambda services, _, __: append.measure(database_urls(services.settings).owner)),
        ("callbacks", lambda s, d, p: callbacks.measure(s, port=p, data_directory=d)),
        ("lists", lambda s, d, p: lists.measure(s, port=p, data_directory=d)),
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
        server = EmbeddedPostgres(data_directory / "postgres")
        server.start()
        try:
            settings = read_settings()
            owner_url = database_urls(settings).owner
            migrate(owner_url)
            install_read_models(owner_url, READ_MODELS.values())
            services = Services(settings)
            yield services, data_directory
            services.close()
        finally:
            server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
