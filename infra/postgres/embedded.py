"""A real PostgreSQL of our own, for whoever has not set up one: the embedded default.

`daystar up` and the tests start it. Its home is one folder (mode 0700):

    cluster/     what PostgreSQL calls its data directory
    server.log   what the server says
    lock         held while a process starts or stops the server

It listens on a Unix socket only, in a folder that only its own user (and root) can enter; whoever
can enter is trusted. It outlives the process that started it, until `stop`. It never touches the
permissions of any other folder: embedded_account.py tells how it runs when we are root.
"""

import fcntl
import hashlib
import os
import select
import shutil
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

import psycopg

from infra.postgres.embedded_account import (
    EmbeddedPostgresError,
    ServerAccount,
    account_for,
    user_name,
)
from infra.postgres.embedded_installation import reachable_installation, wheel_installation

__all__ = ["DATABASE", "SUPERUSER", "EmbeddedPostgres", "EmbeddedPostgresError"]

SUPERUSER = "postgres"
DATABASE = "daystar"
# A socket's path ends at 107 bytes and the project may lie deep, so sockets live here; not in
# TMPDIR, which may differ between the shells of one person.
SOCKET_PARENT = Path("/tmp")  # noqa: S108 - claim_folder verifies the owner, follows no link

START_SECONDS_MAX = 180.0  # recovery after a crash replays up to max_wal_size
STOP_SECONDS_MAX = 60.0
POLL_SECONDS = 0.005
LOG_BYTES_MAX = 8 * 1024 * 1024
LOG_TAIL_LINES = 15
DEAD_PROCESS_ID = 2**31 - 1  # above what any kernel gives out

SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "max_connections": "100",
        "max_prepared_transactions": "0",
        "shared_buffers": "128MB",
        "effective_cache_size": "512MB",
        "work_mem": "8MB",
        "maintenance_work_mem": "64MB",
        "max_wal_size": "1GB",
        "wal_compression": "on",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        "log_checkpoints": "off",
    }
)


class EmbeddedPostgres:
    """One server with its data in `data_directory`. Any process may start, find or stop it."""

    def __init__(
        self,
        data_directory: Path,
        *,
        settings: Mapping[str, str] = MappingProxyType({}),
        installation: Path | None = None,
    ) -> None:
        """Settings apply when the server starts; one that runs already keeps its own."""
        self._home = data_directory.resolve()
        self._cluster = self._home / "cluster"
        self._log = self._home / "server.log"
        self._settings = {**SETTINGS, **settings}
        self._installation = installation
        name = hashlib.sha256(os.fsencode(self._home)).hexdigest()[:16]
        self._socket = SOCKET_PARENT / f"daystar-{name}" / ".s.PGSQL.5432"

    def start(self) -> None:
        """Bring the server up and the database into being, from whatever state they are in."""
        with _told_as_our_own_error(self._home):
            account = account_for(self._home)
            self._home.parent.mkdir(parents=True, exist_ok=True)
            account.claim_folder(self._home)
            with self._locked(account):
                self._start_locked(account)
        self._create_database()

    def stop(self) -> None:
        """End all sessions, write what is due, and wait until the server is gone."""
        with _told_as_our_own_error(self._home):
            if self._home.exists():
                with self._locked(account_for(self._home)):
                    self._stop_locked()

    def is_running(self) -> bool:
        """Whether the server's process lives; it may still be starting."""
        with _told_as_our_own_error(self._home):
            return self._process_id() is not None

    def url(self, user: str, database: str) -> str:
        """Return the libpq URL over the Unix socket."""
        host = quote(str(self._socket.parent), safe="")
        return f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}?host={host}"

    def log_tail(self) -> str:
        """Return the last lines of the server's log."""
        with suppress(FileNotFoundError), self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - 16 * 1024))
            lines = log.read().decode(errors="replace").splitlines()
            return "\n".join(lines[-LOG_TAIL_LINES:])
        return ""

    # Starting, with the lock held.

    def _start_locked(self, account: ServerAccount) -> None:
        if self._process_id() is not None:
            if self._status_lines() and self._answers():
                self._wait_until_ready(died=None)
                return
            self._stop_locked()  # its data or its socket were removed: nobody can use it
        installation = reachable_installation(self._installation or wheel_installation(), account)
        if not (self._cluster / "PG_VERSION").exists():
            self._make_cluster(account, installation)
        account.claim_folder(self._socket.parent)
        account.write_file(self._cluster, "daystar.conf", _configuration(self._settings))
        self._set_old_log_aside()
        self._launch(account, installation)

    def _make_cluster(self, account: ServerAccount, installation: Path) -> None:
        """Run initdb aside and rename, so that an interrupted initdb is never taken for data."""
        unfinished = self._home / "cluster.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        account.claim_folder(unfinished)
        # Letters beyond ASCII have an upper case in C.UTF-8 only; a few systems lack it.
        made = self._initdb(account, installation, unfinished, character_type="C.UTF-8")
        if made is not None and "locale" in made:
            made = self._initdb(account, installation, unfinished, character_type="C")
        if made is not None:
            raise EmbeddedPostgresError(
                f"PostgreSQL could not prepare its data in {self._home}, as "
                f"{user_name(account.user_id)}. Mend what it names, then start again:\n{made}"
            )
        configuration = (unfinished / "postgresql.conf").read_text()
        configuration += "\ninclude 'daystar.conf'  # written anew at each start\n"
        account.write_file(unfinished, "postgresql.conf", configuration)
        unfinished.rename(self._cluster)

    def _initdb(
        self, account: ServerAccount, installation: Path, cluster: Path, *, character_type: str
    ) -> str | None:
        """Return nothing when it went well, else what initdb said."""
        without_sync = ["--no-sync"] if self._settings.get("fsync") == "off" else []
        outcome = account.run(
            [
                installation / "bin" / "initdb",
                f"--pgdata={account.reachable(cluster)}",
                f"--username={SUPERUSER}",
                "--auth-local=trust",
                "--auth-host=reject",
                "--encoding=UTF8",
                "--locale=C",
                f"--lc-ctype={character_type}",
                "--data-checksums",
                "--no-instructions",
                *without_sync,
            ],
            working_directory=cluster,
        )
        return None if outcome.returncode == 0 else outcome.stderr

    def _launch(self, account: ServerAccount, installation: Path) -> None:
        """Start the server; after a SIGKILL wait for the last sessions of the old one to end."""
        deadline = time.monotonic() + START_SECONDS_MAX
        log_bytes = self._log.stat().st_size if self._log.exists() else 0
        while True:
            self._disown_killed_server(account)
            if self._launch_once(account, installation):
                return
            with suppress(FileNotFoundError), self._log.open("rb") as log:
                log.seek(log_bytes)
                if b"is still in use" in log.read() and time.monotonic() < deadline:
                    time.sleep(0.1)
                    log_bytes = self._log.stat().st_size
                    continue
            raise self._start_error("PostgreSQL ended while it was starting")

    def _launch_once(self, account: ServerAccount, installation: Path) -> bool:
        """Return whether the server came up. It holds a pipe that closes when it dies."""
        died, held_by_server = os.pipe()
        try:
            try:
                outcome = account.run(
                    [
                        installation / "bin" / "pg_ctl",
                        "start",
                        "--no-wait",
                        "--silent",
                        f"--pgdata={account.reachable(self._cluster)}",
                        "--log=../server.log",
                        f"--options=-k {self._socket.parent}",
                    ],
                    working_directory=self._cluster,
                    kept_descriptors=[held_by_server],
                )
            finally:
                os.close(held_by_server)
            if outcome.returncode != 0:
                raise self._start_error(f"pg_ctl could not start PostgreSQL: {outcome.stderr}")
            return self._wait_until_ready(died=died)
        finally:
            os.close(died)

    def _wait_until_ready(self, *, died: int | None) -> bool:
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            if self._process_id() is not None and self._status_line(7) == "ready":
                return True
            if died is None:
                time.sleep(POLL_SECONDS)
            elif select.select([died], [], [], POLL_SECONDS)[0]:
                return False
        raise self._start_error(f"PostgreSQL was not ready within {START_SECONDS_MAX:.0f} seconds")

    def _disown_killed_server(self, account: ServerAccount) -> None:
        """Name a dead process in the lock file of a server that was killed.

        Its number may by now belong to an innocent process, or to a zombie that nobody buries (in
        a container), and PostgreSQL would refuse to start. The file itself must stay: by its other
        lines PostgreSQL finds sessions of the old server that still live.
        """
        if self._process_id() is not None:
            return
        Path(f"{self._socket}.lock").unlink(missing_ok=True)
        lines = self._status_lines()
        if lines:
            text = "\n".join([str(DEAD_PROCESS_ID), *lines[1:]]) + "\n"
            account.write_file(self._cluster, "postmaster.pid", text)

    def _create_database(self) -> None:
        with psycopg.connect(self.url(SUPERUSER, "postgres"), autocommit=True) as connection:
            query = "SELECT FROM pg_database WHERE datname = %s"
            if connection.execute(query, [DATABASE]).fetchone() is None:
                with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                    connection.execute(f"CREATE DATABASE {DATABASE}")

    def _set_old_log_aside(self) -> None:
        with suppress(FileNotFoundError):
            if self._log.lstat().st_size > LOG_BYTES_MAX:
                self._log.rename(self._log.with_suffix(".log.1"))

    def _start_error(self, what: str) -> EmbeddedPostgresError:
        return EmbeddedPostgresError(
            f"{what}. Its log is {self._log}; mend what the last lines name, then start again:\n"
            f"{self.log_tail() or '(the log is empty)'}"
        )

    # Stopping and looking.

    def _stop_locked(self) -> None:
        process_id = self._process_id()
        if process_id is not None:
            self._end_process(process_id)
        with suppress(OSError):  # it may be gone, or not be ours
            self._socket.parent.rmdir()

    def _end_process(self, process_id: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGINT)  # a "fast" shutdown
        deadline = time.monotonic() + STOP_SECONDS_MAX
        while self._process_id() == process_id:
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"PostgreSQL (process {process_id}) did not stop within "
                    f"{STOP_SECONDS_MAX:.0f} seconds. Look at {self._log}; "
                    f"`kill -QUIT {process_id}` ends it at once, nothing committed is lost."
                )
            time.sleep(POLL_SECONDS)

    def _process_id(self) -> int | None:
        """Return the server's process, if it lives. A stale file or a reused number is no server.

        Two files name it; where the data were deleted under it, the socket's is left.
        """
        for path in (self._cluster / "postmaster.pid", Path(f"{self._socket}.lock")):
            with suppress(FileNotFoundError):
                first_line = path.read_text().partition("\n")[0]
                if first_line.isdigit() and self._is_server(int(first_line)):
                    return int(first_line)
        return None

    def _is_server(self, process_id: int) -> bool:
        """Know it by its command line: it names our socket folder, and a zombie has none.

        It is readable where /proc/<id>/cwd of another user is not, even by root in a container.
        """
        if not Path("/proc/self").exists():
            return self._answers()
        try:
            command_line = Path(f"/proc/{process_id}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return False
        return os.fsencode(self._socket.parent) in command_line

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            try:
                client.connect(str(self._socket))
            except OSError:
                return False
        return True

    def _status_line(self, index: int) -> str:
        lines = self._status_lines()
        return lines[index].strip() if index < len(lines) else ""

    def _status_lines(self) -> list[str]:
        try:
            return (self._cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    @contextmanager
    def _locked(self, account: ServerAccount) -> Iterator[None]:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        descriptor = os.open(self._home / "lock", flags, 0o600)
        try:
            account.take(descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _configuration(settings: Mapping[str, str]) -> str:
    lines = ["# Written by daystar at each start; changes belong in postgresql.conf's last lines."]
    for name, value in settings.items():
        assert name.replace("_", "").replace(".", "").isalnum(), name
        quoted = value.replace("\\", "\\\\").replace("'", "''")
        assert "\n" not in quoted, name
        lines.append(f"{name} = '{quoted}'")
    return "\n".join(lines) + "\n"


@contextmanager
def _told_as_our_own_error(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EmbeddedPostgresError(
            f"The database in {home} cannot be used by {user_name(os.geteuid())}: {error}. "
            "Start daystar as the user who started it first, and see that the disk has room."
        ) from error
