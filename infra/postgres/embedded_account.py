"""Under which operating-system user the embedded server runs, and what is done in its name.

PostgreSQL refuses to run as root. So an ordinary user runs it himself, and root runs it as an
unprivileged user, who may be unable to reach the project at all (below /root, say). Nothing is
loosened for his sake: root opens the folder as the working directory of the process it starts, and
the process reaches that folder as /proc/self/cwd, whatever lies above it.

What root writes here, it writes into folders of a less trusted user: it follows no symbolic link
and gives away only what it has just made.
"""

import os
import pwd
import stat
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT_USER_ID = 0
FALLBACK_USER_NAMES = ("postgres", "nobody")
# PG* variables, a locale or a LD_PRELOAD of the caller must not reach the server.
CLEAN_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
WORKING_DIRECTORY_LINK = Path("/proc/self/cwd")


class EmbeddedPostgresError(RuntimeError):
    """The embedded PostgreSQL cannot do what was asked; the message says what to do next."""


@dataclass(frozen=True)
class ServerAccount:
    """The operating-system user who owns the data and runs the server."""

    user_id: int
    group_id: int
    is_ours: bool

    def run(
        self,
        arguments: Sequence[str | Path],
        *,
        working_directory: Path = Path("/"),
        kept_descriptors: Sequence[int] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as this user. The working directory is opened with our own rights."""
        return subprocess.run(  # noqa: S603 - our own programs, no shell
            [os.fspath(argument) for argument in arguments],
            cwd=working_directory,
            env=CLEAN_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            umask=0o077,
            pass_fds=tuple(kept_descriptors),
            user=None if self.is_ours else self.user_id,
            group=None if self.is_ours else self.group_id,
            extra_groups=None if self.is_ours else [],
            check=False,
        )

    def can_read(self, path: Path) -> bool:
        """Ask the kernel, as this user: access lists and mounts have a say beside the modes."""
        return self.run(["/bin/sh", "-c", 'test -r "$0"', path]).returncode == 0

    def can_run_programs(self) -> bool:
        """Whether we may become this user: a container may forbid it, or not know him."""
        try:
            return self.run(["/bin/sh", "-c", ":"]).returncode == 0
        except OSError:
            return False

    def reachable(self, folder: Path) -> Path:
        """Return the name by which a program of this user, started in `folder`, finds it."""
        if self.is_ours or self.can_read(folder) or not WORKING_DIRECTORY_LINK.exists():
            return folder
        return WORKING_DIRECTORY_LINK

    def claim_folder(self, folder: Path) -> None:
        """Make `folder`, or accept it when it is this user's already; nobody else may enter it."""
        folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = _open_folder(folder)
        try:
            owner = os.fstat(descriptor).st_uid
            if owner not in {self.user_id, os.geteuid()}:
                raise EmbeddedPostgresError(
                    f"{folder} belongs to another user ({user_name(owner)}), so the database "
                    "cannot be trusted to it. Remove that folder, or ask its owner to."
                )
            if owner != self.user_id:
                os.fchown(descriptor, self.user_id, self.group_id)
            os.fchmod(descriptor, 0o700)
        finally:
            os.close(descriptor)

    def write_file(self, folder: Path, name: str, text: str) -> None:
        """Replace a file of this user's folder in one step."""
        folder_descriptor = _open_folder(folder)
        new_name = f"{name}.new"
        try:
            _unlink_if_there(new_name, folder_descriptor)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            descriptor = os.open(new_name, flags, 0o600, dir_fd=folder_descriptor)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                self.take(descriptor)
                file.write(text)
            os.rename(new_name, name, src_dir_fd=folder_descriptor, dst_dir_fd=folder_descriptor)
        finally:
            os.close(folder_descriptor)

    def take(self, descriptor: int) -> None:
        """Give this user a file that we have just made."""
        if not self.is_ours:
            os.fchown(descriptor, self.user_id, self.group_id)


def account_for(home: Path) -> ServerAccount:
    """Choose who runs the server whose data lies in `home`, and refuse what cannot work."""
    us = os.geteuid()
    owner = home.stat().st_uid if home.exists() else None
    if us != ROOT_USER_ID:
        if owner not in {None, us}:
            raise _foreign_data(home, owner)
        return ServerAccount(us, os.getegid(), is_ours=True)
    if owner not in {None, ROOT_USER_ID}:
        return ServerAccount(owner, home.stat().st_gid, is_ours=False)
    for account in _candidates(home):
        if account.can_run_programs():
            return account
    raise EmbeddedPostgresError(
        "PostgreSQL refuses to run as root, and this root may not become another user "
        f"(tried the folder's owner, {', '.join(FALLBACK_USER_NAMES)}). "
        "Start daystar as an ordinary user, or set DATABASE_URL to a PostgreSQL of your own."
    )


def user_name(user_id: int) -> str:
    """Return the user's name, or his number where he has none."""
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return f"user {user_id}"


def _candidates(home: Path) -> Iterator[ServerAccount]:
    """The owner of the nearest folder above that is not root's, then the usual nobodies."""
    folders = [folder for folder in (home, *home.parents) if folder.exists()]
    owners = [folder.stat().st_uid for folder in folders]
    names = [user_name(owner) for owner in owners if owner != ROOT_USER_ID][:1]
    for name in (*names, *FALLBACK_USER_NAMES):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        yield ServerAccount(entry.pw_uid, entry.pw_gid, is_ours=False)


def _foreign_data(home: Path, owner: int | None) -> EmbeddedPostgresError:
    assert owner is not None
    made_by = "root" if owner == ROOT_USER_ID else f"{user_name(owner)} (perhaps started as root)"
    return EmbeddedPostgresError(
        f"The database in {home} belongs to {made_by}, not to {user_name(os.geteuid())}. "
        "Start daystar the way it was started the first time, or give the data to yourself while "
        f"nothing runs: sudo chown -R {user_name(os.geteuid())} {home}"
    )


def _open_folder(folder: Path) -> int:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        owner = user_name(folder.lstat().st_uid)
        raise EmbeddedPostgresError(
            f"{folder} (of {owner}) is not a folder that the database may use: {error.strerror}. "
            "Remove it, or ask its owner to."
        ) from error
    assert stat.S_ISDIR(os.fstat(descriptor).st_mode)
    return descriptor


def _unlink_if_there(name: str, folder_descriptor: int) -> None:
    try:
        os.unlink(name, dir_fd=folder_descriptor)
    except FileNotFoundError:
        return
