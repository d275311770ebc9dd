"""Dead letters at the command line: listed, shown, replayed, dropped with a reason."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from app.cli.main import daystar
from consumers.public_events.inbox import Inbox
from tests.conftest import MASTER_KEY


@pytest.fixture
def command(owner_url, tmp_path, keyring):
    settings = {
        "DATABASE_URL": owner_url,
        "DAYSTAR_MASTER_KEY": MASTER_KEY,
        "DAYSTAR_DATA_DIR": str(tmp_path),
    }
    runner = CliRunner(env=settings)
    return lambda *words: runner.invoke(daystar, ["dead-letters", *words])


@pytest.fixture
def letters(feeds, co_operative, pool):
    """Two events that webhooks could not take, each with what came later parked behind it."""
    members = [co_operative.member() for _ in range(2)]
    for member_id in members * 2:
        co_operative.contribution(member_id)
    co_operative.follower().catch_up()
    inbox = Inbox("webhooks")
    paid = [item for item in feeds.items() if item["type"] == "contribution.received"]
    with pool.connection() as connection, connection.transaction():
        connection.execute("INSERT INTO consuming.consumers VALUES ('webhooks', 0, 0)")
        inbox.lock(connection, paid)
        made = [inbox.reject(connection, item, "why") for item in paid[:2]]
        inbox.park(connection, paid[2:])
    return [str(letter) for letter in made]


def test_what_was_rejected_is_listed_and_shown(command, letters):
    lines = command("list", "--consumer", "webhooks").output.splitlines()
    assert [line.split()[0] for line in lines] == letters
    assert all("tried 1, parked 1: why" in line for line in lines)
    shown = command("show", letters[0]).output
    assert '"type": "contribution.received"' in shown
    assert "no dead letter is replayed" in command("list", "--state", "replayed").output


def test_one_is_replayed_and_one_dropped_and_what_was_parked_follows(command, letters):
    replayed, dropped = letters
    told = command("replay", replayed).output
    assert told == f"dead letter {replayed} is replayed; 1 events behind it are handled\n"
    told = command("drop", dropped, "--reason", "told by hand").output
    assert told == f"dead letter {dropped} is dropped; 1 events behind it are handled\n"
    assert command("list").output == "no dead letter is open\n"
    assert "by system:command-line: told by hand" in command("show", dropped).output


def test_what_is_settled_is_not_settled_again(command, letters):
    command("replay", letters[0])
    again = command("replay", letters[0])
    assert again.exit_code == 1
    assert "was replayed" in str(again.exception)
    assert command("drop", letters[0]).exit_code == 2, "a reason is needed"
