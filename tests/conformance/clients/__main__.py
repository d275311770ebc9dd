"""`make clients`: public libraries of others, unchanged but for the base URL, against our house.

Each Daraja library does its calls on the simulator over real HTTP; what the simulator then holds in
its ledger, and what it posts to us, is compared with what was asked for. Each webhook library is
told by us what it must take and what it must not. Where a library cannot be installed this says
loudly that it was not tried; with CI=true that is a failure.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from domain.dates import NAIROBI
from infra.mpesa.c2b_notices import read_c2b_notice
from infra.mpesa.callbacks import read_stk_callback
from infra.mpesa.credentials import Initiator
from infra.mpesa.results import read_result
from infra.mpesa.security_credential import security_credential
from infra.mpesa.simulator.certificate import (
    INITIATOR_NAME,
    INITIATOR_PASSWORD,
    certificate_pem,
    key_and_certificate,
)
from infra.mpesa.simulator.settings import SimulatorSettings
from infra.mpesa.stk_calls import push_password
from tests.conformance.clients.environments import (
    ENVIRONMENTS,
    HERE,
    NotInstalled,
    WrongContents,
    node_of,
    python_of,
    surroundings,
)
from tests.conformance.clients.receivers import RECEIVERS, Differs, Receiver, try_receiver
from tests.conformance.mpesa.conftest import CallbackListener, Simulator, listening, simulating

PHONE = "254708374149"
RECEIVED = 100
SETTINGS = SimulatorSettings(
    consumer_key="key",
    consumer_secret="secret",
    short_code="174379",
    pass_key="pass-key",
    delay_seconds_min=0.0,
    delay_seconds_max=0.0,
)
_RUN_SECONDS_MAX = 120


@dataclass(frozen=True)
class Library:
    """A library, and what its script has the simulator move."""

    name: str
    command: Callable[[str], list[str]]
    script: str
    moved: tuple[tuple[str, int, str], ...]  # kind, shillings, account
    registers: str
    results: int  # payouts, questions and reversals whose result must come
    reader: str = ""  # a script that reads a push's callback with the library's own model


LIBRARIES = (
    Library(
        "noriapay",
        python_of,
        "noriapay_client.py",
        (("push", 101, "NORIA"), ("payout", 102, "Noria"), ("reversal", RECEIVED, "M001")),
        "v2",
        4,
    ),
    Library(
        "mpesakit",
        python_of,
        "mpesakit_client.py",
        (("push", 201, "KIT"), ("payout", 202, "Kit"), ("reversal", RECEIVED, "M001")),
        "v1",
        4,
        "mpesakit_reader.py",
    ),
    Library(
        "daraja_v3",
        python_of,
        "daraja_v3_client.py",
        (("push", 301, "DARAJA3"), ("payout", 302, "Daraja3")),
        "v1",
        2,
        "daraja_v3_reader.py",
    ),
    Library(
        "mpesa_py",
        python_of,
        "mpesa_py_client.py",
        (("paybill", 401, "PY"), ("payout", 402, "Py")),
        "v1",
        2,
    ),
    Library(
        "mpesa_node",
        node_of,
        "client.js",
        (
            ("push", 501, "NODE"),
            ("paybill", 503, "NODE"),
            ("payout", 502, "Node"),
            ("reversal", RECEIVED, "M001"),
        ),
        "v1",
        4,
    ),
)


def main() -> int:
    """Try every library. The exit status: 1 when one failed, or was not tried with CI=true."""
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    status = 0
    for client in (*LIBRARIES, *RECEIVERS):
        attempt = try_receiver if isinstance(client, Receiver) else _try
        try:
            print(f"{client.name}: {', '.join(attempt(client))}")
        except NotInstalled as error:
            print(f"!!! {client.name} was NOT tried: {error} !!!", file=sys.stderr)
            status = max(status, int(os.environ.get("CI") == "true"))
        except WrongContents as error:
            print(f"{client.name}: not what the lock names: {error}", file=sys.stderr)
            status = 1
        except Differs as error:
            print(f"{client.name}: {error}", file=sys.stderr)
            status = 1
    return status


def _try(library: Library) -> list[str]:
    """Run one library's script against a new simulator. The calls that it made."""
    command = library.command(library.name)
    with tempfile.TemporaryDirectory() as directory:
        keys = Path(directory)
        settings = replace(SETTINGS, private_key_pem=key_and_certificate(keys))
        with simulating(settings) as simulator, listening() as listener:
            return _try_at(library, command, keys, simulator, listener)


def _try_at(
    library: Library,
    command: list[str],
    keys: Path,
    simulator: Simulator,
    listener: CallbackListener,
) -> list[str]:
    simulator.set("callback_before_acknowledgement", default=True)
    for of in ("payout", "status", "balance", "reversal"):
        simulator.set("result_before_acknowledgement", of=of, default=True)
    receipt = simulator.post("payments", phone=PHONE, amount=RECEIVED, account_number="M001")
    house = _house(keys, simulator, listener, receipt["receipt"])
    answers = _run(library, command, library.script, json.dumps(house))
    for call, answer in answers.items():
        _check(_accepts(call, answer), f"{call} was answered {answer}")
    _check_moved(library, simulator)
    pushes = _check_told(library, listener)
    if library.reader:
        [body] = pushes
        _check_read_alike(_run(library, command, library.reader, body.decode()), body)
    registered = simulator.get("paybill").json()["registered"]
    _check(registered == library.registers, f"registered under {registered}")
    return list(answers)


def _house(
    keys: Path, simulator: Simulator, listener: CallbackListener, receipt: str
) -> dict[str, object]:
    """All that a script is told."""
    certificate = keys / "certificate.pem"
    certificate.write_text(certificate_pem(keys))
    initiator = Initiator(
        name=INITIATOR_NAME,
        password=INITIATOR_PASSWORD,
        certificate_pem=certificate.read_text(),
    )
    timestamp = f"{datetime.now(NAIROBI):%Y%m%d%H%M%S}"
    return {
        "base_url": simulator.url,
        "key": SETTINGS.consumer_key,
        "secret": SETTINGS.consumer_secret,
        "short_code": SETTINGS.short_code,
        "pass_key": SETTINGS.pass_key,
        "timestamp": timestamp,
        "password": push_password(
            short_code=SETTINGS.short_code, pass_key=SETTINGS.pass_key, timestamp=timestamp
        ),
        "initiator": INITIATOR_NAME,
        "initiator_password": INITIATOR_PASSWORD,
        "credential": security_credential(initiator),
        "certificate": str(certificate),
        "phone": PHONE,
        "receipt": receipt,
        "received": RECEIVED,
        **{name: listener.at(name) for name in ("callbacks", "results", "timeouts")},
        **{name: listener.at(name) for name in ("confirmations", "validations")},
    }


def _run(library: Library, command: list[str], script: str, told: str) -> dict[str, Any]:
    place = ENVIRONMENTS / library.name if script.endswith(".js") else HERE
    done = subprocess.run(
        [*command, str(place / script), told],
        cwd=ENVIRONMENTS,
        env=surroundings(),
        capture_output=True,
        text=True,
        timeout=_RUN_SECONDS_MAX,
        check=False,
    )
    _check(done.returncode == 0, f"its script failed:\n{done.stdout}{done.stderr}")
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers


def _accepts(call: str, answer: dict[str, Any]) -> bool:
    if call == "refused_reversal":
        return answer.get("errorMessage") == "Bad Request - Invalid RecieverIdentifierType"
    return str(answer.get("ResponseCode")) == "0"


def _check_moved(library: Library, simulator: Simulator) -> None:
    expected = {("paybill", RECEIVED, "M001"), *library.moved}
    for _ in range(100):
        rows = simulator.ledger()
        moved = {(row["kind"], row["amount"], row["account_reference"]) for row in rows}
        if moved == expected:
            break
    _check(moved == expected, f"it moved {moved}, not {expected}")
    _check({row["phone"] for row in rows} == {PHONE}, "another phone than the one named")


def _check_told(library: Library, listener: CallbackListener) -> list[bytes]:
    """What was posted to us, read by our own readers. Answers the pushes' callbacks."""
    kinds = [kind for kind, _, _ in library.moved]
    expected = kinds.count("push") + library.results + 2 * kinds.count("paybill")
    told = [listener.next_told() for _ in range(expected)]
    results = [read_result(body) for path, body in told if path == "results"]
    _check(len(results) == library.results, f"{len(results)} results")
    _check(all(result.succeeded for result in results), f"results: {results}")
    pushes = [body for path, body in told if path == "callbacks"]
    paid = [read_stk_callback(body).payment is not None for body in pushes]
    _check(all(paid) and len(paid) == kinds.count("push"), "a push was not paid, or not told")
    notices = [read_c2b_notice(body) for path, body in told if path == "confirmations"]
    _check(len(notices) == kinds.count("paybill"), f"{len(notices)} confirmations")
    return pushes


def _check_read_alike(told: dict[str, Any], body: bytes) -> None:
    """The library's own model of a callback finds in it what our reader finds."""
    payment = read_stk_callback(body).payment
    assert payment is not None
    ours = (payment.receipt_number, payment.amount_cents, payment.payer_phone)
    theirs = (told["receipt"], round(float(told["amount"]) * 100), str(told["phone"]))
    _check(ours == theirs, f"we read {ours}, it read {theirs}")


def _check(is_so: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not is_so:
        raise Differs(otherwise)


if __name__ == "__main__":
    sys.exit(main())
