from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue

import pytest
import requests
from cryptography.fernet import Fernet, MultiFernet
from werkzeug.serving import make_server

from infra.mpesa.client import DarajaClient
from infra.mpesa.credentials import PAY_BILL, Credentials
from infra.mpesa.simulator.app import EXTENSION, create_app
from infra.mpesa.simulator.server import QuietHandler
from infra.mpesa.simulator.settings import SimulatorSettings
from infra.mpesa.tokens import DatabaseTokens
from infra.mpesa.transport import Timeouts

SETTINGS = SimulatorSettings(
    consumer_key="key",
    consumer_secret="secret",
    short_code="174379",
    pass_key="pass-key",
    delay_seconds_min=0.0,
    delay_seconds_max=0.0,
    late_seconds=0.1,
    silence_seconds_max=5.0,
)


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

    def set(self, behaviour: str, **target: object) -> None:
        wanted = {"behaviour": behaviour, **(target or {"next": 1})}
        answer = requests.post(f"{self.url}/simulator/behaviours", json=wanted, timeout=5)
        assert answer.status_code == 200, answer.text

    def ledger(self) -> list[dict]:
        return requests.get(f"{self.url}/simulator/ledger", timeout=5).json()

    def resend(self, checkout_request_id: str) -> requests.Response:
        path = f"/simulator/callbacks/{checkout_request_id}/resend"
        return requests.post(f"{self.url}{path}", timeout=5)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    app = create_app(SETTINGS)
    with served(app) as url:
        yield Simulator(url)
        app.extensions[EXTENSION].stop()


@dataclass
class CallbackListener:
    """Stands where our own callback door would be."""

    url: str
    bodies: Queue[bytes] = field(default_factory=Queue)

    def next(self) -> bytes:
        return self.bodies.get(timeout=5)


@pytest.fixture
def listener() -> Iterator[CallbackListener]:
    heard = CallbackListener("")

    class Door(BaseHTTPRequestHandler):
        def do_POST(self):
            heard.bodies.put(self.rfile.read(int(self.headers["Content-Length"])))
            answer = json.dumps({"ResultCode": 0, "ResultDesc": "Accepted"}).encode()
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
    yield heard
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
    )


@pytest.fixture
def client_for(pool, cipher) -> Callable[..., DarajaClient]:
    def build(base_url: str, *, read_seconds: float = 5.0, **changes: str) -> DarajaClient:
        credentials = Credentials(**{**vars(credentials_for(base_url)), **changes})
        return DarajaClient(
            credentials,
            DatabaseTokens(credentials, pool, cipher),
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
