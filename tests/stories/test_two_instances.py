"""Two installations on one machine, keys at the command line, and what production refuses."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.keyring import new_master_key
from tests.support.databases import Databases
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
    assert set(production.children()) == {"web", "intake", "follow", "schedule"}
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
