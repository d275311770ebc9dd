"""The house rules that a reader relies on: where things are, how large they are, what they use."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("app", "consumers", "domain", "infra", "projections")
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
LINE_LENGTH_MAX = 100
BANNED_NAMES = {"utils", "util", "helpers", "common", "base", "misc", "manager", "services"}

LONG_FILES = {
    "domain/loans/loan.py": "one aggregate: each of its events needs its own method in the class",
    "tests/integration/postgres/test_embedded.py": "one server's whole life, told in one place",
}
LONG_FUNCTIONS: dict[str, str] = {}
BROAD_EXCEPTS = {
    "app/callbacks/fast_lane.py": "lets the application say what failed",
    "app/callbacks/validation.py": "no fault of ours turns money away",
    "app/cli/processes.py": "the edge of a process's loop",
    "app/idempotent.py": "releases the claim, and raises again",
    "consumers/loans/daily_round.py": "the edge of a loop",
    "consumers/mpesa/intake.py": "the edge of a loop: one bad callback holds up no other",
    "consumers/mpesa/sender.py": "the edge of a loop: one request holds up no other",
    "consumers/webhooks/sender.py": "the edge of a loop: one delivery holds up no other",
    "consumers/mpesa/watch.py": "the edge of a loop: what is due stays due",
    "consumers/mpesa/reconciliation_round.py": "the edge of a loop: what is due stays due",
    "consumers/public_events/dead_letters.py": "what does not go stays a letter, with the reason",
    "consumers/public_events/taking.py": "the edge of a loop: one item holds up no other",
    "infra/gathering.py": "raises it again, in the thread of each row",
    "infra/mpesa/tokens.py": "gives the lease back, and raises again",
    "projections/batch.py": "one projection stops and says so",
    "projections/rebuild.py": "takes the shadow away, and raises again",
}
FLOATS_IN_THE_DOMAIN = {
    "domain/mpesa/payout_sending.py": "a pause in seconds, not money",
    "domain/mpesa/sending.py": "a pause in seconds, not money",
}


def ours(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def test_the_five_rooms_stand_at_top_level_and_nothing_else():
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert found == {*PACKAGES, "tests"}


def test_files_are_short_enough_to_read():
    long = {
        name_of(path)
        for path in ours(*PACKAGES, "tests")
        if len(path.read_text().splitlines()) > FILE_LINES_MAX
    }
    assert long == set(LONG_FILES), "an exemption needs a reason, and goes when it is not needed"


def test_functions_are_short_enough_to_read():
    long = {
        f"{name_of(path)}:{node.name}"
        for path in ours(*PACKAGES, "tests")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    }
    assert long == set(LONG_FUNCTIONS)


def test_lines_fit_the_page():
    long = [
        f"{name_of(path)}:{number}"
        for path in ours(*PACKAGES, "tests")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > LINE_LENGTH_MAX and "noqa" not in line and "type: ignore" not in line
    ]
    assert long == []


def test_files_are_named_for_what_they_know():
    named = {
        name_of(path)
        for path in ours(*PACKAGES, "tests")
        if path.stem in BANNED_NAMES or path.parent.name in BANNED_NAMES
    }
    assert named == set()


def test_the_sign_on_a_packages_door_holds_no_code():
    for path in ours(*PACKAGES):
        if path.name == "__init__.py":
            body = parsed(path).body
            assert len(body) == 1, name_of(path)
            assert ast.get_docstring(parsed(path)), name_of(path)


def test_every_module_says_what_it_is():
    silent = [name_of(path) for path in ours(*PACKAGES) if not ast.get_docstring(parsed(path))]
    assert silent == []


def test_only_the_edges_of_loops_catch_everything():
    broad = {
        name_of(path)
        for path in ours(*PACKAGES)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ExceptHandler)
        and (
            node.type is None
            or {"Exception", "BaseException"}
            & {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)}
        )
    }
    assert broad == set(BROAD_EXCEPTS)


def test_the_domain_does_not_know_floats():
    floats = {
        name_of(path)
        for path in ours("domain")
        for node in ast.walk(parsed(path))
        if (isinstance(node, ast.Name) and node.id in ("float", "round"))
        or (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div))
    }
    assert floats == set(FLOATS_IN_THE_DOMAIN)


def test_no_lock_names_a_host():
    for lock in [ROOT / "requirements.lock", *(ROOT / "tests").rglob("*.lock")]:
        assert "://" not in lock.read_text(), name_of(lock)
    node = (ROOT / "tests/conformance/clients/mpesa_node/package-lock.json").read_text()
    assert '"resolved"' not in node


def test_migrations_are_numbered_one_after_the_other():
    files = sorted((ROOT / "infra" / "postgres" / "migrations").glob("*.sql"))
    assert all(re.fullmatch(r"\d{4}_[a-z0-9_]+\.sql", file.name) for file in files)
    numbers = Counter(int(file.name[:4]) for file in files)
    assert numbers == Counter(range(1, len(files) + 1))


def test_only_the_settings_read_the_environment():
    reading = {
        name_of(path)
        for path in ours(*PACKAGES)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute)
        and node.attr in ("environ", "getenv")
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    }
    assert reading <= {"app/cli/up.py", "infra/supervisor.py"}, "those two hand it to a child"


IMPORT_ALL = """
import importlib, os, pkgutil, sys, threading

def watch(event, arguments):
    writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if writes or event in ("socket.connect", "subprocess.Popen", "os.mkdir"):
        print("while importing:", event, arguments)

sys.addaudithook(watch)
for package in sys.argv[1:]:
    for module in pkgutil.walk_packages([package], package + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
print("threads:", threading.active_count())
"""


@pytest.mark.slow
def test_importing_does_nothing():
    """No file written, no connection, no child process, no thread, and no setting needed."""
    outcome = subprocess.run(
        [sys.executable, "-B", "-c", IMPORT_ALL, *PACKAGES],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.stderr == ""
    assert outcome.stdout == "threads: 1\n"
