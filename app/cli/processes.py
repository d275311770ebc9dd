"""The processes. Each runs alone or many times, stops on SIGTERM, loses nothing on SIGKILL."""

from __future__ import annotations

import gc
import logging
import signal
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import click
import structlog
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from app.factory import create_app
from app.wiring import Services
from consumers.mpesa.due_requests import forget_old_claims
from consumers.webhooks.housekeeping import cancel_for_deleted, forget_deliveries
from infra.ending import once, when_asked_to_end
from infra.errors import InfrastructureError, SettingsError
from infra.logs import configure_logs
from infra.mpesa.settings import simulator_credentials
from infra.mpesa.simulator.certificate import key_and_certificate
from infra.mpesa.simulator.server import serve
from infra.mpesa.simulator.settings import SimulatorSettings
from infra.settings import Settings, read_settings

HOUSEKEEPING_SECONDS = 3_600.0
_COLLECT_EVERY_OBJECTS = 200_000
_log = structlog.get_logger()


@click.command()
def web() -> None:
    """Serve the HTTP APIs and the callbacks.

    Example: DAYSTAR_PORT=8080 daystar web
    """
    configure_logs(process="web")
    settings = read_settings()
    _WebServer(settings).run()


@click.command()
def intake() -> None:
    """Turn stored callbacks into events.

    Example: daystar intake
    """
    run("intake", lambda services: [services.intake().run])


@click.command()
def follow() -> None:
    """Keep the read models up with the log.

    Example: daystar follow
    """
    collect_garbage_seldom()
    run("follow", lambda services: [services.follower().run])


def collect_garbage_seldom() -> None:
    """For processes that read the log in large batches.

    Events and rows are freed by their reference counts; looking through tens of thousands of them
    for cycles, again and again, takes a quarter of the time.
    """
    gc.freeze()
    gc.set_threshold(_COLLECT_EVERY_OBJECTS, 20, 100)


@click.group()
def send() -> None:
    """Hand due work to others.

    Example: daystar send mpesa
    """


@send.command()
def mpesa() -> None:
    """Send due M-Pesa requests to Safaricom: pushes and payouts.

    Example: daystar send mpesa
    """
    run(
        "send-mpesa",
        lambda services: [services.push_sender().run, services.payout_sender().run],
    )


@send.command()
def webhooks() -> None:
    """Send due deliveries to webhook endpoints.

    Example: daystar send webhooks
    """
    run("send-webhooks", lambda services: [services.webhooks.sender().run])


@click.command()
def schedule() -> None:
    """Watch what waits: unanswered pushes and payouts, loans each morning, what was not told.

    Each hour it pulls what was paid, and it holds imported statements against our books.

    Example: daystar schedule
    """

    def loops(services: Services) -> list[Callable[[threading.Event], None]]:
        return [
            services.push_watch().run,
            services.payout_watch().run,
            services.daily_round().run,
            services.reconciliation.round().run,
            services.webhooks.digest_round().run,
            partial(_keep_house, services),
        ]

    run("schedule", loops)


@click.command()
def simulator() -> None:
    """Pretend to be Safaricom's Daraja (demo only).

    Example: DAYSTAR_SIMULATOR_PORT=8090 daystar simulator
    """
    configure_logs(process="simulator")
    settings = read_settings()
    if not settings.is_demo:
        raise SettingsError("The simulator runs in the demo only; this is production.")
    credentials = simulator_credentials(settings.simulator_port)
    serve(
        SimulatorSettings(
            consumer_key=credentials.consumer_key,
            consumer_secret=credentials.consumer_secret,
            short_code=credentials.short_code,
            pass_key=credentials.pass_key,
            private_key_pem=key_and_certificate(settings.data_directory),
        ),
        "127.0.0.1",
        settings.simulator_port,
    )


def run(process: str, loops: Callable[[Services], list[Callable[[threading.Event], None]]]) -> None:
    """Run loops, a thread each, until SIGTERM or SIGINT."""
    configure_logs(process=process)
    stop = threading.Event()
    when_asked_to_end(stop.set)
    services = Services(read_settings())
    services.store.log.check_server()
    threads = [
        threading.Thread(target=_until_stopped, args=(loop, stop)) for loop in loops(services)
    ]
    for thread in threads:
        thread.start()
    _log.info("process_started")
    for thread in threads:
        thread.join()
    services.close()
    _log.info("process_stopped")
    if not stop.is_set():
        raise InfrastructureError(f"{process} ended by itself")


def _until_stopped(loop: Callable[[threading.Event], None], stop: threading.Event) -> None:
    """A loop that dies takes its process with it: the supervisor starts it afresh."""
    try:
        loop(stop)
    except Exception:  # noqa: BLE001 (the edge of a loop)
        _log.exception("loop_died")
        signal.raise_signal(signal.SIGKILL)


def _keep_house(services: Services, stop: threading.Event) -> None:
    retention = services.settings.retention
    while True:
        _log.info(
            "house_kept",
            idempotency_answers=services.idempotency.expire(),
            usage=services.usage.expire(days=retention.usage_days),
            rate_windows=services.rate_limiter.expire(),
            callbacks=services.callbacks.expire(days=retention.callback_days),
            set_aside=services.callbacks.wipe_set_aside(days=retention.set_aside_days),
            statements=services.reconciliation.statements.forget_persons(
                days=retention.statement_days
            ),
            claims=forget_old_claims(services.pool),
            cancelled=cancel_for_deleted(services.pool),
            deliveries=forget_deliveries(
                services.pool, days=services.settings.deliveries.kept_days
            ),
        )
        if stop.wait(HOUSEKEEPING_SECONDS):
            return


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
