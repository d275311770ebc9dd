"""The processes. Each runs alone or many times, stops on SIGTERM, loses nothing on SIGKILL."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable
from functools import partial

import click
import structlog

from app.wiring import Services
from consumers.mpesa.due_requests import forget_old_claims
from consumers.webhooks.housekeeping import cancel_for_deleted, forget_deliveries
from infra.ending import when_asked_to_end
from infra.errors import InfrastructureError
from infra.logs import configure_logs
from infra.settings import read_settings

HOUSEKEEPING_SECONDS = 3_600.0
_COLLECT_EVERY_OBJECTS = 200_000
_log = structlog.get_logger()


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
