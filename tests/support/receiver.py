"""A subscriber's machine: takes deliveries over real HTTP, answers as told, forgets nothing."""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Answering = Callable[["Told", socket.socket], None]


@dataclass(frozen=True)
class Told:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def webhook_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def words(self) -> dict[str, Any]:
        spoken: dict[str, Any] = json.loads(self.body)
        return spoken


def answer(status: int, said: bytes = b"", **headers: str) -> Answering:
    """Answer so, and keep the connection."""
    lines = [f"HTTP/1.1 {status} So", f"Content-Length: {len(said)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    whole = "\r\n".join([*lines, "", ""]).encode() + said

    def give(_: Told, connection: socket.socket) -> None:
        connection.sendall(whole)

    return give


def hang_up(_: Told, connection: socket.socket) -> None:
    """Take the request and break the connection off."""
    connection.shutdown(socket.SHUT_RDWR)


def first_then(*answers: Answering) -> Answering:
    """Each in its turn; the last one for ever."""
    waiting = list(answers)

    def give(told: Told, connection: socket.socket) -> None:
        each = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        each(told, connection)

    return give


@dataclass
class Receiver:
    """`answering` may be changed at any time; `told` is everything that came, in order."""

    port: int = 0
    scheme: str = "http"
    answering: Answering = field(default_factory=lambda: answer(200))
    told: list[Told] = field(default_factory=list)
    connections: int = 0
    came: threading.Condition = field(default_factory=threading.Condition)
    ending: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    def hang(self, _: Told, __: socket.socket) -> None:
        """Never answer."""
        self.ending.wait()

    def drip(self, _: Told, connection: socket.socket) -> None:
        """Answer one byte at a time, without end."""
        connection.sendall(b"HTTP/1.1 200 So\r\nX-Drip: ")
        while not self.ending.wait(0.05):
            connection.sendall(b"x")

    def await_told(self, count: int, *, within: float = 20.0) -> list[Told]:
        """What was told, once it is so much."""
        with self.came:
            enough = self.came.wait_for(lambda: len(self.told) >= count, timeout=within)
            assert enough, f"{len(self.told)} came of {count}"
            return list(self.told)


@contextmanager
def receiving(*, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver that listens while this holds."""
    receiver = Receiver(scheme="https" if tls else "http")

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with receiver.came:
                receiver.connections += 1
            try:
                connection = (
                    tls.wrap_socket(self.request, server_side=True) if tls else self.request
                )
                with connection:
                    while (told := _read(connection)) is not None:
                        with receiver.came:
                            receiver.told.append(told)
                            receiver.came.notify_all()
                        receiver.answering(told, connection)
            except OSError:
                pass  # the other side went away, as some are to

    class Server(socketserver.ThreadingTCPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        allow_reuse_address = True
        daemon_threads = True
        block_on_close = False
        request_queue_size = 128

    with Server((host, 0), Handler) as server:
        receiver.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield receiver
        finally:
            receiver.ending.set()
            server.shutdown()
            thread.join()


def _read(connection: socket.socket) -> Told | None:
    came = b""
    while b"\r\n\r\n" not in came:
        part = connection.recv(65_536)
        if not part:
            return None
        came += part
    head, _, body = came.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    while len(body) < int(headers["Content-Length"]):
        body += connection.recv(65_536)
    return Told(first.split(" ")[1], headers, body)
