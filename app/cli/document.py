"""What we publish for machines to read, printed or written without a database."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from app.documentation.pages import DESCRIBED
from app.factory import create_app
from app.wiring import Services
from infra.settings import read_settings
from projections.public_events.schemas import export, schema_of
from projections.public_events.table import TYPES, names_as_markdown


@click.command()
def openapi() -> None:
    """Print the API's OpenAPI document, as /openapi.json tells it.

    Example: daystar openapi > openapi.json
    """
    app = create_app(Services(read_settings()))
    click.echo(app.extensions[DESCRIBED].document)


@click.command()
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write a file for each version there ever was into this folder; none is ever changed.",
)
@click.option("--markdown", is_flag=True, help="Print the table of names, as README shows it.")
def public_schemas(output: Path | None, *, markdown: bool) -> None:
    """Print the JSON Schemas of the public events, or write them to a folder.

    Example: daystar public-schemas --output schemas
    """
    if markdown:
        click.echo(names_as_markdown(), nl=False)
    elif output is None:
        schemas = [schema_of(kind) for kind in TYPES.values()]
        click.echo(orjson.dumps(schemas, option=orjson.OPT_INDENT_2).decode())
    else:
        for name in export(output):
            click.echo(f"wrote {name}")
