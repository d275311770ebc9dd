"""Moving in from an older system, file by file."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress, TextColumn

from app.adoption.importing import Import, Result
from app.adoption.kinds import KINDS, Kind, Moment
from app.cli.administration import administrator
from app.wiring import Services, database_urls
from domain.dates import business_day
from domain.loans.commands import TakeOverLoan
from domain.members.commands import RegisterMember
from infra import clock
from infra.numbers import pass_loan_numbers, pass_member_numbers

FAULTS_SHOWN = 100
_FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Look at every row and change nothing.")
_SKIP_BAD = click.option(
    "--skip-bad", is_flag=True, help="Move in the rows that are right, though others are wrong."
)
_AS_OF = click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%d"]),
    default=None,
    help="The day on whose morning the older books were closed; without it, today.",
)


def _columns(kind: str) -> str:
    """The columns as `--help` shows them, one a line."""
    lines = [
        f"  {column.name:<22}{'[optional] ' if column.optional else ''}{column.says}"
        for column in KINDS[kind].columns
    ]
    return "\b\nColumns, in any order:\n" + "\n".join(lines)


@click.group("import")
def imports() -> None:
    """Move in from an older system: members first, then balances, then loans.

    Files are CSV (UTF-8, commas, a header). Nothing is moved in while a row is wrong.

    Example: daystar import members members.csv --dry-run
    """


@imports.command(
    "members",
    help=f"""Make members of the rows of a file.

    {_columns("members")}

    Example: daystar import members members.csv --dry-run
    """,
)
@_FILE
@_DRY_RUN
@_SKIP_BAD
def members(file: Path, *, dry_run: bool, skip_bad: bool) -> None:
    """Register members."""
    _import(KINDS["members"], file, as_of=None, dry_run=dry_run, skip_bad=skip_bad)


@imports.command(
    "balances",
    help=f"""Record what members held in older books, each sum once.

    {_columns("balances")}

    Example: daystar import balances balances.csv --as-of 2026-12-01 --dry-run
    """,
)
@_FILE
@_AS_OF
@_DRY_RUN
@_SKIP_BAD
def balances(file: Path, *, as_of: datetime | None, dry_run: bool, skip_bad: bool) -> None:
    """Record opening balances."""
    _import(KINDS["balances"], file, as_of=as_of, dry_run=dry_run, skip_bad=skip_bad)


@imports.command(
    "loans",
    help=f"""Take running loans over, as they stood on the morning of a day.

    {_columns("loans")}

    Example: daystar import loans loans.csv --as-of 2026-12-01 --dry-run
    """,
)
@_FILE
@_AS_OF
@_DRY_RUN
@_SKIP_BAD
def loans(file: Path, *, as_of: datetime | None, dry_run: bool, skip_bad: bool) -> None:
    """Take over running loans."""
    _import(KINDS["loans"], file, as_of=as_of, dry_run=dry_run, skip_bad=skip_bad)


def _import(
    kind: Kind, file: Path, *, as_of: datetime | None, dry_run: bool, skip_bad: bool
) -> None:
    today = business_day(clock.now())
    moment = Moment(as_of=as_of.date() if as_of else today, today=today)
    if moment.as_of > today:
        raise click.BadParameter("The day is in the future.", param_hint="--as-of")
    columns = (TextColumn(kind.name), TextColumn("{task.description} {task.completed:,.0f}"))
    with administrator() as (services, cause):
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task("")
            work = Import(
                services,
                cause,
                kind,
                moment,
                lambda phase, rows: bar.update(task, description=phase, completed=rows),
            )
            result = work.look(file)
            if not dry_run and (skip_bad or not result.faults):
                work.move_in(result)
                _pass_numbers(services, [row.command for row in result.good])
        _tell(kind, result, dry_run=dry_run)
    if result.faults and not (skip_bad and not dry_run):
        raise click.exceptions.Exit(1)


def _tell(kind: Kind, result: Result, *, dry_run: bool) -> None:
    for fault in sorted(result.faults, key=lambda fault: fault.line)[:FAULTS_SHOWN]:
        click.echo(f"line {fault.line}, {fault.column}: {fault.sentence}", err=True)
    if len(result.faults) > FAULTS_SHOWN:
        click.echo(f"and {len(result.faults) - FAULTS_SHOWN:,} more", err=True)
    wrong = result.lines_at_fault
    if dry_run:
        click.echo(f"{result.rows:,} {kind.name}: {len(result.good):,} right, {wrong:,} wrong")
        click.echo("nothing was changed")
        return
    click.echo(f"{result.rows:,} {kind.name}: {result.moved_in:,} moved in, {wrong:,} wrong")


def _pass_numbers(services: Services, commands: list[Any]) -> None:
    """What we number from now on must not meet what the older books numbered."""
    owner = database_urls(services.settings).owner
    ours = re.escape(services.settings.member_number_prefix) + r"\d{4}(\d{1,9})"
    numbers = [c.member_number for c in commands if isinstance(c, RegisterMember)]
    highest = max((int(m[1]) for n in numbers if (m := re.fullmatch(ours, n))), default=0)
    if highest:
        pass_member_numbers(owner, beyond=highest)
    numbers = [c.loan_number for c in commands if isinstance(c, TakeOverLoan)]
    highest = max((int(m[1]) for n in numbers if (m := re.fullmatch(r"LOAN(\d+)", n))), default=0)
    if highest:
        pass_loan_numbers(owner, beyond=highest)
