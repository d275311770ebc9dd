"""The processes that tell others what happened: Kafka, the relay, and who consumes."""

from __future__ import annotations

import threading
from collections.abc import Callable

import click

from app.cli.administration import administrator
from app.cli.processes import run
from app.consuming_wiring import BESIDE, HANDLERS
from app.wiring import Services, local_broker
from infra.errors import SettingsError
from infra.kafka.broker import become
from infra.logs import configure_logs
from infra.settings import read_settings
from projections.consuming import tell_again


@click.command()
def kafka() -> None:
    """Run an Apache Kafka on this machine, for development (needs Java and Maven).

    Its events are in DAYSTAR_DATA_DIR/kafka, and it answers on the loopback address only.

    Example: DAYSTAR_KAFKA_PORT=9092 daystar kafka
    """
    configure_logs(process="kafka")
    settings = read_settings()
    if not settings.is_demo:
        raise SettingsError("`daystar kafka` is for development; a production has its own brokers.")
    broker = local_broker(settings)
    click.echo(f"Kafka listens on {broker.address}; its log is {broker.log}")
    become(broker)


@click.command()
@click.option(
    "--again",
    is_flag=True,
    help="Only let it be told again what Kafka may have lost; consumers know what they took.",
)
def relay(*, again: bool) -> None:
    """Tell Kafka of every public event in the log. Of many, one is active.

    Example: KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092 daystar relay
    """
    if again:
        with administrator() as (services, _), services.pool.connection() as connection:
            position = tell_again(connection)
        click.echo(f"Kafka is told again from position {position or 0} on")
        return
    run("relay", lambda services: [services.consuming.relay().run])


@click.command()
@click.argument("name", type=click.Choice(sorted(HANDLERS)))
def consume(name: str) -> None:
    """React to public events: write down what is due to others because of them.

    They come from Kafka where KAFKA_BOOTSTRAP_SERVERS names it, else from the log.

    Example: daystar consume webhooks
    """

    def loops(services: Services) -> list[Callable[[threading.Event], None]]:
        loop = services.consuming.loop(services.consuming.handler(name)).run
        return [loop, *(make(services) for consumer, make in BESIDE.items() if consumer == name)]

    run(f"consume-{name}", loops)
