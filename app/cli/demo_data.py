"""Filling an empty demo with an invented history, as large as one asks for."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from app.cli.administration import administrator
from app.demo_data.filling import MEMBERS_MAX, MONTHS_MAX, check_fillable, draw_numbers, fill
from app.demo_data.life import Plan
from domain.dates import business_day
from infra import clock


@click.command("demo-data")
@click.option(
    "--members",
    type=click.IntRange(1, MEMBERS_MAX),
    default=200,
    show_default=True,
    help="How many people to invent.",
)
@click.option(
    "--months",
    type=click.IntRange(1, MONTHS_MAX),
    default=24,
    show_default=True,
    help="How far back the history goes.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same one, the same log.")
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    default=None,
    help="The last day of the history; without it, yesterday.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=None,
    help="How many processes invent; without it, one for each processor.",
)
def demo_data(
    members: int, months: int, seed: int, until: datetime | None, processes: int | None
) -> None:
    """Fill an empty demo database with members, savings, loans and M-Pesa payments.

    Everything is made by the same commands that people use. Some 100 events a member and four
    years; a database that has members already, or production, is left alone.

    Example: daystar demo-data --members 10000 --months 48 --seed 1
    """
    columns = (
        TextColumn("inventing"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} members, {task.fields[events]:,} events"),
        TextColumn("{task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
    )
    yesterday = business_day(clock.now()) - timedelta(days=1)
    began = time.monotonic()
    with administrator() as (services, _):
        check_fillable(services)
        plan = Plan(
            members=members,
            months=months,
            seed=seed,
            until=min(until.date(), yesterday) if until else yesterday,
            prefix=services.settings.member_number_prefix,
            first_number=draw_numbers(services, members),
            rules=services.settings.contribution_rules,
        )
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task("", total=members, events=0, rate=0.0)

            def report(lived: int, events: int) -> None:
                rate = events / max(time.monotonic() - began, 0.001)
                bar.update(task, completed=lived, events=events, rate=rate)

            events = fill(services, plan, processes=processes or os.cpu_count() or 1, report=report)
    seconds = time.monotonic() - began
    click.echo(
        f"{members:,} members, {events:,} events in {seconds:,.0f} s"
        f" ({events / max(seconds, 0.001):,.0f}/s)"
    )
