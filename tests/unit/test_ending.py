"""A process that is asked to end twice in the same moment ends once, and does not hang."""

from __future__ import annotations

import signal

from infra.ending import ENDING_SIGNALS, when_asked_to_end


def test_a_signal_that_comes_while_another_is_heard_is_not_heard_again():
    heard = []

    def act():
        heard.append("asked")
        if len(heard) < 10:
            for number in ENDING_SIGNALS:
                signal.raise_signal(number)

    before = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    try:
        when_asked_to_end(act)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert heard == ["asked"]
