from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory

import pytest
import requests
from cryptography.fernet import Fernet, MultiFernet
from psycopg_pool import ConnectionPool
from werkzeug.serving import make_server

from infra.mpesa.client import DarajaClient
from infra.mpesa.credentials import PAY_BILL, Credentials, Initiator
from infra.mpesa.simulator.app import EXTENSION, create_app
from infra.mpesa.simulator.certificate import (
    INITIATOR_NAME,
    INITIATOR_PASSWORD,
    key_and_certificate,
)
from infra.mpesa.simulator.server import QuietHandler
from infra.mpesa.simulator.settings import SimulatorSettings
from infra.mpesa.tokens import DatabaseTokens
from infra.mpesa.transport import Timeouts
from infra.postgres.pool import open_pool


@cache
def simulated_key() -> str:
    """The simulator's key and certificate, made once a run."""
    with TemporaryDirectory() as directory:
        return key_and_certificate(Path(directory))


SETTINGS = SimulatorSettings(
    consumer_key="key",
    consumer_secret="secret",
    short_code="174379",
    pass_key="pass-key",
    delay_seconds_min=0.0,
    delay_seconds_max=0.0,
    late_seconds=0.1,
    silence_seconds_max=5.0,
    validation_seconds_max=0.3,
    pulled_page_rows=2,
)


_names = count(1)


@pytest.fixture
def cipher() -> MultiFernet:
    return MultiFernet([Fernet(Fernet.generate_key())])


@contextmanager
def served(app) -> Iterator[str]:
    """An app over real HTTP on loopback, in threads of this process."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=QuietHandler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Simulator:
    url: str

    def set(self, behaviour: str, of: str = "push", **target: object) -> None:
        self.post("behaviours", behaviour=behaviour, of=of, **(target or {"next": 1}))

    def post(self, path: str, **wanted: object) -> dict:
        answer = requests.post(f"{self.url}/simulator/{path}", json=wanted, timeout=5)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.url}/simulator/{path}", timeout=5)

    def accounts(self) -> dict[str, int]:
        return self.get("accounts").json()

    def ledger(self) -> list[dict]:
        return requests.get(f"{self.url}/simulator/ledger", timeout=5).json()

    def resend(self, checkout_request_id: str) -> requests.Response:
        path = f"/simulator/callbacks/{checkout_request_id}/resend"
        return requests.post(f"{self.url}{path}", timeout=5)


@contextmanager
def simulating(settings: SimulatorSettings) -> Iterator[Simulator]:
    """A simulator of one's own."""
    app = create_app(settings)
    with served(app) as url:
        try:
            yield Simulator(url)
        finally:
            app.extensions[EXTENSION].stop()


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with simulating(replace(SETTINGS, private_key_pem=simulated_key())) as running:
        yield running


ACCEPTED = {"ResultCode": 0, "ResultDesc": "Accepted"}


@dataclass
class CallbackListener:
    """Stands where our own callback door would be."""

    url: str
    bodies: Queue[bytes] = field(default_factory=Queue)
    told: Queue[tuple[str, bytes]] = field(default_factory=Queue)
    answer: dict[str, object] = field(default_factory=lambda: dict(ACCEPTED))
    silent: threading.Event = field(default_factory=threading.Event)
    """Set, and nobody is answered in time."""

    def next(self) -> bytes:
        return self.bodies.get(timeout=5)

    def next_told(self) -> tuple[str, bytes]:
        """The last part of the path it came to, and the body."""
        path, body = self.told.get(timeout=5)
        return path.rpartition("/")[2], body

    def at(self, name: str) -> str:
        """An address of its own at this door."""
        return f"{self.url.rpartition('/')[0]}/{name}"


@pytest.fixture
def listener() -> Iterator[CallbackListener]:
    with listening() as heard:
        yield heard


@contextmanager
def listening() -> Iterator[CallbackListener]:
    """A door of one's own."""
    heard = CallbackListener("")

    class Door(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.bodies.put(body)
            heard.told.put((self.path, body))
            if heard.silent.is_set():
                time.sleep(SETTINGS.validation_seconds_max * 2)
            answer = json.dumps(heard.answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    heard.url = f"http://127.0.0.1:{server.server_port}/hooks/stk/0123abcd"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def credentials_for(base_url: str) -> Credentials:
    return Credentials(
        name="paybill",
        base_url=base_url,
        consumer_key=SETTINGS.consumer_key,
        consumer_secret=SETTINGS.consumer_secret,
        short_code=SETTINGS.short_code,
        pass_key=SETTINGS.pass_key,
        transaction_type=PAY_BILL,
        party_b=SETTINGS.short_code,
        initiator=Initiator(
            name=INITIATOR_NAME,
            password=INITIATOR_PASSWORD,
            certificate_pem=simulated_key(),
        ),
    )


@pytest.fixture(scope="session")
def token_pool(databases) -> Iterator[ConnectionPool]:
    """One database for all tests here: each client has a name of its own, and so its own token."""
    with databases.fresh() as url, open_pool(url, size_max=20) as opened:
        yield opened


@pytest.fixture
def client_for(token_pool, cipher) -> Callable[..., DarajaClient]:
    def build(base_url: str, *, read_seconds: float = 5.0, **changes: object) -> DarajaClient:
        named = {"name": f"app-{next(_names)}"}
        credentials = Credentials(**{**vars(credentials_for(base_url)), **named, **changes})
        return DarajaClient(
            credentials,
            DatabaseTokens(credentials, token_pool, cipher),
            clock=lambda: datetime.now(UTC),
            timeouts=Timeouts(connect_seconds=1.0, read_seconds=read_seconds),
        )

    return build


@pytest.fixture
def client(client_for, simulator) -> DarajaClient:
    return client_for(simulator.url)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
