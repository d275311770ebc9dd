"""The way to a stranger's machine: checked where it is dialled, and never longer than allowed.

A name is looked up once, and the very address that was looked at is the one that is connected to:
between the check and the connection there is nothing that a name server could change. Each moment
of waiting counts against one deadline for the whole request, however slowly the other side drips.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager

from infra.errors import InfrastructureError
from infra.webhooks.dialled_addresses import Network, is_listed, may_dial

CONNECT_SECONDS_MAX = 5.0
_HOSTS_MAX = 500
_IDLE_CONNECTIONS_MAX = 8  # to one host

Found = tuple[socket.AddressFamily, Any]
"""An address as the resolver found it: its family, and what `connect` is told."""
Resolve = Callable[[str, int], Sequence[Found]]

_deadline = threading.local()


class AddressRefused(InfrastructureError):
    """The host leads to no address that we would dial."""


class NotConnected(InfrastructureError):
    """No connection came about; the cause says why."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Whatever this thread does with a dialled connection inside ends by then, or times out."""
    _deadline.at = time.monotonic() + seconds
    try:
        yield
    finally:
        del _deadline.at


def look_up(host: str, port: int) -> list[Found]:
    """Every address of a host."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


class Dialler:
    """Connects to public addresses, and to what else is allowed; without TLS to the latter only."""

    def __init__(self, allowed: Sequence[Network] = (), *, resolve: Resolve = look_up) -> None:
        self._allowed = allowed
        self._resolve = resolve

    def dial(self, host: str, port: int, *, in_clear: bool) -> socket.socket:
        """A connection to the first address that may be dialled and answers.

        Raises:
            AddressRefused: none may be dialled; nothing was sent anywhere.
            NotConnected: none answers, or there is no such host.
        """
        try:
            return self._dial(host, port, in_clear=in_clear)
        except (OSError, UnicodeError) as error:  # a name that is none raises the latter
            raise NotConnected(type(error).__name__) from error

    def _dial(self, host: str, port: int, *, in_clear: bool) -> socket.socket:
        end = time.monotonic() + CONNECT_SECONDS_MAX
        found = self._resolve(host, port)
        wanted = [each for each in found if self._may_dial(each[1][0], in_clear=in_clear)]
        if not wanted:
            raise AddressRefused("The host leads to no address that we would dial.")
        failed: OSError | None = None
        for family, address in wanted:
            try:
                return _connected(family, address, end)
            except OSError as error:
                failed = error
        assert failed is not None
        raise failed

    def _may_dial(self, address: str, *, in_clear: bool) -> bool:
        if in_clear:
            return is_listed(address, self._allowed)
        return may_dial(address, allowed=self._allowed)


def open_connections(dialler: Dialler, tls: ssl.SSLContext) -> PoolManager:
    """Connections, kept open and used again, that only this dialler makes."""
    tls.sslsocket_class = _TlsSocket

    class InClear(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return dialler.dial(self._dns_host, self.port, in_clear=True)

    class Encrypted(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return dialler.dial(self._dns_host, self.port, in_clear=False)

    class InClearPool(HTTPConnectionPool):
        ConnectionCls = InClear

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls = Encrypted

    manager = PoolManager(
        num_pools=_HOSTS_MAX, maxsize=_IDLE_CONNECTIONS_MAX, retries=False, ssl_context=tls
    )
    manager.pool_classes_by_scheme = {"http": InClearPool, "https": EncryptedPool}
    return manager


class _Socket(socket.socket):
    """Waits no longer than this thread's deadline allows."""

    def recv_into(self, *arguments: Any) -> int:
        self.settimeout(_seconds_left())
        return super().recv_into(*arguments)

    def sendall(self, *arguments: Any) -> None:
        self.settimeout(_seconds_left())
        super().sendall(*arguments)


class _TlsSocket(ssl.SSLSocket):
    """The same, encrypted."""

    def recv_into(self, *arguments: Any) -> int:
        self.settimeout(_seconds_left())
        return super().recv_into(*arguments)

    def send(self, *arguments: Any) -> int:
        self.settimeout(_seconds_left())
        return super().send(*arguments)

    def do_handshake(self, *arguments: Any) -> None:
        self.settimeout(_seconds_left())
        super().do_handshake(*arguments)


def _connected(family: socket.AddressFamily, address: Any, end: float) -> socket.socket:
    connection = _Socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(min(_seconds_left(), _positive(end - time.monotonic())))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def _seconds_left() -> float:
    return _positive(_deadline.at - time.monotonic())


def _positive(seconds: float) -> float:
    if seconds <= 0:
        raise TimeoutError("the time for it is over")
    return seconds
