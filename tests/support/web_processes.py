"""`daystar web` as it runs in earnest: processes of their own, on a port of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.conftest import MASTER_KEY

READY_SECONDS_MAX = 30.0


@dataclass(frozen=True)
class Web:
    """A running web server."""

    url: str
    process: subprocess.Popen[bytes]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait(timeout=30)


@contextmanager
def running_web(owner_url: str, data_directory: Path, **settings: str) -> Iterator[Web]:
    """`daystar web` on this database, with these settings besides."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port = asked.getsockname()[1]
    environment = {
        "DATABASE_URL": owner_url,
        "DAYSTAR_ENV": "demo",
        "DAYSTAR_MASTER_KEY": MASTER_KEY,
        "DAYSTAR_DATA_DIR": str(data_directory),
        "DAYSTAR_PORT": str(port),
        "DAYSTAR_WEB_PROCESSES": "1",
        **settings,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "web"],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    web = Web(f"http://127.0.0.1:{port}", process)
    try:
        _await(f"{web.url}/livez")
        yield web
    finally:
        if process.poll() is None:
            web.stop()


def _await(url: str) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < deadline:
        with suppress(requests.RequestException):
            if requests.get(url, timeout=2).ok:
                return
        time.sleep(0.1)
    raise AssertionError("the web server did not answer in time")
