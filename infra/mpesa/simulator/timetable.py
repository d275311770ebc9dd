"""When the simulated M-Pesa acts: jobs at their time, on a few threads of its own."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from itertools import count
from threading import Condition, Thread

_WORKERS = 16
_JOBS_MAX = 100_000
_STOP_SECONDS_MAX = 13.0


class Timetable:
    """Runs jobs at their time, on a few daemon threads that start with the first job."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._jobs: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = count()
        self._threads: list[Thread] = []
        self._stopped = False

    def after(self, seconds: float, job: Callable[[], object]) -> bool:
        """Run the job later. False when stopped or full: the job will not run."""
        with self._changed:
            if self._stopped or len(self._jobs) >= _JOBS_MAX:
                return False
            heapq.heappush(self._jobs, (time.monotonic() + seconds, next(self._numbers), job))
            if not self._threads:
                self._threads = [Thread(target=self._work, daemon=True) for _ in range(_WORKERS)]
                for thread in self._threads:
                    thread.start()
            self._changed.notify()
        return True

    def stop(self) -> None:
        """Forget what is not yet due, and wait briefly for what is under way."""
        with self._changed:
            self._stopped = True
            self._jobs.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=_STOP_SECONDS_MAX)

    def _work(self) -> None:
        while (job := self._next_job()) is not None:
            job()

    def _next_job(self) -> Callable[[], object] | None:
        with self._changed:
            while not self._stopped:
                wait_seconds = self._jobs[0][0] - time.monotonic() if self._jobs else None
                if wait_seconds is not None and wait_seconds <= 0:
                    return heapq.heappop(self._jobs)[2]
                self._changed.wait(wait_seconds)
        return None
