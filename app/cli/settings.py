"""`daystar settings`: every setting, and what it is now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.settings import read_variables
from infra.variables import Variable


@click.command()
@click.option("--markdown", is_flag=True, help="Print README's table: defaults, not what is set.")
def settings(*, markdown: bool) -> None:
    """Show every setting: its variable, its value here, what it is. Secrets are masked.

    Example: daystar settings
    """
    variables = read_variables()
    if markdown:
        click.echo("\n".join(markdown_table(variables)))
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("variable", no_wrap=True)
    table.add_column("value, and what it is")
    for variable in variables:
        mark = "* " if variable.is_set else "  "
        value = variable.value or variable.default or "none"
        table.add_row(mark + variable.name, Text(_plain(f"{value}\n{variable.about}")))
    console = Console()
    console.print(table)
    console.print("* is set in this environment; the others have their defaults")


def markdown_table(variables: Iterable[Variable]) -> Iterator[str]:
    """README's table, line by line. It tells nothing of this process's environment."""
    yield "| variable | default | what it is |"
    yield "|---|---|---|"
    for variable in variables:
        yield f"| `{variable.name}` | {variable.default} | {variable.about} |"


def _plain(markdown: str) -> str:
    return markdown.replace("`", "")
