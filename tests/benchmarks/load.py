"""A load generator that costs little itself: plain sockets, kept open, requests made beforehand."""

from __future__ import annotations

import multiprocessing
import socket
import threading
import time
from dataclasses import dataclass

CONNECTIONS = 16


@dataclass(frozen=True)
class Load:
    """What came of a load: how long it took, each answer's time in seconds, and the failures."""

    seconds: float
    latencies: list[float]
    failures: int

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def run_load(port: int, requests: list[bytes], *, rate: float | None = None) -> Load:
    """Send all requests from a process of its own; with a rate, at that many a second."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_run, (port, requests, rate))


def request_bytes(
    method: str, path: str, *, headers: dict[str, str] | None = None, body: bytes = b""
) -> bytes:
    """One HTTP/1.1 request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _run(port: int, requests: list[bytes], rate: float | None) -> Load:
    results: list[tuple[float, bool]] = []
    begun = time.perf_counter()
    threads = [
        threading.Thread(
            target=_client,
            args=(port, requests[n::CONNECTIONS], results, begun, n, rate),
        )
        for n in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begun
    return Load(seconds, [taken for taken, _ in results], sum(not ok for _, ok in results))


def _client(
    port: int,
    requests: list[bytes],
    results: list[tuple[float, bool]],
    begun: float,
    number: int,
    rate: float | None,
) -> None:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for index, request in enumerate(requests):
        due = begun + (index * CONNECTIONS + number) / rate if rate else 0.0
        pause = due - time.perf_counter()
        if pause > 0:
            time.sleep(pause)
        # With a rate, waiting for one's turn counts too: a slow server must not hide its queue.
        started = due if rate else time.perf_counter()
        connection.sendall(request)
        status = _answer(connection)
        results.append((time.perf_counter() - started, status.startswith(b"HTTP/1.1 2")))


def _answer(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += _some(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    missing = length - len(body)
    while missing > 0:
        missing -= len(_some(connection))
    return head[:12]


def _some(connection: socket.socket) -> bytes:
    part = connection.recv(65_536)
    if not part:
        raise ConnectionError("the server closed the connection")
    return part
