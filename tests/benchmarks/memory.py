"""How much memory a process and its children hold, looked at ten times a second."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

_INTERVAL_SECONDS = 0.1
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Memory:
    """Watches until stopped. Of several processes the largest counts, as each has its own limit."""

    def __init__(self, process_id: int) -> None:
        self._process_id = process_id
        self._seen: list[float] = []
        self._stop = threading.Event()
        self._watching = threading.Thread(target=self._watch)
        self._watching.start()

    def stop(self) -> None:
        self._stop.set()
        self._watching.join()

    @property
    def peak_megabytes(self) -> float:
        return max(self._seen)

    @property
    def halves_megabytes(self) -> tuple[float, float]:
        """The peaks of the first half of the time and of the second."""
        half = len(self._seen) // 2
        return max(self._seen[:half]), max(self._seen[half:])

    def _watch(self) -> None:
        while not self._stop.wait(_INTERVAL_SECONDS):
            sizes = [_resident_megabytes(process) for process in _family(self._process_id)]
            if sizes:
                self._seen.append(max(sizes))


def run_watched(*command: str, data_directory: Path) -> Memory:
    """Run a command of `daystar` to its end."""
    with (data_directory / "bench.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "app", *command], stdout=log, stderr=log)
        memory = Memory(process.pid)
        status = process.wait()
        memory.stop()
    assert status == 0, f"{command} failed; see {data_directory}/bench.log"
    return memory


def _family(process_id: int) -> list[int]:
    try:
        children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [process_id, *(one for child in children for one in _family(int(child)))]


def _resident_megabytes(process_id: int) -> float:
    try:
        pages = int(Path(f"/proc/{process_id}/statm").read_text().split()[1])
    except FileNotFoundError:
        return 0.0
    return pages * _PAGE_BYTES / 1_000_000
