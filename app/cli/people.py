"""What the law lets a member ask of us: to be told what we hold, and to be forgotten."""

from __future__ import annotations

from uuid import UUID

import click

from app.cli.administration import administrator
from app.personal_data import erase_member as erase
from app.personal_data import export_json
from app.personal_data import export_member as export


@click.command("erase-member")
@click.argument("member_id", type=click.UUID)
@click.option("--reason", required=True, help="Why; it is kept for good, so name nobody in it.")
@click.option("--force", is_flag=True, help="Also one who never exited, if they hold no money.")
@click.option("--yes", is_flag=True, help="Do it unasked.")
def erase_member(member_id: UUID, reason: str, *, force: bool, yes: bool) -> None:
    """Forget a person for good; their money's history stays. Safe to run again.

    Example: daystar erase-member 6f1c1df2-7a3e-5d0e-9a52-0f4b3c8e2a10 --reason "asked in writing"
    """
    if not yes:
        click.confirm(f"Nobody can bring {member_id} back. Erase?", abort=True)
    with administrator() as (services, cause):
        erase(services, cause, member_id=member_id, reason=reason, force=force)
    click.echo(f"{member_id} is erased")


@click.command("export-member")
@click.argument("member_id", type=click.UUID)
def export_member(member_id: UUID) -> None:
    """Print, as JSON, all that we hold about a person.

    Example: daystar export-member 6f1c1df2-7a3e-5d0e-9a52-0f4b3c8e2a10 > held.json
    """
    with administrator() as (services, cause):
        told = export(services, cause, member_id=member_id)
    click.echo(export_json(told))
