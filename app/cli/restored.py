"""`daystar restored`: what a database needs to be told after it came back from a backup."""

from __future__ import annotations

from uuid import UUID

import click
import psycopg

from app.cli.administration import administrator
from app.wiring import bring_forward, database_urls, running_database
from domain.mpesa.keys import LIVE_PHONE
from domain.mpesa.payout_sending import DoubtPayoutAfterRestore
from domain.mpesa.payouts import OPEN_PAYOUT
from domain.mpesa.sending import DoubtAfterRestore
from infra import clock
from infra.event_store.dispatch import dispatch
from infra.event_store.epochs import Head, check_nobody_works, head_of, open_epoch
from infra.settings import Settings, read_settings
from projections.consuming import tell_again
from projections.installation import remake_read_models_beyond
from projections.read_models import READ_MODELS

_SELECT_OPEN = "SELECT stream_id FROM event_store.keys WHERE scope = %s"


@click.command()
@click.option(
    "--beyond",
    type=click.IntRange(0, 2**62),
    default=0,
    help="The highest position anybody remembers, where one is known; else the time tells.",
)
@click.option("--yes", is_flag=True, help="Do it unasked.")
def restored(*, beyond: int, yes: bool) -> None:
    """Make a database that was restored from a backup fit to work again. Nothing may run on it.

    Begins a new epoch of the log, so that no position that was lost is given out again; empties
    read models that know more than the log; leaves payment requests and payouts in doubt that may
    have been sent since the backup, so that no member is asked, or paid, twice.

    Example: daystar restored
    """
    settings = read_settings()
    with running_database(settings):
        head = _look(settings)
        click.echo(f"The log ends at position {head.position}, {head.recorded_at or 'empty'}.")
        if not yes:
            click.confirm("Was this database just restored from a backup?", abort=True)
        _begin_again(settings, head, beyond=beyond)
        pushes = _doubt_open(LIVE_PHONE, DoubtAfterRestore)
        payouts = _doubt_open(OPEN_PAYOUT, DoubtPayoutAfterRestore)
    click.echo(f"{pushes} payment requests are in doubt: they may have been sent since")
    click.echo(f"{payouts} payouts are in doubt: they may have been sent since")
    click.echo("What happened after the backup is not in the log. README, Restore: what to do now.")


def _look(settings: Settings) -> Head:
    urls = database_urls(settings)
    with psycopg.connect(urls.owner, autocommit=True) as connection:
        check_nobody_works(connection)
    bring_forward(urls)
    with psycopg.connect(urls.owner, autocommit=True) as connection:
        return head_of(connection)


def _begin_again(settings: Settings, head: Head, *, beyond: int) -> None:
    owner_url = database_urls(settings).owner
    with psycopg.connect(owner_url, autocommit=True) as connection:
        check_nobody_works(connection)
        begins_after = open_epoch(connection, head, beyond=beyond)
        told_from = tell_again(connection)
    click.echo(f"a new epoch begins after position {begins_after}")
    if told_from is not None:
        click.echo(f"Kafka will be told again from position {told_from} on")
    for name in remake_read_models_beyond(owner_url, READ_MODELS.values(), head=head.position):
        click.echo(f"read model {name} knew more than the log: it will be filled anew")


def _doubt_open(scope: str, doubt: type[DoubtAfterRestore | DoubtPayoutAfterRestore]) -> int:
    """A push or payout that is not settled holds a key; whoever holds none has been."""
    with administrator() as (services, cause):
        with services.pool.connection() as connection:
            rows = connection.execute(_SELECT_OPEN, (scope,)).fetchall()
        streams: list[UUID] = [row[0] for row in rows]
        return sum(
            dispatch(services.store, doubt(stream, clock.now()), cause) for stream in streams
        )
