"""Looking after dead letters: what a consumer rejected, and what waits behind it."""

from __future__ import annotations

import click
import orjson

from app.cli.administration import administrator
from app.consuming_wiring import HANDLERS
from consumers.public_events.dead_letters import DeadLetter, Settled

_LISTED_MAX = 1_000
_STATES = ("open", "replayed", "dropped")


@click.group("dead-letters")
def dead_letters() -> None:
    """Look after events that a consumer rejected. Later ones of their subject wait behind them.

    Example: daystar dead-letters list
    """


@dead_letters.command("list")
@click.option("--consumer", type=click.Choice(sorted(HANDLERS)))
@click.option("--state", type=click.Choice(_STATES), default="open", show_default=True)
def list_letters(consumer: str | None, state: str) -> None:
    """Show the letters of a state, oldest first.

    Example: daystar dead-letters list --consumer webhooks
    """
    with administrator() as (services, _):
        desk = services.consuming.dead_letters()
        letters = desk.list(consumer=consumer, state=state, limit=_LISTED_MAX)
    if not letters:
        click.echo(f"no dead letter is {state}")
    for letter in letters:
        click.echo(_line(letter))


@dead_letters.command()
@click.argument("letter", type=int)
def show(letter: int) -> None:
    """Show one letter and its event.

    Example: daystar dead-letters show 7
    """
    with administrator() as (services, _):
        found = services.consuming.dead_letters().one(letter)
    click.echo(_line(found))
    if found.settled_at is not None:
        why = f": {found.settled_because}" if found.settled_because else ""
        when = f"{found.settled_at:%Y-%m-%d %H:%M:%S}"
        click.echo(f"{found.state} at {when} by {found.settled_by}{why}")
    click.echo(orjson.dumps(found.item, option=orjson.OPT_INDENT_2).decode())


@dead_letters.command()
@click.argument("letter", type=int)
def replay(letter: int) -> None:
    """Handle a letter's event now, then those parked behind it.

    Example: daystar dead-letters replay 7
    """
    with administrator() as (services, cause):
        settled = services.consuming.dead_letters().replay(letter, by=cause.actor)
    if settled.refused is not None:
        raise click.ClickException(f"It does not go yet: {settled.refused}")
    click.echo(f"dead letter {letter} is replayed; {_rest(settled)}")


@dead_letters.command()
@click.argument("letter", type=int)
@click.option("--reason", required=True, help="Why nobody needs to be told of this event.")
def drop(letter: int, reason: str) -> None:
    """Let a letter's event be, and handle those parked behind it.

    Example: daystar dead-letters drop 7 --reason "told by hand"
    """
    with administrator() as (services, cause):
        settled = services.consuming.dead_letters().drop(letter, by=cause.actor, reason=reason)
    click.echo(f"dead letter {letter} is dropped; {_rest(settled)}")


def _line(letter: DeadLetter) -> str:
    return (
        f"{letter.letter_id:>6}  {letter.consumer:<14} {letter.item['type']:<30}"
        f" {letter.item['id']:<20} {letter.rejected_at:%Y-%m-%d %H:%M:%S}"
        f"  tried {letter.attempts}, parked {letter.parked}: {letter.reason}"
    )


def _rest(settled: Settled) -> str:
    handled = f"{settled.handled} events behind it are handled"
    if settled.next_letter is None:
        return handled
    return f"{handled}, the next is dead letter {settled.next_letter}"
