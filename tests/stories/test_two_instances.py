"""Two installations on one machine, keys at the command line, and what production refuses."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from uuid import UUID

import pytest
from structlog.testing import capture_logs

import app.cli.up as starting
from domain.api_keys.handlers import RevokeApiKey
from infra.errors import SettingsError
from infra.event_store.dispatch import dispatch
from infra.event_store.unit_of_work import Cause
from infra.keyring import new_master_key
from infra.settings import read_settings
from tests.support.databases import Databases
from tests.support.meanwhile import going_on
from tests.support.running_house import MEMBERS, RunningHouse, end, running_house
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes as Linux shows them"),
]
KEY = re.compile(r"[A-Za-z0-9]{32}")
CONNECTIONS = 40  # each answered by whichever web worker is free: none of both is left out


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningHouse, RunningHouse]]:
    folder = tmp_path_factory.mktemp("two")
    with ExitStack() as stack, ThreadPoolExecutor(2) as threads:
        made = [RunningHouse(folder / name) for name in ("first", "second")]
        for house in made:
            stack.callback(end, house)
        list(threads.map(RunningHouse.start, made))
        yield made[0], made[1]


@pytest.fixture
def house(houses: tuple[RunningHouse, RunningHouse]) -> RunningHouse:
    return houses[0]


def test_two_instances_know_nothing_of_each_other(houses):
    one, other = houses
    assert one.key != other.key
    assert one.get(MEMBERS, key=other.key).status_code == 401
    payer = one.register(1)
    push_id = one.push(payer, "1500.00")
    contribution = eventually(lambda: one.contributions(payer))[0]
    assert contribution["amount"] == "1500.00"
    assert contribution["payment_reference"] in {row["receipt"] for row in one.ledger()}
    assert contribution["payment_reference"] not in {row["receipt"] for row in other.ledger()}
    assert other.contributions(payer) == []
    assert other.get(f"/daystar/v1/mpesa/transactions/{push_id}").status_code == 404


def test_a_second_start_on_the_same_data_is_refused_in_a_sentence(house):
    refused = house.command("up")
    assert refused.returncode == 1
    assert f"Another `daystar` runs on {house.data_directory}." in refused.stderr
    assert "Traceback" not in refused.stderr
    assert house.get("/readyz").json()["status"] == "ready"


def test_a_house_starts_again_from_what_it_left_behind(tmp_path):
    with running_house(tmp_path / "var") as house:
        key, payer = house.key, house.register(1)
        house.push(payer, "1500.00")
        before = eventually(lambda: house.contributions(payer))
        members = house.get(MEMBERS).json()["pagination"]["total_items"]
        assert house.stop() == 0
        assert house.processes() == []
        assert house.postmaster() is None

        house.start()
        assert house.key == key
        assert house.contributions(payer) == before
        assert house.get(MEMBERS).json()["pagination"]["total_items"] == members
        house.push(payer, "1600.00")
        eventually(lambda: len(house.contributions(payer)) == 2)
        _start_in_the_moment_of_a_kill(house)
        assert len(house.contributions(payer)) == 2


def _start_in_the_moment_of_a_kill(house: RunningHouse) -> None:
    """The children have yet to notice, and hold the ports: here, for as long as we say."""
    orphans = {process.process_id for process in house.processes()}
    web = house.children()["web"]
    os.kill(web, signal.SIGSTOP)
    house.kill_supervisor()
    with ThreadPoolExecutor(1) as threads:
        started = threads.submit(house.start)
        eventually(lambda: '"port_awaited"' in house.log_tail() or started.done())
        os.kill(web, signal.SIGCONT)
        started.result()
    assert not orphans & {process.process_id for process in house.processes()}


def test_a_port_that_stays_taken_is_named(monkeypatch):
    """Whoever has it is no child of ours, and does not end."""
    monkeypatch.setattr(starting, "PORT_SECONDS_MAX", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        monkeypatch.setenv("DAYSTAR_PORT", str(port))
        with pytest.raises(SettingsError, match=f"Port {port} is taken; set DAYSTAR_PORT"):
            starting._check_ports(read_settings(), None)


def test_a_house_whose_lists_fill_for_long_says_so_and_is_waited_for(monkeypatch):
    """As after `daystar demo-data`: whoever started it still learns its address and its keys."""
    monkeypatch.setattr(starting, "READY_SECONDS_MAX", 0.0)
    answers = iter([False, False, True])
    with capture_logs() as said:
        assert starting._until(lambda: next(answers), threading.Event(), "read models")
    assert [line["event"] for line in said] == ["not_ready_yet"]


def test_an_issued_key_stands_alone_on_the_last_line_and_opens_the_running_house(house):
    _, key = _issue(house, "Sage", "read_members")
    assert house.get(MEMBERS, key=key).status_code == 200
    refused = house.get("/daystar-accounting/v1/contributions", key=key)
    assert refused.status_code == 403
    assert refused.json()["code"] == "insufficient_permission"


def test_a_revoked_key_opens_nothing_at_any_worker_a_second_later(house):
    key_id, key = _issue(house, "Xero", "read_members")
    assert _statuses(house, key) == {200}
    revoked = house.command("keys", "revoke", key_id, "--reason", "laptop stolen")
    revoked_at = time.monotonic()
    assert revoked.returncode == 0, revoked.stderr
    assert len(house.web_workers()) == 2
    eventually(lambda: time.monotonic() > revoked_at + 1.0)
    assert _statuses(house, key) == {401}


def test_a_revoked_key_is_refused_over_connections_that_both_workers_keep_open(house):
    """Each worker knows the key by heart when it is revoked, and is asked without a pause."""
    key_id, key = _issue(house, "QuickBooks", "read_members")
    with ExitStack() as kept:
        open_to = _kept_connections(house, key, kept)
        _revoke_while_asking(house, key_id, key, open_to)


def _revoke_while_asking(
    house: RunningHouse, key_id: str, key: str, open_to: dict[int, list[HTTPConnection]]
) -> None:
    answers: dict[int, list[tuple[float, int]]] = {worker: [] for worker in open_to}
    places = _places(open_to)

    def ask_on(worker: int, connection: HTTPConnection, stop: threading.Event) -> None:
        while not stop.is_set():
            asked_at = time.monotonic()
            answers[worker].append((asked_at, _status(connection, key)))

    asking = [
        partial(ask_on, worker, connection)
        for worker, connections in open_to.items()
        for connection in connections
    ]
    with house.services() as services, going_on(*asking):
        dispatch(services.store, RevokeApiKey(UUID(key_id), "laptop stolen"), Cause("test", "-"))
        revoked_at = time.monotonic()
        eventually(lambda: all(told[-1][0] > revoked_at + 1.5 for told in answers.values()))
    for told in answers.values():
        assert min(told)[1] == 200
        assert {status for asked_at, status in told if asked_at > revoked_at + 1.0} == {401}
    assert _places(open_to) == places, "over the same connections"


def _places(open_to: dict[int, list[HTTPConnection]]) -> set[object]:
    return {each.sock.getsockname() for kept in open_to.values() for each in kept}


def test_a_rotated_key_and_its_successor_both_open_while_they_overlap(house):
    key_id, old = _issue(house, "Odoo", "read_members")
    new, _ = _rotate(house, key_id, overlap_hours="24")
    assert new != old
    assert _statuses(house, old) == _statuses(house, new) == {200}


def test_when_the_overlap_is_over_only_the_new_key_opens(house):
    key_id, old = _issue(house, "Tally", "read_members")
    new, closes_at = _rotate(house, key_id, overlap_hours="0.0005")
    eventually(lambda: _statuses(house, old) == {401}, every=0.2)
    assert datetime.now(UTC) > closes_at
    assert _statuses(house, new) == {200}


def test_another_master_key_is_refused_in_a_sentence(house):
    for words in (("keys", "list"), ("status",)):
        refused = house.command(*words, DAYSTAR_MASTER_KEY=new_master_key())
        assert refused.returncode == 1
        assert "DAYSTAR_MASTER_KEY is not the key this database was encrypted with." in (
            refused.stderr
        )
        assert "Traceback" not in refused.stderr


def test_a_house_does_not_start_with_another_master_key(tmp_path):
    house = RunningHouse(tmp_path / "var")
    try:
        house.start()
        assert house.stop() == 0
        refused = house.command("up", DAYSTAR_MASTER_KEY=new_master_key())
        assert refused.returncode == 1
        assert "not the key this database was encrypted with" in refused.stderr
        (house.data_directory / "master.key").unlink()
        refused = house.command("up")
        assert refused.returncode == 1
        assert "Bring the original key back; a new one cannot read it." in refused.stderr
        assert house.processes() == []
        assert house.postmaster() is None
    finally:
        end(house)


@pytest.fixture
def production(databases: Databases, tmp_path: Path) -> Iterator[RunningHouse]:
    with databases.fresh() as url:
        house = RunningHouse(
            tmp_path / "var",
            DAYSTAR_ENV="production",
            DATABASE_URL=url,
            DAYSTAR_MASTER_KEY=new_master_key(),
            DAYSTAR_PUBLIC_URL="https://daystar.example.org",
        )
        try:
            yield house
        finally:
            end(house)


def test_production_refuses_the_simulator_by_name(production):
    refused = production.command("simulator")
    assert refused.returncode == 1
    assert "The simulator runs in the demo only; this is production." in refused.stderr
    to_itself = production.command(
        "up",
        DAYSTAR_MPESA_CONSUMER_KEY="simulator-consumer-key",
        DAYSTAR_MPESA_CONSUMER_SECRET="simulator-consumer-secret",
        DAYSTAR_MPESA_SHORT_CODE="174379",
        DAYSTAR_MPESA_PASS_KEY="simulator-pass-key",
        DAYSTAR_MPESA_BASE_URL=production.simulator_url,
    )
    assert to_itself.returncode == 1
    assert "production does not talk to a simulator" in to_itself.stderr


def test_production_runs_without_simulator_and_without_invented_members(production):
    production.start()
    assert set(production.children()) == {
        *("web", "intake", "follow", "schedule", "send mpesa"),
        *("consume webhooks", "send webhooks"),
    }
    _, key = _issue(production, "Sage", "read_members")
    answer = production.get(MEMBERS, key=key)
    assert answer.json()["pagination"]["total_items"] == 0
    assert not (production.data_directory / "demo-api-key").exists()
    assert production.stop() == 0
    assert production.processes() == []


def _issue(house: RunningHouse, name: str, permission: str) -> tuple[str, str]:
    """A key's id and the key, as they were printed."""
    issued = house.command("keys", "issue", "--name", name, "--permission", permission)
    assert issued.returncode == 0, issued.stderr
    *_, key_id, key = issued.stdout.splitlines()
    assert KEY.fullmatch(key)
    return key_id.removeprefix("key id "), key


def _rotate(house: RunningHouse, key_id: str, *, overlap_hours: str) -> tuple[str, datetime]:
    """The new key, and when the old one closes, as they were printed."""
    rotated = house.command("keys", "rotate", key_id, "--overlap-hours", overlap_hours)
    assert rotated.returncode == 0, rotated.stderr
    *_, until, new = rotated.stdout.splitlines()
    assert KEY.fullmatch(new)
    return new, datetime.fromisoformat(until.removeprefix("the old key opens until "))


def _statuses(house: RunningHouse, key: str) -> set[int]:
    """What many fresh connections at once are answered."""
    with ThreadPoolExecutor(8) as threads:
        return set(
            threads.map(lambda _: house.get(MEMBERS, key=key).status_code, range(CONNECTIONS))
        )


def _status(connection: HTTPConnection, key: str) -> int:
    """What is answered over this very connection, which stays open."""
    connection.request("GET", MEMBERS, headers={"X-API-Key": key})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def _kept_connections(
    house: RunningHouse, key: str, kept: ExitStack
) -> dict[int, list[HTTPConnection]]:
    """Warm connections by the worker that holds their other end, two at least for each."""
    found: dict[int, list[HTTPConnection]] = {worker: [] for worker in house.web_workers()}
    assert len(found) == 2
    for _ in range(CONNECTIONS):
        connection = HTTPConnection("127.0.0.1", house.port)
        kept.callback(connection.close)
        assert _status(connection, key) == 200
        found[_holder(house, connection)].append(connection)
        if min(map(len, found.values())) >= 2:
            return {worker: connections[:2] for worker, connections in found.items()}
    raise AssertionError(f"one worker took all connections: {found}")


def _holder(house: RunningHouse, connection: HTTPConnection) -> int:
    """Which worker has accepted it: the kernel knows each socket by a number."""
    local = f"0100007F:{connection.sock.getsockname()[1]:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    (number,) = [row[9] for row in rows if row[2] == local]
    for worker in house.web_workers():
        for descriptor in Path(f"/proc/{worker}/fd").iterdir():
            with suppress(OSError):
                if str(descriptor.readlink()) == f"socket:[{number}]":
                    return worker
    raise AssertionError("no worker holds it")
