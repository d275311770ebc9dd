"""Work that goes on beside a test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def going_on(
    *works: Callable[[threading.Event], None], failed: threading.Event | None = None
) -> Iterator[None]:
    """Work that goes on in threads meanwhile; what goes wrong there fails the test.

    `failed` is set at once when something does, so that nobody need wait for the end.
    """
    stop = threading.Event()
    failures: list[BaseException] = []

    def guarded(work: Callable[[threading.Event], None]) -> None:
        try:
            work(stop)
        except BaseException as error:  # noqa: BLE001 (told to the test's own thread)
            failures.append(error)
            if failed is not None:
                failed.set()

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures, failures
