"""The process that serves HTTP."""

from __future__ import annotations

import logging
import signal
from types import FrameType
from typing import Any

import click
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from app.factory import create_app
from app.wiring import Services
from infra.ending import once
from infra.logs import configure_logs
from infra.settings import Settings, read_settings


@click.command()
def web() -> None:
    """Serve the HTTP APIs and the callbacks.

    Example: DAYSTAR_PORT=8080 daystar web
    """
    configure_logs(process="web")
    settings = read_settings()
    _WebServer(settings).run()


class _GunicornLogger(Logger):  # type: ignore[misc]
    """gunicorn's own lines, in our form; requests are logged by the application."""

    def setup(self, cfg: Any) -> None:  # noqa: ARG002 (gunicorn's signature)
        self.error_log.setLevel(logging.WARNING)
        self.error_log.propagate = True


class _WebServer(BaseApplication):  # type: ignore[misc]
    """gunicorn, told by our settings; each worker makes its own services after the fork."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._services: Services | None = None
        super().__init__()

    def load_config(self) -> None:
        options: dict[str, Any] = {
            "bind": f"{self._settings.host}:{self._settings.port}",
            "workers": self._settings.web_processes,
            "threads": self._settings.web_threads,
            "worker_class": "gthread",
            "timeout": 30,
            "graceful_timeout": 15,
            "keepalive": 30,
            "limit_request_line": 4094,
            "logger_class": _GunicornLogger,
            "control_socket_disable": True,
            "post_worker_init": self._listen,
            "worker_exit": self._close,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        configure_logs(process="web")
        self._services = Services(self._settings, pool_size=self._settings.web_threads + 2)
        self._services.store.log.check_server()
        return create_app(self._services)

    def _listen(self, _worker: Any) -> None:
        """Whoever waits for changes is answered as soon as the worker is asked to end."""
        ending = signal.getsignal(signal.SIGTERM)

        answer = once(self._answer)

        def answer_and_end(number: int, frame: FrameType | None) -> None:
            answer(number, frame)
            if callable(ending):
                ending(number, frame)

        signal.signal(signal.SIGTERM, answer_and_end)

    def _answer(self) -> None:
        if self._services is not None:
            self._services.change_feed.close()

    def _close(self, _server: Any, _worker: Any) -> None:
        """A worker that ends in peace writes down what it has gathered."""
        if self._services is not None:
            self._services.close()
