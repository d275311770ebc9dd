"""`daystar rebuild` where a person is asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.conftest import MASTER_KEY
from tests.support.waiting import eventually

PROJECT = Path(__file__).parents[2]
_SCHEMAS = "SELECT nspname, oid FROM pg_namespace WHERE nspname ~ '^(read|shadow|old)_' ORDER BY 1"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_is_asked_whether_to_swap_may_leave_instead(owner_url, tmp_path, co_operative, number):
    co_operative.member()
    co_operative.follower().catch_up()
    environment = {
        "DATABASE_URL": owner_url,
        "DAYSTAR_MASTER_KEY": MASTER_KEY,
        "DAYSTAR_DATA_DIR": str(tmp_path),
    }
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("UPDATE read_members.members SET member_number = 'FALSE'")
        before = owner.execute(_SCHEMAS).fetchall()
        asking = subprocess.Popen(
            [sys.executable, "-m", "app", "rebuild", "members"],
            cwd=PROJECT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        said = b""
        try:
            while b"Swap?" not in said:
                said += (more := os.read(asking.stdout.fileno(), 65_536))
                assert more, said
            # One that comes just before the answer is awaited would be slept over: people press on.
            eventually(lambda: asking.send_signal(number) or asking.poll() is not None, every=0.5)
            assert asking.returncode == 1
        finally:
            asking.kill()
            asking.communicate()
        assert owner.execute(_SCHEMAS).fetchall() == before
