"""Receivers that cost little: one process, a port for each endpoint, answers made beforehand."""

from __future__ import annotations

import multiprocessing
import selectors
import socket
import time
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

Arrivals = list[tuple[str, float]]
"""What came to the healthy: the id in its data, and when it was there (the monotonic clock)."""

_TAKEN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_FAILED = b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno"
_LOOK_SECONDS = 0.05


class Receivers:
    """Listens while it is entered. The healthy take, the hanging never answer, others refuse."""

    def __init__(self, *, healthy: int, hanging: int, failing: int) -> None:
        answers = [_TAKEN] * healthy + [None] * hanging + [_FAILED] * failing
        self._ours, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_serve, args=(theirs, answers), daemon=True)
        self._healthy = healthy
        self.ports: list[int] = []

    def __enter__(self) -> Self:
        self._process.start()
        self.ports = self._ours.recv()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.join()

    @property
    def healthy_ports(self) -> list[int]:
        return self.ports[: self._healthy]

    def arrivals(self, *, at_least: int, within: float) -> Arrivals:
        """All that has come, once it is so much or the time is over. What is bare is left out."""
        deadline = time.monotonic() + within
        while self._ask("count") < at_least and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        found: Arrivals = self._ask("all")
        return found

    def _ask(self, question: str) -> int | Arrivals:
        self._ours.send(question)
        answered: int | Arrivals = self._ours.recv()
        return answered


class _Peer:
    """One connection: what came of a request, and how it is answered."""

    __slots__ = ("answer", "came")

    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer
        self.came = b""


def _serve(parent: Connection, answers: list[bytes | None]) -> None:
    selector = selectors.DefaultSelector()
    ports = []
    for answer in answers:
        listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        listening.settimeout(0)
        ports.append(listening.getsockname()[1])
        selector.register(listening, selectors.EVENT_READ, answer or b"")
    selector.register(parent, selectors.EVENT_READ)
    parent.send(ports)
    arrivals: Arrivals = []
    while True:
        for key, _ in selector.select():
            if key.fileobj is parent:
                parent.send(len(arrivals) if parent.recv() == "count" else arrivals)
            elif isinstance(key.data, _Peer):
                _read(selector, key.fileobj, key.data, arrivals)
            else:
                connection, _ = key.fileobj.accept()
                connection.settimeout(0)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(connection, selectors.EVENT_READ, _Peer(key.data or None))


def _read(
    selector: selectors.BaseSelector, connection: socket.socket, peer: _Peer, arrivals: Arrivals
) -> None:
    try:
        part = connection.recv(65_536)
    except OSError:
        part = b""
    if not part:
        selector.unregister(connection)
        connection.close()
        return
    peer.came += part
    head, found, body = peer.came.partition(b"\r\n\r\n")
    if not found or len(body) < _length(head):
        return
    peer.came = b""
    if peer.answer is None:
        return
    connection.sendall(peer.answer)
    if peer.answer == _TAKEN and b"webhook-signature" in head:
        arrivals.append((_id_in(body), time.monotonic()))


def _length(head: bytes) -> int:
    lowered = head.lower()
    begin = lowered.index(b"content-length:") + 15
    return int(lowered[begin:].split(b"\r\n", 1)[0])


def _id_in(body: bytes) -> str:
    begin = body.index(b'"data":{"id":"') + 14
    return body[begin : begin + 36].decode()
