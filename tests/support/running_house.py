"""A house that really runs: `daystar up` as a process, asked over HTTP and at the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

import psycopg
import requests

from app.wiring import DatabaseUrls, Services
from infra.postgres.embedded import EmbeddedPostgres
from infra.postgres.migrate import APPLICATION_ROLE
from infra.settings import read_settings
from tests.support.ports import free_port
from tests.support.waiting import eventually

PROJECT = Path(__file__).parents[2]
READY_SECONDS_MAX = 90.0
STOP_SECONDS_MAX = 60.0
ANSWER_SECONDS_MAX = 20.0
CONTRIBUTIONS = "/daystar-accounting/v1/contributions"
MEMBERS = "/daystar-accounting/v1/members"


@dataclass(frozen=True)
class Running:
    """A process as the kernel shows it; `command` is what follows `-m app`."""

    process_id: int
    parent_id: int
    command: str


class RunningHouse:
    """One installation: a data directory and its ports. It can be started again and again."""

    def __init__(self, data_directory: Path, **environment: str) -> None:
        self.data_directory = data_directory
        self.port, self.simulator_port = free_port(), free_port()
        foreign = ("DAYSTAR_", "DATABASE_", "KAFKA_")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(foreign)},
            "DAYSTAR_DATA_DIR": str(data_directory),
            "DAYSTAR_MPESA_PULL_SECONDS": "0",  # a story pulls when it says so
            "DAYSTAR_PORT": str(self.port),
            "DAYSTAR_RATE_LIMIT": "1000000",  # a story is told faster than a day is worked
            "DAYSTAR_SIMULATOR_PORT": str(self.simulator_port),
            **environment,
        }
        self.url = f"http://127.0.0.1:{self.port}"
        self.simulator_url = f"http://127.0.0.1:{self.simulator_port}"
        self.log = data_directory.parent / f"{data_directory.name}.log"
        self.supervisor: subprocess.Popen[str] | None = None
        self.output: list[str] = []  # what it has said on standard output

    # Starting and ending.

    def start(self, *options: str) -> None:
        """Start everything and wait for the line that says so."""
        with self.log.open("ab") as log:
            self.supervisor = subprocess.Popen(
                [sys.executable, "-m", "app", "up", *options],
                cwd=PROJECT,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        ready = threading.Event()
        output = self.supervisor.stdout
        assert output is not None

        def listen() -> None:
            with output:
                for line in output:
                    self.output.append(line)
                    if line == f"ready {self.url}\n":
                        ready.set()

        threading.Thread(target=listen, daemon=True).start()
        eventually(
            lambda: ready.is_set() or self.supervisor.poll() is not None,
            within=READY_SECONDS_MAX,
            what=f"it was not ready: {self.log_tail()}",
        )
        assert ready.is_set(), self.log_tail()

    def stop(self) -> int:
        """Ask it to end, as Ctrl-C or a service manager does. Answers its exit code."""
        assert self.supervisor is not None
        self.supervisor.send_signal(signal.SIGTERM)
        return self.supervisor.wait(timeout=STOP_SECONDS_MAX)

    def kill_supervisor(self) -> None:
        """End the supervisor without a word."""
        assert self.supervisor is not None
        self.supervisor.kill()
        self.supervisor.wait(timeout=STOP_SECONDS_MAX)

    def log_tail(self) -> str:
        return self.log.read_text()[-3_000:]

    # What runs.

    def processes(self) -> list[Running]:
        """Every process of this installation, by its environment; the database is not among them.

        PostgreSQL runs with an environment of its own: see `postmaster`.
        """
        mark = f"DAYSTAR_DATA_DIR={self.data_directory}".encode()
        found = []
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            with suppress(OSError):
                if mark not in (folder / "environ").read_bytes().split(b"\0"):
                    continue
                words = (folder / "cmdline").read_bytes().decode().rstrip("\0").split("\0")
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
                after = words.index("app") + 1 if "app" in words else len(words)
                found.append(Running(int(folder.name), int(parent), " ".join(words[after:])))
        return found

    def children(self) -> dict[str, int]:
        """The supervised processes, by name."""
        assert self.supervisor is not None
        return {
            running.command: running.process_id
            for running in self.processes()
            if running.parent_id == self.supervisor.pid and running.command
        }

    def broker(self) -> int | None:
        """The process of its own Kafka."""
        for running in self.processes():
            with suppress(OSError):
                if b"kafka.Kafka" in Path(f"/proc/{running.process_id}/cmdline").read_bytes():
                    return running.process_id
        return None

    def web_workers(self) -> list[int]:
        master = self.children().get("web")
        return [each.process_id for each in self.processes() if each.parent_id == master]

    def postmaster(self) -> int | None:
        """The database server's process, or None where it does not run."""
        with suppress(OSError, ValueError, IndexError):
            file = self.data_directory / "postgres" / "cluster" / "postmaster.pid"
            process_id = int(file.read_text().splitlines()[0])
            if b"postgres" in Path(f"/proc/{process_id}/cmdline").read_bytes():
                return process_id
        return None

    # The doors.

    @property
    def key(self) -> str:
        """The demo's API key."""
        return (self.data_directory / "demo-api-key").read_text().strip()

    def get(self, path: str, *, key: str | None = None, **parameters: Any) -> requests.Response:
        """Ask over a fresh connection: any of the web workers may answer."""
        return requests.get(
            self.url + path,
            params=parameters,
            headers={"X-API-Key": key or self.key},
            timeout=ANSWER_SECONDS_MAX,
        )

    def post(
        self,
        path: str,
        body: Any,
        *,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        return requests.post(
            self.url + path,
            json=body,
            headers={
                "X-API-Key": self.key,
                "Idempotency-Key": idempotency_key or uuid4().hex,
                **(headers or {}),
            },
            timeout=ANSWER_SECONDS_MAX,
        )

    def register(self, number: int, *, phone: str | None = None) -> UUID:
        """A new member, told apart by the number."""
        answer = self.post(
            "/daystar/v1/members",
            {
                "first_name": "Akinyi",
                "last_name": "Ouma",
                "phone": phone or f"0723{number:06d}",
                "id_number": f"{22_000_000 + number}",
            },
        )
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["id"])

    def push(self, member_id: UUID, amount: str = "2000.00", **body: Any) -> UUID:
        """Ask a member to pay."""
        answer = self.post("/daystar/v1/mpesa/stk-push", push_body(member_id, amount, **body))
        assert answer.status_code == 202, answer.text
        return UUID(answer.json()["id"])

    def transaction(self, push_id: UUID) -> dict[str, Any]:
        answer = self.get(f"/daystar/v1/mpesa/transactions/{push_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def contributions(self, member_id: UUID) -> list[dict[str, Any]]:
        answer = self.get(CONTRIBUTIONS, member_id=str(member_id), per_page=100)
        assert answer.status_code == 200, answer.text
        return answer.json()["contributions"]

    def ledger(self) -> list[dict[str, Any]]:
        """The money that moved, as Safaricom's stand-in knows it."""
        answer = requests.get(f"{self.simulator_url}/simulator/ledger", timeout=ANSWER_SECONDS_MAX)
        assert answer.ok
        return answer.json()

    def resend(self, checkout_request_id: str) -> dict[str, Any]:
        """Let Safaricom's stand-in tell a result again."""
        address = f"{self.simulator_url}/simulator/callbacks/{checkout_request_id}/resend"
        return requests.post(address, timeout=ANSWER_SECONDS_MAX).json()

    def command(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command of `daystar` beside the house."""
        return subprocess.run(
            [sys.executable, "-m", "app", *words],
            cwd=PROJECT,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=STOP_SECONDS_MAX,
            check=False,
        )

    def beginning(self, *words: str) -> subprocess.Popen[str]:
        """A command of `daystar` beside the house that is not waited for."""
        return subprocess.Popen(
            [sys.executable, "-m", "app", *words],
            cwd=PROJECT,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    # What stands behind the doors.

    @property
    def urls(self) -> DatabaseUrls:
        server = EmbeddedPostgres(self.data_directory / "postgres")
        return DatabaseUrls(
            server.url("postgres", "daystar"), server.url(APPLICATION_ROLE, "daystar")
        )

    def owner(self) -> psycopg.Connection[Any]:
        """The database, as its owner sees it."""
        return psycopg.connect(self.urls.owner, autocommit=True)

    @contextmanager
    def services(self) -> Iterator[Services]:
        """What one of its own processes would work with."""
        with patch.dict(os.environ, self.environment, clear=True):
            services = Services(read_settings(), pool_size=8)
        try:
            yield services
        finally:
            services.close()


def push_body(member_id: UUID, amount: str = "2000.00", **body: Any) -> dict[str, Any]:
    """What asks a member to pay."""
    return {"member_id": str(member_id), "amount": amount, "payment_purpose": "monthly", **body}


@contextmanager
def running_house(data_directory: Path, **environment: str) -> Iterator[RunningHouse]:
    """A house from start to end, whatever happens in between."""
    house = RunningHouse(data_directory, **environment)
    try:
        house.start()
        yield house
    finally:
        end(house)


def end(house: RunningHouse) -> None:
    """Leave nothing of it running."""
    if house.supervisor is not None and house.supervisor.poll() is None:
        try:
            house.stop()
        except subprocess.TimeoutExpired:
            house.kill_supervisor()
    for process in house.processes():
        with suppress(ProcessLookupError):
            os.kill(process.process_id, signal.SIGKILL)
    EmbeddedPostgres(house.data_directory / "postgres").stop()
