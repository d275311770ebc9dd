"""Runs the simulator as a process of its own, until SIGTERM or SIGINT."""

from __future__ import annotations

import signal
from threading import Thread
from types import FrameType

from werkzeug.serving import WSGIRequestHandler, make_server

from infra.mpesa.simulator.app import EXTENSION, create_app
from infra.mpesa.simulator.settings import SimulatorSettings


class QuietHandler(WSGIRequestHandler):
    """Writes no line for each request: a path may end in a payer's number."""

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - werkzeug's name
        """Say nothing."""


def serve(settings: SimulatorSettings, host: str, port: int) -> None:
    """Serve until told to stop. Must be called in the main thread, where signals arrive."""
    app = create_app(settings)
    server = make_server(host, port, app, threaded=True, request_handler=QuietHandler)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        # The loop can only be ended from outside of it, and it runs in this very thread.
        Thread(target=server.shutdown, daemon=True).start()

    for stopping in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stopping, stop)
    try:
        server.serve_forever(poll_interval=0.1)
    finally:
        app.extensions[EXTENSION].stop()
