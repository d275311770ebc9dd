"""The past for people: tables as of a moment, and the history of one thing."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import click
import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from app.cli.administration import administrator
from app.cli.processes import collect_garbage_seldom
from app.cli.read_models import reporter
from app.personal_data import in_shillings
from app.wiring import Services, database_urls
from domain.dates import NAIROBI, moment_from_text
from domain.identities import receipt_id
from infra.ending import when_asked_to_end
from infra.event_store.as_of import AsOf, as_of_moment, as_of_position
from infra.event_store.reader import LogReader
from projections.batch import ProjectionFailure
from projections.history import SUBJECTS, Subject, Told
from projections.history import history as tell
from projections.read_models import READ_MODELS
from projections.replay import Replay, ReplayRefused, kept_pasts


@click.command()
@click.option("--until", metavar="TIME|POSITION", help="A day (its end), a time, or a position.")
@click.option("--name", help="What to call it; by default after its position.")
@click.option("--list", "listed", is_flag=True, help="Show the pasts that are kept.")
@click.option("--drop", "dropped", metavar="NAME", help="Drop a past.")
def replay(until: str | None, name: str | None, dropped: str | None, *, listed: bool) -> None:
    """Make all read models as of a moment, in schemas of their own, to be asked in SQL.

    Nothing live is touched. A past holds no names, phones or purposes: join read_members.members.

    Example: daystar replay --until 2026-03-31 --name march
    """
    if sum((until is not None, listed, dropped is not None)) != 1:
        raise click.UsageError("Say one of --until, --list and --drop.")
    with administrator() as (services, _):
        if listed:
            _list(services)
        elif dropped is not None:
            _replay(services, Progress(disable=True)).drop(dropped)
            click.echo(f"{dropped} is dropped")
        else:
            assert until is not None
            _make(services, until, name)


def _make(services: Services, until: str, name: str | None) -> None:
    as_of = _as_of(services, until)
    name = name or f"p{as_of.position}"
    collect_garbage_seldom()
    columns = (
        TextColumn("{task.description:<32}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} % {task.fields[rate]:>10,.0f} events/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        try:
            schemas = _replay(services, bar).make(name, as_of)
        except ProjectionFailure as failure:
            raise ReplayRefused(
                f"The event at {failure.position} cannot be taken ({failure.reason}); nothing is"
                " left of this past."
            ) from failure
    click.echo(f"{name} stands as of position {as_of.position}, {_told(as_of.recorded_at)}:")
    for schema in schemas:
        click.echo(f"  {schema}")


def _replay(services: Services, bar: Progress) -> Replay:
    cancelled = threading.Event()
    when_asked_to_end(cancelled.set)
    return Replay(
        database_urls(services.settings).owner,
        LogReader(services.following_pool(), keys=None),
        READ_MODELS.values(),
        report=reporter(bar, bar.add_task("", total=1.0, rate=0.0)),
        cancelled=cancelled,
    )


def _as_of(services: Services, until: str) -> AsOf:
    if until.isascii() and until.isdigit():
        return as_of_position(services.pool, min(int(until), 2**63 - 1))
    return as_of_moment(services.pool, moment_from_text(until, field="until"))


def _list(services: Services) -> None:
    with services.pool.connection() as connection:
        pasts = kept_pasts(connection)
    for past in pasts:
        state = "lost in a restore" if past.is_lost else "" if past.is_ready else "not finished"
        click.echo(
            f"{past.name:<20} position {past.position:>16}  {_told(past.recorded_at)}"
            f"  made {_told(past.made_at)}  {state}".rstrip()
        )
    if not pasts:
        click.echo("no past is kept")


@click.command()
@click.argument("kind", type=click.Choice(sorted(SUBJECTS)))
@click.argument("key", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Everything, for machines.")
def history(kind: str, key: str, *, as_json: bool) -> None:
    """Tell the history of one thing: who did what, when and why, and how it stood afterwards.

    A receipt may be named by its M-Pesa number. It may name people: do not keep what it prints.

    Example: daystar history loan 6f1c1df2-7a3e-5d0e-9a52-0f4b3c8e2a10
    """
    with administrator() as (services, _):
        told = tell(services.pool, services.keyring, kind, _key(kind, key))
    if not told:
        raise click.ClickException(f"There is no {kind} of this id.")
    if as_json:
        options = orjson.OPT_INDENT_2
        click.echo(orjson.dumps([_in_full(each) for each in told], option=options).decode())
        return
    table = Table("when", "what", "who", "why", "with", "then", show_lines=True)
    for each in told:
        table.add_row(*map(Text, _line(SUBJECTS[kind], each)))
    Console().print(table)


def _key(kind: str, key: str) -> UUID:
    try:
        return UUID(key)
    except ValueError:
        if kind == "receipt" and key.isascii() and key.isalnum():
            return receipt_id(key)
    raise click.BadParameter(f"Give the id of a {kind}.", param_hint="ID")


def _line(subject: Subject, told: Told) -> Iterator[str]:
    """One event as a person reads it: changes first, and of what is nested nothing."""
    yield _told(told.recorded_at)
    yield told.topic
    yield told.actor_name or told.actor
    yield told.data.get("reason") or told.causation_id or ""
    yield _words({k: v for k, v in in_shillings(told.data).items() if k != "reason"})
    yield _words({name: told.after.get(name) for name in subject.shown})


def _words(values: Mapping[str, Any]) -> str:
    return "\n".join(
        f"{name} {value}"
        for name, value in values.items()
        if value is not None and value != "" and not isinstance(value, dict | list)
    )


def _in_full(told: Told) -> dict[str, Any]:
    return {
        **asdict(told),
        "position": str(told.position),
        "data": in_shillings(told.data),
    }


def _told(moment: datetime) -> str:
    return f"{moment.astimezone(NAIROBI):%Y-%m-%d %H:%M:%S %Z}"
