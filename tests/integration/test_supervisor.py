"""The supervisor, with real processes that die, hang and leave others behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from infra import supervisor as supervisor_module
from infra.supervisor import ChildSpec, Supervisor

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties lives together")
SLEEPS = ["sleep", "600"]
IGNORES_SIGTERM = ["sh", "-c", "trap '' TERM; echo $$ > \"$MARK\"; while :; do sleep 0.05; done"]
LEAVES_A_PROCESS = ["sh", "-c", 'sleep 600 & echo $! > "$MARK"; exit 3']
SUPERVISES_TWO = """
import sys
from infra.supervisor import ChildSpec, Supervisor
supervisor = Supervisor([ChildSpec("a", ["sleep", "600"]), ChildSpec("b", ["sleep", "600"])])
def tell():
    print(*[child.process_id for child in supervisor.status()], flush=True)
supervisor.on_all_started = tell
supervisor.run()
print("ended", flush=True)
"""


def wait_until(condition, seconds_max=10.0):
    deadline = time.monotonic() + seconds_max
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


def is_alive(process_id):
    with suppress(FileNotFoundError, ProcessLookupError):
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z"
    return False


def process_named(process_id, name):
    """Whether the child has become its program; before that it is the step that ties it."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{process_id}/comm").read_text().strip() == name
    return False


@contextmanager
def running(supervisor):
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    try:
        yield supervisor
    finally:
        supervisor.stop()
        thread.join()


@contextmanager
def supervisor_process():
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISES_TWO],
        cwd=Path(supervisor_module.__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        children = read_process_ids(process)
        wait_until(lambda: all(process_named(child, "sleep") for child in children))
        yield process, children
    finally:
        process.kill()
        process.communicate()


def read_process_ids(process):
    """Its log may come first."""
    for line in process.stdout:
        with suppress(ValueError):
            return [int(word) for word in line.split()]
    raise AssertionError("the supervisor told nothing")


def read_mark(mark):
    wait_until(lambda: mark.exists() and mark.read_text().strip() != "")
    return int(mark.read_text())


def test_children_run_until_it_is_stopped():
    supervisor = Supervisor([ChildSpec("a", SLEEPS), ChildSpec("b", SLEEPS)])
    with running(supervisor):
        wait_until(lambda: all(child.is_running for child in supervisor.status()))
        children = [child.process_id for child in supervisor.status()]
    assert [child.is_running for child in supervisor.status()] == [False, False]
    assert not any(is_alive(child) for child in children)


def test_the_hook_runs_when_all_are_started():
    told = threading.Event()
    supervisor = Supervisor([ChildSpec("a", SLEEPS)], on_all_started=told.set)
    with running(supervisor):
        assert told.wait(timeout=10)
        assert supervisor.status()[0].is_running


def test_what_dies_is_started_again_and_said():
    supervisor = Supervisor([ChildSpec("a", SLEEPS), ChildSpec("b", SLEEPS)])
    with capture_logs() as logs, running(supervisor):
        wait_until(lambda: all(child.is_running for child in supervisor.status()))
        first, other = (child.process_id for child in supervisor.status())
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: supervisor.status()[0].restarts == 1)
        wait_until(lambda: supervisor.status()[0].is_running)
        assert supervisor.status()[0].last_exit_code == -signal.SIGKILL
        assert supervisor.status()[1].process_id == other
    (died,) = [entry for entry in logs if entry["event"] == "child_died"]
    assert died == {
        "event": "child_died",
        "log_level": "warning",
        "name": "a",
        "pid": first,
        "exit_code": -signal.SIGKILL,
        "restart_in_seconds": 0.2,
    }
    started = [entry["name"] for entry in logs if entry["event"] == "child_started"]
    assert started == ["a", "b", "a"]


def test_the_pause_before_a_restart_doubles_up_to_a_limit(monkeypatch):
    monkeypatch.setattr(supervisor_module, "RESTART_SECONDS_FIRST", 0.01)
    monkeypatch.setattr(supervisor_module, "RESTART_SECONDS_MAX", 0.04)
    supervisor = Supervisor([ChildSpec("a", ["false"])])
    supervisor._children[0].restart_in_seconds = 0.01
    with capture_logs() as logs, running(supervisor):
        wait_until(lambda: supervisor.status()[0].restarts >= 4)
    pauses = [entry["restart_in_seconds"] for entry in logs if entry["event"] == "child_died"]
    assert pauses[:4] == [0.01, 0.02, 0.04, 0.04]


def test_the_pause_is_short_again_after_a_healthy_time(monkeypatch):
    monkeypatch.setattr(supervisor_module, "HEALTHY_AFTER_SECONDS", 0.0)
    supervisor = Supervisor([ChildSpec("a", ["false"])])
    supervisor._children[0].restart_in_seconds = 5.0
    with capture_logs() as logs, running(supervisor):
        wait_until(lambda: supervisor.status()[0].restarts >= 1)
    (pause, *_) = [entry["restart_in_seconds"] for entry in logs if entry["event"] == "child_died"]
    assert pause == 0.2


def test_a_program_that_does_not_exist_is_tried_again():
    supervisor = Supervisor([ChildSpec("a", ["/no/such/program"])])
    with running(supervisor):
        wait_until(lambda: supervisor.status()[0].restarts >= 1)
        assert supervisor.status()[0].last_exit_code == 127


def test_a_child_gets_the_environment_it_was_given(tmp_path):
    mark = tmp_path / "mark"
    write = ["sh", "-c", 'echo "$NUMBER" > "$MARK"; exec sleep 600']
    spec = ChildSpec("a", write, env={**os.environ, "MARK": str(mark), "NUMBER": "17"})
    with running(Supervisor([spec])):
        assert read_mark(mark) == 17


def test_what_does_not_hear_sigterm_is_killed(tmp_path):
    env = {**os.environ, "MARK": str(tmp_path / "mark")}
    supervisor = Supervisor([ChildSpec("a", IGNORES_SIGTERM, env)], stop_seconds_max=0.2)
    with running(supervisor):
        child = read_mark(tmp_path / "mark")
    assert not is_alive(child)
    assert supervisor.status()[0].last_exit_code == -signal.SIGKILL


def test_what_a_dead_child_leaves_behind_is_ended(tmp_path):
    env = {**os.environ, "MARK": str(tmp_path / "mark")}
    with running(Supervisor([ChildSpec("a", LEAVES_A_PROCESS, env)])):
        left_behind = read_mark(tmp_path / "mark")
        wait_until(lambda: not is_alive(left_behind))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_and_its_children(number):
    if signal.getsignal(number) == signal.SIG_IGN:
        pytest.skip("under nohup a child inherits that this signal is ignored")
    with supervisor_process() as (process, children):
        process.send_signal(number)
        output, _ = process.communicate(timeout=10)
        assert output.strip().endswith("ended")
        assert process.returncode == 0
        assert not any(is_alive(child) for child in children)


@ON_LINUX
def test_even_sigkill_leaves_no_child_behind():
    with supervisor_process() as (process, children):
        process.kill()
        process.wait()
        wait_until(lambda: not any(is_alive(child) for child in children))


@ON_LINUX
def test_a_child_whose_supervisor_died_before_it_began_does_not_begin(tmp_path):
    step = Path(supervisor_module.__file__).with_name("supervised_child.py")
    somebody_else = "1" if os.getpid() != 1 else "2"
    outcome = subprocess.run(
        [sys.executable, "-I", "-S", step, somebody_else, "touch", tmp_path / "mark"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "the supervisor is gone" in outcome.stderr
    assert not (tmp_path / "mark").exists()
