"""Looking after read models: where they stand, holding them, rebuilding them while they serve."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import click
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from app.cli.administration import administrator
from app.cli.processes import collect_garbage_seldom
from app.wiring import Services, database_urls
from infra import clock
from infra.ending import ENDING_SIGNALS, when_asked_to_end
from infra.errors import InfrastructureError
from infra.event_store.log import POSITIONS_PER_COMMIT
from infra.event_store.personal_keys import PersonalKeys
from infra.event_store.reader import LogReader
from projections.batch import ProjectionFailure
from projections.consuming import consumer_status, relay_status
from projections.follower import pause as pause_projection
from projections.follower import resume as resume_projection
from projections.read_model import ReadModel
from projections.read_models import READ_MODELS
from projections.rebuild import Comparison, Rebuild
from projections.rebuild import Progress as RebuildProgress
from projections.status import follower_status

WATCH_SECONDS = 1.0
_NAME = click.Choice(sorted(READ_MODELS))


@click.command()
@click.option("--watch", is_flag=True, help="Go on showing it, with each one's rate.")
def status(*, watch: bool) -> None:
    """Show where each read model and consumer stands: its position, its lag, what stopped it.

    Example: daystar status --watch
    """
    with administrator() as (services, _):
        if watch:
            _watch(services)
        else:
            click.echo("\n".join(_lines(services, {})))


@click.group()
def projections() -> None:
    """Look after read models.

    Example: daystar projections retry members
    """


@projections.command()
@click.argument("name", type=_NAME)
def pause(name: str) -> None:
    """Hold a read model still; it goes on serving what it has.

    Example: daystar projections pause members
    """
    with administrator() as (services, _):
        if not pause_projection(services.pool, name):
            raise click.ClickException(
                f"{name} has stopped by itself, and stays so: `daystar status` says why."
            )
    click.echo(f"{name} is held; `daystar projections resume {name}` lets it go on")


def _resume(name: str) -> None:
    with administrator() as (services, _):
        resume_projection(services.pool, name)
    click.echo(f"{name} follows the log again")


@projections.command()
@click.argument("name", type=_NAME)
def resume(name: str) -> None:
    """Let a held read model go on.

    Example: daystar projections resume members
    """
    _resume(name)


@projections.command()
@click.argument("name", type=_NAME)
def retry(name: str) -> None:
    """Let a read model that stopped at an event try that event again.

    Example: daystar projections retry members
    """
    _resume(name)


@click.command()
@click.argument("name", type=_NAME, required=False)
@click.option("--all", "everything", is_flag=True, help="Every read model, one after another.")
@click.option("--yes", is_flag=True, help="Swap even if the rebuilt model differs, unasked.")
def rebuild(name: str | None, *, everything: bool, yes: bool) -> None:
    """Rebuild a read model from the log while the live one serves, compare the two, and swap.

    Nothing live changes before the swap; Ctrl-C stops it at any moment.

    Example: daystar rebuild members
    """
    if (name is None) == (not everything):
        raise click.UsageError("Name a read model, or say --all.")
    models = list(READ_MODELS.values()) if everything else [READ_MODELS[name or ""]]
    collect_garbage_seldom()
    cancelled = threading.Event()
    when_asked_to_end(cancelled.set)
    with administrator() as (services, _):
        pool = services.following_pool()
        reader = LogReader(pool, PersonalKeys(pool, services.keyring))
        for model in models:
            _rebuild(services, reader, model, cancelled, unasked=yes)


def _rebuild(
    services: Services,
    reader: LogReader,
    model: ReadModel,
    cancelled: threading.Event,
    *,
    unasked: bool,
) -> None:
    columns = (
        TextColumn("{task.description:<32}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} % {task.fields[rate]:>10,.0f} events/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(model.name, total=1.0, rate=0.0)
        work = Rebuild(
            database_urls(services.settings).owner,
            reader,
            model,
            report=reporter(bar, task),
            cancelled=cancelled,
        )

        def confirm(comparison: Comparison) -> bool:
            _show(comparison)
            if comparison.is_equal or unasked:
                return True
            bar.stop()
            with interruptible():
                return click.confirm("The rebuilt read model differs from the live one. Swap?")

        try:
            work.run(confirm=confirm)
        except ProjectionFailure as failure:
            raise InfrastructureError(
                f"{model.name} cannot take the event at {failure.position} ({failure.reason});"
                " the live read model stays as it is."
            ) from failure
    click.echo(f"{model.name} is rebuilt")


@contextmanager
def interruptible() -> Iterator[None]:
    """While somebody is asked, Ctrl-C ends the question: a flag would wait for the answer."""
    before = {
        number: signal.signal(number, signal.default_int_handler) for number in ENDING_SIGNALS
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def reporter(bar: Progress, task: TaskID) -> Callable[[RebuildProgress], None]:
    """Shows how far it has come on a task of a progress bar."""

    def report(progress: RebuildProgress) -> None:
        bar.update(
            task,
            completed=progress.share,
            description=f"{progress.name}: {progress.phase}",
            rate=progress.events / max(progress.seconds, 0.001),
        )

    return report


def _show(comparison: Comparison) -> None:
    click.echo(f"compared at position {comparison.position}:")
    for table in comparison.tables:
        verdict = "equal" if table.is_equal else "DIFFERENT"
        click.echo(
            f"  {table.table:<16} {verdict:<10} rows {table.live_rows:,} live,"
            f" {table.shadow_rows:,} rebuilt; sums {', '.join(table.live_sums) or '-'} live,"
            f" {', '.join(table.shadow_sums) or '-'} rebuilt"
        )


def _watch(services: Services) -> None:
    """Show it every second until Ctrl-C, which is how it is meant to end."""
    before: dict[str, tuple[float, int]] = {}
    with suppress(KeyboardInterrupt), Live(console=Console(), auto_refresh=False) as screen:
        while True:
            lines = [*_lines(services, before), f"{clock.now():%H:%M:%S}  Ctrl-C ends this"]
            screen.update(Text("\n".join(lines)), refresh=True)
            time.sleep(WATCH_SECONDS)


def _lines(services: Services, before: dict[str, tuple[float, int]]) -> Iterator[str]:
    """Where everything stands, and the rates since `before`, which is brought up to date."""
    followers = follower_status(services.pool, READ_MODELS.values(), now=clock.now())
    yield f"log head {services.store.log.max_notification_id() or 0}"
    columns = f"{'position':>16} {'behind':>8} {'seconds':>9} {'commits/s':>9}"
    yield f"{'read model':<20} {'state':<10} {columns}"
    now = time.monotonic()
    for follower in followers:
        rate = "-"
        if follower.name in before:
            then, position = before[follower.name]
            commits = (follower.position - position) / POSITIONS_PER_COMMIT
            rate = f"{commits / max(now - then, 0.001):,.0f}"
        before[follower.name] = (now, follower.position)
        yield (
            f"{follower.name:<20} {follower.state:<10} {follower.position:>16}"
            f" {follower.events_behind:>8} {follower.seconds_behind:>9.3f} {rate:>9}"
        )
        if follower.error:
            yield f"  stopped at {follower.error_position}: {follower.error}"
            yield f"  mend the cause, then: daystar projections retry {follower.name}"
    yield from _consuming_lines(services)


def _consuming_lines(services: Services) -> Iterator[str]:
    """Who tells others, and how far they are."""
    relay = relay_status(services.pool, now=clock.now())
    consumers = consumer_status(services.pool, now=clock.now())
    if relay is not None or consumers:
        columns = f"{'letters':>7} {'parked':>8} {'behind':>8} {'seconds':>9}"
        yield f"{'consumer':<20} {'feed':<10} {columns}"
    if relay is not None:
        yield (
            f"{'relay':<20} {'log':<10} {'-':>7} {'-':>8}"
            f" {relay.events_behind:>8} {relay.seconds_behind:>9.3f}"
        )
    for each in consumers:
        yield (
            f"{each.name:<20} {each.feed:<10} {each.dead_letters:>7} {each.parked:>8}"
            f" {each.behind:>8} {each.seconds_behind:>9.3f}"
        )
        if each.waits_for is not None:
            yield f"  waits since {each.waits_seconds:.0f} seconds: {each.waits_for}"
        if each.dead_letters >= services.settings.dead_letters_max:
            yield f"  stopped by {each.dead_letters} dead letters: daystar dead-letters list"
