"""`daystar openapi`: the API's document, without a database."""

from __future__ import annotations

import click

from app.documentation.pages import DESCRIBED
from app.factory import create_app
from app.wiring import Services
from infra.settings import read_settings


@click.command()
def openapi() -> None:
    """Print the API's OpenAPI document, as /openapi.json tells it.

    Example: daystar openapi > openapi.json
    """
    app = create_app(Services(read_settings()))
    click.echo(app.extensions[DESCRIBED].document)
