"""Subscribers as README has them, in Python and Node, with the public libraries, told by us.

The programs are README's own, started as they stand; for the second library of each language only
the line that imports it is another. What we sign must be taken, by whoever knows the new secret and
by whoever knows only the old one while they overlap; what anybody changed must not.
"""

from __future__ import annotations

import base64
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from uuid import UUID

import orjson

from consumers.webhooks.body import body_of
from domain.webhooks.secret import shown_secret
from infra.webhooks.courier import Answer, Courier
from infra.webhooks.signatures import signed_headers
from projections.public_events.examples import EXAMPLE_ID, example_item
from projections.public_events.table import TYPES
from tests.conformance.clients.environments import (
    ENVIRONMENTS,
    HERE,
    node_of,
    python_of,
    surroundings,
)

_START_SECONDS_MAX = 20.0
_OLD, _NEW = b"a plain secret of the ledger", bytes(range(32))
_TAKEN, _REFUSED = 204, 401


class Differs(Exception):
    """A receiver took what it must not, or did not take what it must."""


@dataclass(frozen=True)
class Receiver:
    """A library, the environment it is installed in, and the program, with the line it is in."""

    name: str
    environment: str
    command: Callable[[str], list[str]]
    program: Path
    imported: tuple[str, str]


_PYTHON, _NODE = HERE / "webhooks_receiver.py", HERE / "webhooks_node" / "client.js"
_IN_PYTHON = "from standardwebhooks import"
_IN_NODE = "from 'standardwebhooks'"
RECEIVERS = (
    Receiver(
        "standardwebhooks (Python)",
        "standardwebhooks",
        python_of,
        _PYTHON,
        (_IN_PYTHON, _IN_PYTHON),
    ),
    Receiver(
        "svix (Python)", "svix", python_of, _PYTHON, (_IN_PYTHON, "from svix.webhooks import")
    ),
    Receiver("standardwebhooks (Node)", "webhooks_node", node_of, _NODE, (_IN_NODE, _IN_NODE)),
    Receiver("svix (Node)", "webhooks_node", node_of, _NODE, (_IN_NODE, "from 'svix'")),
)


def try_receiver(receiver: Receiver) -> list[str]:
    """Tell a receiver of everything it must take and must not. What was tried."""
    command = receiver.command(receiver.environment)
    tried = []
    for knows, secret in (("the new secret", _NEW), ("only the old secret", _OLD)):
        with _started(receiver, command, shown_secret(secret)) as post:
            for name, (headers, body, expected) in _deliveries(secret).items():
                status = post(headers, body)
                if status != expected:
                    raise Differs(f"who knows {knows} answered {status} to {name}")
                tried.append(name)
    return sorted(set(tried))


def _deliveries(known: bytes) -> dict[str, tuple[Mapping[str, str], bytes, int]]:
    """Each with what the receiver that knows this secret must answer."""
    now = int(time.time())
    other = _OLD if known == _NEW else _NEW
    body = body_of(
        orjson.dumps(example_item(TYPES["repayment.received"])),
        endpoint_id=UUID(EXAMPLE_ID),
        sequence=7,
    )

    def signed(*secrets: bytes, at: int = now) -> dict[str, str]:
        return {"Content-Type": "application/json"} | signed_headers(
            secrets, webhook_id=EXAMPLE_ID, timestamp=at, event="repayment.received", body=body
        )

    forged = base64.b64encode(bytes(32)).decode()
    return {
        "one signature": (signed(known), body, _TAKEN),
        "both signatures of a rotation": (signed(_NEW, _OLD), body, _TAKEN),
        "another secret's signature": (signed(other), body, _REFUSED),
        "a changed body": (signed(known), body.replace(b"2000.00", b"9000.00"), _REFUSED),
        "a changed id": (signed(known) | {"webhook-id": "another"}, body, _REFUSED),
        "a forged signature": (
            signed(known) | {"webhook-signature": f"v1,{forged}"},
            body,
            _REFUSED,
        ),
        "an old delivery played again": (signed(known, at=now - 400), body, _REFUSED),
    }


@contextmanager
def _started(
    receiver: Receiver, command: list[str], secret: str
) -> Iterator[Callable[[Mapping[str, str], bytes], int]]:
    """The receiver's program at work; what is posted to it is answered with its status."""
    port = _free_port()
    process = subprocess.Popen(
        [*command, str(_program(receiver))],
        env=surroundings() | {"WEBHOOK_SECRET": secret, "PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    courier = Courier([ip_network("127.0.0.1/32")])

    def post(headers: Mapping[str, str], body: bytes) -> int:
        answer = courier.post(f"http://127.0.0.1:{port}/hook", headers=headers, body=body)
        if not isinstance(answer, Answer):
            raise Differs(f"there was no answer: {answer}")
        return answer.status

    try:
        _await(port, process)
        yield post
    finally:
        courier.close()
        process.terminate()
        process.communicate()


def _program(receiver: Receiver) -> Path:
    """README's program, with this library's import; beside what Node resolves imports from."""
    text = receiver.program.read_text().replace(*receiver.imported)
    if receiver.imported[1] not in text:
        raise Differs("the program imports another library than thought")
    place = ENVIRONMENTS / receiver.environment / f"receiver{receiver.program.suffix}"
    place.write_text(text)
    return place


def _await(port: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + _START_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise Differs(f"its program did not start: {process.stdout and process.stdout.read()}")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


if __name__ == "__main__":
    for each in RECEIVERS:
        sys.stdout.write(f"{each.name}: {', '.join(try_receiver(each))}\n")
