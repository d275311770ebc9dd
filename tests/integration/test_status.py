"""`daystar status`: where everything stands, in a terminal of eighty columns."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

from click.testing import CliRunner

from app.cli.main import daystar
from infra.postgres.pool import open_pool
from projections.read_models import READ_MODELS
from tests.conftest import MASTER_KEY

PROJECT = Path(__file__).parents[2]
STOP_SECONDS_MAX = 30.0


def environment(owner_url, tmp_path):
    return {
        "DATABASE_URL": owner_url,
        "DAYSTAR_MASTER_KEY": MASTER_KEY,
        "DAYSTAR_DATA_DIR": str(tmp_path),
    }


def test_it_names_every_read_model_and_what_stopped_it(owner_url, tmp_path, store):
    with open_pool(owner_url, size_max=1) as pool, pool.connection() as connection:
        connection.execute(
            "UPDATE followers.followers SET state = 'stopped', error = 'no such row',"
            " error_position = 7000 WHERE name = 'members'"
        )
    outcome = CliRunner(env=environment(owner_url, tmp_path)).invoke(daystar, ["status"])
    lines = outcome.output.splitlines()
    assert [line.split()[0] for line in lines[2:] if line[0] != " "] == list(READ_MODELS)
    assert "  stopped at 7000: no such row" in lines
    assert "  mend the cause, then: daystar projections retry members" in lines
    assert max(map(len, lines)) <= 80


def test_it_names_the_relay_and_every_consumer_and_what_holds_it_up(owner_url, tmp_path, store):
    with open_pool(owner_url, size_max=1) as pool, pool.connection() as connection:
        connection.execute("INSERT INTO consuming.relay (position, term) VALUES (0, 1)")
        connection.execute(
            "INSERT INTO consuming.consumers (name, begins_after, log_position, waits_for,"
            " waits_since) VALUES ('webhooks', 0, 0, 'a list that is behind', now())"
        )
        connection.execute(
            "INSERT INTO consuming.dead_letters (consumer, topic, subject, position, number, item,"
            " reason) VALUES ('webhooks', 'loans', 'x', 1000, 0, '{}', 'why')"
        )
    settings = environment(owner_url, tmp_path) | {"DAYSTAR_DEAD_LETTERS_MAX": "1"}
    lines = CliRunner(env=settings).invoke(daystar, ["status"]).output.splitlines()
    told = [line.split()[:3] for line in lines if not line.startswith(" ")]
    assert ["relay", "log", "-"] in told
    assert ["webhooks", "log", "1"] in told
    assert "  waits since 0 seconds: a list that is behind" in lines
    assert "  stopped by 1 dead letters: daystar dead-letters list" in lines
    assert max(map(len, lines)) <= 80


def test_what_has_stopped_by_itself_is_not_called_held(owner_url, tmp_path, store):
    with open_pool(owner_url, size_max=1) as pool, pool.connection() as connection:
        connection.execute("UPDATE followers.followers SET state = 'stopped' WHERE name = 'loans'")
    runner = CliRunner(env=environment(owner_url, tmp_path))
    held = [runner.invoke(daystar, ["projections", "pause", "members"]) for _ in range(2)]
    assert [(each.exit_code, "members is held" in each.output) for each in held] == [(0, True)] * 2
    refused = runner.invoke(daystar, ["projections", "pause", "loans"])
    assert (refused.exit_code, "stopped by itself" in refused.output) == (1, True)


def test_watching_shows_it_until_ctrl_c_which_ends_it_in_peace(owner_url, tmp_path, store):
    terminal, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    watching = subprocess.Popen(
        [sys.executable, "-m", "app", "status", "--watch"],
        cwd=PROJECT,
        env={**os.environ, **environment(owner_url, tmp_path), "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    try:
        while shown.count(b"Ctrl-C ends this") < 2:
            shown += os.read(terminal, 65_536)
        watching.send_signal(signal.SIGINT)
        assert watching.wait(timeout=STOP_SECONDS_MAX) == 0
        shown += os.read(terminal, 65_536)
    finally:
        watching.kill()
        watching.wait()
        os.close(terminal)
    assert all(name.encode() in shown for name in READ_MODELS)
    assert b"Traceback" not in shown
    assert b"Abort" not in shown
