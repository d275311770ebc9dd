"""`daystar`: the table of contents of the command line."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping

import click
import psycopg
from psycopg_pool import PoolTimeout

from infra.errors import InfrastructureError
from infra.postgres.embedded import EmbeddedPostgresError

COMMANDS: Mapping[str, str] = {
    "up": "up.up",
    "web": "web.web",
    "intake": "processes.intake",
    "follow": "processes.follow",
    "send": "processes.send",
    "schedule": "processes.schedule",
    "relay": "consuming.relay",
    "consume": "consuming.consume",
    "kafka": "consuming.kafka",
    "simulator": "simulator.simulator",
    "migrate": "administration.migrate",
    "status": "read_models.status",
    "settings": "settings.settings",
    "keys": "administration.keys",
    "principals": "administration.principals",
    "projections": "read_models.projections",
    "rebuild": "read_models.rebuild",
    "replay": "past.replay",
    "history": "past.history",
    "restored": "restored.restored",
    "export-member": "people.export_member",
    "erase-member": "people.erase_member",
    "import": "adoption.imports",
    "loan-products": "loan_products.loan_products",
    "mpesa": "mpesa.mpesa",
    "reconcile": "reconcile.reconcile",
    "dead-letters": "dead_letters.dead_letters",
    "demo-data": "demo_data.demo_data",
    "master-key": "administration.master_key",
    "rotate-master-key": "administration.rotate_master_key",
    "openapi": "document.openapi",
    "public-schemas": "document.public_schemas",
}
"""Each command, and where it stands: a module of this folder, and a name in it."""


class _Contents(click.Group):
    """Reads in only the command that is asked for, so that a process starts sooner."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(".")
        command: click.Command = getattr(importlib.import_module(f"app.cli.{module}"), name)
        return command


@click.group(
    cls=_Contents,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
def daystar() -> None:
    """The Daystar integration backend.

    Example: daystar up
    """


def main() -> None:
    """Run a command; what a person can mend is said in a sentence, without a traceback."""
    try:
        daystar(standalone_mode=True)
    except (InfrastructureError, EmbeddedPostgresError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except (psycopg.OperationalError, PoolTimeout) as error:
        click.echo(f"Error: the database does not answer ({type(error).__name__}).", err=True)
        click.echo("Start it (`daystar up` brings its own), or mend DATABASE_URL.", err=True)
        sys.exit(1)
