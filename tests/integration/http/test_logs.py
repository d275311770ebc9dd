"""What the running house writes down, line by line: never a person, never a secret."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from uuid import UUID

import pytest
import requests

from tests.conftest import MASTER_KEY
from tests.integration.http.house import (
    CONTRIBUTIONS,
    MEMBERS,
    PUSH,
    RECORD,
    REGISTER,
    open_house,
)

READY_SECONDS_MAX = 60.0
PAID_SECONDS_MAX = 20.0
PERSON = {
    "first_name": "Zawadixq",
    "last_name": "Kiplimoxq",
    "phone": "0722 913 057",
    "email": "zawadixq@kiplimo.example",
    "id_number": "39174628",
}
WRITTEN_PHONES = ("722913057", "722 913 057", "733915246", "733 915 246")
WRONG_KEY = "Q7" * 16
pytestmark = pytest.mark.slow


def free_port():
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return asked.getsockname()[1]


@contextmanager
def running_house(environment, error_path):
    """`daystar up`, its standard error in a file."""
    with error_path.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "up"],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def wait_until(condition, seconds_max):
    deadline = time.monotonic() + seconds_max
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)


def announced_key(process):
    """The demo's API key, which the banner shows on standard output."""
    key = ""
    for line in process.stdout:
        if "API key" in line:
            key = line.split()[-1]
        if line.startswith("ready "):
            return key
    raise AssertionError("it never became ready")


def tell_a_story(url, key):
    """Register, pay, ask, and get everything wrong that can be. Answers the push's id."""
    with requests.Session() as session:
        session.headers["X-API-Key"] = key

        def post(path, body, **headers):
            return session.post(url + path, json=body, headers=headers, timeout=10)

        member_id = post(REGISTER, PERSON).json()["id"]
        assert post(REGISTER, PERSON).status_code == 409
        assert post(REGISTER, PERSON | {"phone": "0722 913 057 57"}).status_code == 422
        assert post(REGISTER, PERSON | {PERSON["email"]: PERSON["phone"]}).status_code == 422
        money = {"member_id": member_id, "amount": "2000.00"}
        contribution = money | {
            "contribution_type": "monthly",
            "payment_method": "cash",
            "payment_reference": f"{PERSON['first_name']} {PERSON['phone']}",
        }
        assert post(RECORD, contribution, **{"Idempotency-Key": "a"}).status_code == 201
        assert post(RECORD, contribution, **{"Idempotency-Key": "b"}).status_code == 409
        asked = money | {"payment_purpose": "monthly", "phone": "+254 733 915 246"}
        push_id = post(PUSH, asked, **{"Idempotency-Key": PERSON["email"]}).json()["id"]
        transaction = f"{url}/daystar/v1/mpesa/transactions/{push_id}"
        wait_until(
            lambda: session.get(transaction, timeout=10).json()["status"] == "succeeded",
            PAID_SECONDS_MAX,
        )
        for path in (MEMBERS, CONTRIBUTIONS):
            assert session.get(f"{url}{path}?api_key={key}", timeout=10).status_code == 200
            misspelt = f"{url}{path}?api_key={WRONG_KEY}&{PERSON['email']}={PERSON['phone']}"
            assert requests.get(misspelt, timeout=10).status_code == 401
            assert session.get(misspelt, timeout=10).status_code == 400
        lost = f"{url}/{PERSON['first_name']}/{PERSON['phone']}/{key}"
        assert session.get(lost, timeout=10).status_code == 404
    return push_id


def call_back_badly(url, token):
    """What comes to the address of a push, and to one that is nearly it."""
    garbage = json.dumps(PERSON).encode()
    nearly = token[:-1] + ("0" if token[-1] != "0" else "1")
    assert requests.post(f"{url}/hooks/stk/{token}", data=garbage, timeout=10).status_code == 200
    assert requests.post(f"{url}/hooks/stk/{nearly}", data=garbage, timeout=10).status_code == 404
    assert requests.get(f"{url}/hooks/stk/{token}", timeout=10).status_code == 405
    return nearly


def test_no_log_line_of_a_whole_story_holds_a_person_or_a_secret(owner_url, tmp_path):
    port, log = free_port(), tmp_path / "log"
    url = f"http://127.0.0.1:{port}"
    environment = {
        "DATABASE_URL": owner_url,
        "DAYSTAR_ENV": "demo",
        "DAYSTAR_MASTER_KEY": MASTER_KEY,
        "DAYSTAR_DATA_DIR": str(tmp_path / "data"),
        "DAYSTAR_PORT": str(port),
        "DAYSTAR_SIMULATOR_PORT": str(free_port()),
        "DAYSTAR_WEB_PROCESSES": "1",
    }
    (tmp_path / "data").mkdir()
    with (
        running_house(environment, log) as process,
        open_house(owner_url, tmp_path / "data") as house,
    ):
        key = announced_key(process)
        push_id = UUID(tell_a_story(url, key))
        push_token = house.services.keyring.callback_token("stk", push_id)
        nearly = call_back_badly(url, push_token)
        wait_until(lambda: b"callback_unreadable" in log.read_bytes(), PAID_SECONDS_MAX)
        checkout = house.owner.execute(
            "SELECT checkout_request_id FROM read_mpesa_transactions.transactions"
            " WHERE transaction_id = %s",
            (push_id,),
        ).fetchone()[0]
    written = log.read_text()
    lines = [json.loads(line) for line in written.splitlines()]
    told = {line["event"] for line in lines}
    assert {"request", "push_sent", "callback_settled", "callback_token_wrong"} <= told
    secrets = [
        *(value for name, value in PERSON.items() if name != "phone"),
        *WRITTEN_PHONES,
        *(key, WRONG_KEY, push_token, nearly, checkout, MASTER_KEY),
        *("simulator-consumer-secret", "simulator-pass-key"),
    ]
    assert [secret for secret in secrets if secret.lower() in written.lower()] == []
