"""A consumer as a process of its own, which may die between its rows and its offset."""

from __future__ import annotations

import os
import signal
import sys
import threading

from kafka import KafkaConsumer

from app.wiring import Services
from infra.ending import when_asked_to_end
from infra.settings import read_settings
from tests.support.diary import Diary

DYING = "--die-before-the-offset"


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    if DYING in sys.argv:
        KafkaConsumer.commit = die  # the library's, in a process that is lost anyhow
    stop = threading.Event()
    when_asked_to_end(stop.set)
    services = Services(read_settings(), pool_size=4)
    services.consuming.loop(Diary("process")).run(stop)
    services.close()


if __name__ == "__main__":
    main()
