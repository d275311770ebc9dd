"""`daystar`: the table of contents of the command line."""

from __future__ import annotations

import sys

import click
import psycopg
from psycopg_pool import PoolTimeout

from app.cli.administration import (
    keys,
    master_key,
    migrate,
    principals,
    rotate_master_key,
)
from app.cli.adoption import imports
from app.cli.consuming import consume, kafka, relay
from app.cli.dead_letters import dead_letters
from app.cli.demo_data import demo_data
from app.cli.document import openapi, public_schemas
from app.cli.loan_products import loan_products
from app.cli.mpesa import mpesa
from app.cli.past import history, replay
from app.cli.people import erase_member, export_member
from app.cli.processes import follow, intake, schedule, send, simulator, web
from app.cli.read_models import projections, rebuild, status
from app.cli.reconcile import reconcile
from app.cli.restored import restored
from app.cli.settings import settings
from app.cli.up import up
from infra.errors import InfrastructureError
from infra.postgres.embedded import EmbeddedPostgresError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def daystar() -> None:
    """The Daystar integration backend.

    Example: daystar up
    """


for command in (
    up,
    web,
    intake,
    follow,
    send,
    schedule,
    relay,
    consume,
    kafka,
    simulator,
    migrate,
    status,
    settings,
    keys,
    principals,
    projections,
    rebuild,
    replay,
    history,
    restored,
    export_member,
    erase_member,
    imports,
    loan_products,
    mpesa,
    reconcile,
    dead_letters,
    demo_data,
    master_key,
    rotate_master_key,
    openapi,
    public_schemas,
):
    daystar.add_command(command)


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
