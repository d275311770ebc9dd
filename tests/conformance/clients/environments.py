"""Each public library in an environment of its own, from a lock with hashes; never the project's.

Two of the libraries share the name `mpesa`, and each brings dependencies of its own. The
environments lie under `var/clients` and are made anew when a lock changes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from hashlib import sha256
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[2] / "var" / "clients"
_INSTALL_SECONDS_MAX = 300
_WRONG_HASH = ("do not match the hashes", "EINTEGRITY", "in --require-hashes mode")


class NotInstalled(Exception):
    """The library could not be had."""


class WrongContents(Exception):
    """What came is not what the lock names."""


def python_of(name: str) -> list[str]:
    """The command that runs Python with this library installed."""
    lock = HERE / f"{name}.lock"
    place = ENVIRONMENTS / name
    python = place / "bin" / "python"
    if not _is_made(place, lock):
        shutil.rmtree(place, ignore_errors=True)
        venv.create(place, with_pip=True)
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
        _install(
            [str(python), "-m", "pip", "install", *options, "--require-hashes", "-r", str(lock)]
        )
        _mark_made(place, lock)
    return [str(python)]


def node_of(name: str) -> list[str]:
    """The command that runs Node.js with this library installed."""
    if shutil.which("npm") is None:
        raise NotInstalled("there is no npm; install Node.js")
    source, place = HERE / name, ENVIRONMENTS / name
    lock = source / "package-lock.json"
    if not _is_made(place, lock):
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(source, place)
        _install(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
            where=place,
        )
        _mark_made(place, lock)
    shutil.copy(source / "client.js", place / "client.js")
    return ["node"]


def _install(command: list[str], *, where: Path | None = None) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=where,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotInstalled("the registry did not answer in time") from None
    said = f"{done.stdout}{done.stderr}"
    if done.returncode == 0:
        return
    if any(sign.lower() in said.lower() for sign in _WRONG_HASH):
        raise WrongContents(said)
    raise NotInstalled(said.strip().rpartition("\n")[2])


def _stamp(lock: Path) -> str:
    return f"{sha256(lock.read_bytes()).hexdigest()} {sys.version}"


def _is_made(place: Path, lock: Path) -> bool:
    mark = place / ".made"
    return mark.exists() and mark.read_text() == _stamp(lock)


def _mark_made(place: Path, lock: Path) -> None:
    (place / ".made").write_text(_stamp(lock))


def surroundings() -> dict[str, str]:
    """What a client may know of this machine: no proxy, none of our settings, none of our code."""
    return {"PATH": os.environ["PATH"], "NO_PROXY": "*", "HOME": str(ENVIRONMENTS)}
