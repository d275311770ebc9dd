"""The signals that ask a process to end, and how they are heard."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType

ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT)
Handler = Callable[[int, FrameType | None], None]


def once(act: Callable[[], None]) -> Handler:
    """A handler that acts at the first signal and is deaf to all others.

    Ctrl-C and a supervisor may both ask, in the same moment. A second signal interrupts the handler
    of the first, in the same thread: setting the same `threading.Event` again would wait for its
    lock for ever.
    """
    begun = False

    def heard(_number: int, _frame: FrameType | None) -> None:
        nonlocal begun
        if not begun:
            begun = True
            act()

    return heard


def when_asked_to_end(act: Callable[[], None]) -> None:
    """Act once, at the first signal that asks this process to end."""
    handler = once(act)
    for number in ENDING_SIGNALS:
        signal.signal(number, handler)
