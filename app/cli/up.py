"""`daystar up`: the whole house under one supervisor."""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
import time
from collections.abc import Callable

import click
import requests
import structlog

from app.consuming_wiring import HANDLERS
from app.demo import load_demo
from app.wiring import (
    Services,
    bring_forward,
    database_urls,
    embedded_postgres,
    house_lock,
    local_broker,
    open_keyring,
)
from infra import clock
from infra.errors import SettingsError
from infra.kafka.broker import Broker
from infra.logs import configure_logs
from infra.postgres.embedded import EmbeddedPostgres, EmbeddedPostgresError
from infra.settings import Settings, read_settings
from infra.supervisor import ChildSpec, Supervisor
from projections.read_models import READ_MODELS
from projections.status import follower_status

READY_SECONDS_MAX = 90.0
DATABASE_LOOK_SECONDS = 0.5
PORT_SECONDS_MAX = 5.0  # the children of a supervisor that was killed end within some two
_log = structlog.get_logger()

_FREE_MEMBER = """
SELECT member_id FROM read_members.members m
WHERE NOT EXISTS (SELECT FROM read_mpesa_transactions.transactions t
                  WHERE t.member_id = m.member_id
                    AND t.status IN ('requested', 'sent', 'accepted'))
ORDER BY position LIMIT 1
"""
_LOAN_TO_DECIDE = """
SELECT loan_id FROM read_loans.loans WHERE status = 'pending' AND amount <= 1000000
ORDER BY position LIMIT 1
"""
BANNER = """
Daystar is running{demo}. Stop it with Ctrl-C.

  address   {url}
  API key   {key}
  approver  {approver}   (another person's key: nobody approves what they entered)

Try:
  curl -s -H 'X-API-Key: {key}' '{url}/daystar-accounting/v1/members?per_page=3'
  curl -s -H 'X-API-Key: {key}' '{url}/daystar-accounting/v1/contributions?per_page=3'
  curl -s -X POST -H 'X-API-Key: {key}' -H 'Content-Type: application/json' \\
    -H "Idempotency-Key: try-$(date +%s)" '{url}/daystar/v1/mpesa/stk-push' \\
    -d '{{"member_id":"{member}","amount":"1500.00","payment_purpose":"monthly"}}'
  curl -s -H 'X-API-Key: {key}' '{url}/daystar-accounting/v1/loans?per_page=5'
"""
APPROVAL = """\
  curl -s -X POST -H 'X-API-Key: {approver}' -H 'Content-Type: application/json' \\
    '{url}/daystar/v1/loans/{loan}/approval' -d '{{}}'
"""


@click.command()
@click.option("--kafka", "with_kafka", is_flag=True, help="With a Kafka of its own, and the relay.")
def up(*, with_kafka: bool) -> None:
    """Start everything: database, migrations, web, intake, followers, senders, schedule.

    Prints `ready http://127.0.0.1:PORT` when everything answers.

    Example: DAYSTAR_PORT=8080 daystar up
    """
    configure_logs(process="up")
    settings = read_settings()
    broker = _own_broker(settings) if with_kafka else None
    with house_lock(settings) as ours:
        if not ours:
            raise SettingsError(
                f"Another `daystar` runs on {settings.data_directory}. Stop it first, or choose"
                " another DAYSTAR_DATA_DIR (and DAYSTAR_PORT, DAYSTAR_SIMULATOR_PORT)."
            )
        _check_ports(settings, broker)
        if broker is not None:
            broker.command()  # whatever it lacks is said now
        _run_house(settings, broker)


def _own_broker(settings: Settings) -> Broker:
    """The Kafka that runs along."""
    if settings.kafka.bootstrap_servers:
        raise SettingsError("KAFKA_BOOTSTRAP_SERVERS names a Kafka; leave out that or --kafka.")
    if not settings.is_demo:
        raise SettingsError("--kafka is for development; a production has its own brokers.")
    return local_broker(settings)


def _run_house(settings: Settings, broker: Broker | None) -> None:
    embedded = embedded_postgres(settings)
    if embedded is not None:
        embedded.start()
    stop = threading.Event()
    try:
        urls = database_urls(settings)
        bring_forward(urls)
        open_keyring(settings, urls.application)
        if embedded is not None:
            threading.Thread(target=_mind_database, args=(embedded, stop), daemon=True).start()
        threading.Thread(target=_announce, args=(settings, broker, stop), daemon=True).start()
        Supervisor(children(settings, broker)).run()
    finally:
        stop.set()
        if embedded is not None:
            embedded.stop()


def _check_ports(settings: Settings, broker: Broker | None) -> None:
    ports = {"DAYSTAR_PORT": (settings.host, settings.port)}
    if settings.mpesa_is_simulated:
        ports["DAYSTAR_SIMULATOR_PORT"] = ("127.0.0.1", settings.simulator_port)
    if broker is not None:
        ports["DAYSTAR_KAFKA_PORT"] = ("127.0.0.1", broker.port)
    deadline = time.monotonic() + PORT_SECONDS_MAX
    for name, (host, port) in ports.items():
        if _is_free(host, port):
            continue
        _log.info("port_awaited", port=port, seconds=PORT_SECONDS_MAX)
        while not _is_free(host, port):
            if time.monotonic() > deadline:
                raise SettingsError(f"Port {port} is taken; set {name} to another.")
            time.sleep(0.1)


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise SettingsError(f"Cannot listen on {host}:{port}: {error.strerror}.") from error
            return False
        return True


def children(settings: Settings, broker: Broker | None) -> list[ChildSpec]:
    """The processes of this house."""
    commands = [["web"], ["intake"], ["follow"], ["schedule"]]
    commands += [["send", "mpesa"], ["send", "webhooks"]]
    commands += [["consume", name] for name in HANDLERS]
    if settings.is_demo and settings.mpesa_is_simulated:
        commands.append(["simulator"])
    if broker is not None or settings.kafka.bootstrap_servers:
        commands.append(["relay"])
    if broker is not None:
        commands.append(["kafka"])
    own = {"KAFKA_BOOTSTRAP_SERVERS": broker.address} if broker is not None else {}
    return [
        ChildSpec(
            "-".join(command), [sys.executable, "-m", "app", *command], env={**os.environ, **own}
        )
        for command in commands
    ]


def _mind_database(embedded: EmbeddedPostgres, stop: threading.Event) -> None:
    """Start the embedded server again should it die."""
    while not stop.wait(DATABASE_LOOK_SECONDS):
        if embedded.is_running():
            continue
        _log.error("database_died")
        try:
            embedded.start()
        except EmbeddedPostgresError as error:
            _log.error("database_not_started", error=str(error))
        else:
            _log.info("database_restarted")


def _announce(settings: Settings, broker: Broker | None, stop: threading.Event) -> None:
    """Wait until everything answers, load the demo, say so."""
    if not _answers(f"{settings.local_url}/readyz", stop):
        return
    if settings.mpesa_is_simulated and not _answers(
        f"http://127.0.0.1:{settings.simulator_port}/livez", stop
    ):
        return
    if broker is not None and not _until(broker.answers, stop, "Kafka"):
        return
    if settings.is_demo:
        services = Services(settings, pool_size=2)
        try:
            keys = load_demo(services)
            if not _until(lambda: _read_models_are_up(services), stop, "read models"):
                return
            member, loan = _free_member(services), _loan_to_decide(services)
        finally:
            services.close()
        demo = (
            " as a demo: simulated M-Pesa, invented members" if settings.mpesa_is_simulated else ""
        )
        shown = BANNER if loan is None else BANNER + APPROVAL
        click.echo(
            shown.format(
                demo=demo,
                url=settings.local_url,
                key=keys.clerk,
                approver=keys.approver,
                member=member,
                loan=loan,
            )
        )
    click.echo(f"ready {settings.local_url}")


def _free_member(services: Services) -> str:
    """A member whose phone waits for nothing, so that the push shown to try is not refused."""
    with services.pool.connection() as connection:
        row = connection.execute(_FREE_MEMBER).fetchone()
    return str(row[0]) if row else "MEMBER_ID"


def _loan_to_decide(services: Services) -> str | None:
    """An application that waits for somebody's decision; once decided, there is none to try."""
    with services.pool.connection() as connection:
        row = connection.execute(_LOAN_TO_DECIDE).fetchone()
    return str(row[0]) if row else None


def _read_models_are_up(services: Services) -> bool:
    """Whether what is shown to try can be chosen: a row may still be about to change."""
    followers = follower_status(services.pool, READ_MODELS.values(), now=clock.now())
    return not any(follower.events_behind for follower in followers)


def _answers(url: str, stop: threading.Event) -> bool:
    def ready() -> bool:
        try:
            answer = requests.get(url, timeout=2)
            return answer.ok and answer.json().get("status") != "degraded"
        except (requests.RequestException, ValueError):
            return False

    return _until(ready, stop, url)


def _until(ready: Callable[[], bool], stop: threading.Event, what: str) -> bool:
    """Wait, and say so once where it takes long: read models of a large log fill for minutes."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    is_late = False
    while not stop.is_set():
        if ready():
            return True
        if not is_late and time.monotonic() > deadline:
            is_late = True
            _log.warning("not_ready_yet", what=what, seconds=READY_SECONDS_MAX)
        stop.wait(0.1)
    return False
