"""Keep a fixed set of processes running: what `daystar up` does with every other command.

It starts each child, starts again what dies, and takes all of them with it when it ends: by SIGTERM
and patience where it is asked to stop, and (on Linux) by the kernel's hand where it is killed. It
knows nothing of what the children do. Children write to our own stdout and stderr.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import structlog

from infra import supervised_child

RESTART_SECONDS_FIRST = 0.2
RESTART_SECONDS_MAX = 5.0
HEALTHY_AFTER_SECONDS = 10.0
TICK_SECONDS = 0.05  # how late a death, or a request to stop, may be noticed
# A terminal that closes is a request too: the children, in sessions of their own, do not hear it.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ChildSpec:
    """One process to keep running. `env` is its whole environment; None means ours."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] | None = None


@dataclass(frozen=True)
class ChildStatus:
    """What is known of one child just now."""

    name: str
    process_id: int | None
    restarts: int
    last_exit_code: int | None

    @property
    def is_running(self) -> bool:
        return self.process_id is not None


@dataclass
class _Child:
    spec: ChildSpec
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_due_at: float = 0.0
    restart_in_seconds: float = RESTART_SECONDS_FIRST
    starts: int = 0
    last_exit_code: int | None = None


@dataclass
class Supervisor:
    """Runs its children until it is asked to stop.

    `run` must be called in the thread that lives longest (the main one, as a rule): Linux ties the
    children to the thread that started them. Signals are heard when that thread is the main one.
    `on_all_started` runs once, in a thread of its own, when every child has been started.
    """

    children: Sequence[ChildSpec]
    stop_seconds_max: float = 30.0
    on_all_started: Callable[[], None] | None = None
    _children: list[_Child] = field(init=False, repr=False)
    _is_stopping: bool = field(init=False, default=False, repr=False)

    def __post_init__(self) -> None:
        names = [spec.name for spec in self.children]
        assert len(set(names)) == len(names), names
        assert all(spec.argv for spec in self.children), names
        self._children = [_Child(spec) for spec in self.children]

    def run(self) -> None:
        """Start the children and keep them running. Returns when `stop` or a signal asked for it.

        A supervisor runs once.
        """
        with self._signals_heard():
            try:
                if not self._is_stopping:
                    self._start_due_children()
                    self._announce_all_started()
                while not self._is_stopping:
                    time.sleep(TICK_SECONDS)
                    self._bury_the_dead()
                    if not self._is_stopping:
                        self._start_due_children()
            finally:
                self._stop_children()

    def stop(self) -> None:
        """Ask `run` to end. May be called from any thread and from a signal handler."""
        self._is_stopping = True  # no lock or event: a handler may interrupt whoever holds it

    def status(self) -> list[ChildStatus]:
        """Tell how each child fares. May be called from any thread."""
        return [
            ChildStatus(
                name=child.spec.name,
                process_id=None if child.process is None else child.process.pid,
                restarts=max(0, child.starts - 1),
                last_exit_code=child.last_exit_code,
            )
            for child in self._children
        ]

    @contextmanager
    def _signals_heard(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            self.stop()

        numbers = [number for number in STOP_SIGNALS if not _is_left_alone(number)]
        previous = {number: signal.signal(number, on_signal) for number in numbers}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _announce_all_started(self) -> None:
        if self.on_all_started is not None:
            threading.Thread(target=self.on_all_started, name="on-all-started", daemon=True).start()

    def _start_due_children(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if child.process is None and child.start_due_at <= now:
                self._start(child)

    def _start(self, child: _Child) -> None:
        child.starts += 1
        child.started_at = time.monotonic()
        try:
            child.process = subprocess.Popen(  # noqa: S603 - the project's own commands, no shell
                _leashed(child.spec.argv),
                env=child.spec.env,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for us alone; what it leaves behind is findable
            )
        except OSError as error:
            log.warning("child_not_started", name=child.spec.name, error=str(error))
            self._plan_restart(child, exit_code=supervised_child.NOT_FOUND, process_id=None)
            return
        log.info("child_started", name=child.spec.name, pid=child.process.pid)

    def _bury_the_dead(self) -> None:
        for child in self._children:
            process = child.process
            if process is None or process.poll() is None:
                continue
            # What it left behind holds its port or its claim, and would hinder its successor.
            _kill_group(process.pid)
            child.process = None
            self._plan_restart(child, exit_code=process.returncode, process_id=process.pid)

    def _plan_restart(self, child: _Child, *, exit_code: int, process_id: int | None) -> None:
        now = time.monotonic()
        if now - child.started_at >= HEALTHY_AFTER_SECONDS:
            child.restart_in_seconds = RESTART_SECONDS_FIRST
        child.last_exit_code = exit_code
        child.start_due_at = now + child.restart_in_seconds
        log.warning(
            "child_died",
            name=child.spec.name,
            pid=process_id,
            exit_code=exit_code,
            restart_in_seconds=child.restart_in_seconds,
        )
        child.restart_in_seconds = min(2 * child.restart_in_seconds, RESTART_SECONDS_MAX)

    def _stop_children(self) -> None:
        """SIGTERM to each, patience for all together, SIGKILL for what remains."""
        running = [(child, child.process) for child in self._children if child.process is not None]
        for _, process in running:
            process.terminate()
        deadline = time.monotonic() + self.stop_seconds_max
        for child, process in running:
            try:
                process.wait(timeout=max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("child_killed", name=child.spec.name, pid=process.pid)
            _kill_group(process.pid)
            exit_code = process.wait()
            child.process = None
            child.last_exit_code = exit_code
            log.info("child_stopped", name=child.spec.name, pid=process.pid, exit_code=exit_code)


def _leashed(argv: Sequence[str]) -> list[str]:
    if sys.platform != "linux":
        return list(argv)
    # -I and -S: the step needs none of the site packages, and starts in a few milliseconds.
    step = [sys.executable, "-I", "-S", str(Path(supervised_child.__file__))]
    return [*step, str(os.getpid()), *argv]


def _kill_group(process_id: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS: EPERM where only zombies are left
        os.killpg(process_id, signal.SIGKILL)


def _is_left_alone(number: signal.Signals) -> bool:
    """Under nohup the closing of the terminal is ignored, and shall be."""
    return number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN
