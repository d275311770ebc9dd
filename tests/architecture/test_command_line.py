"""Every command of `daystar` explains itself by an example."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from app.cli.main import daystar


def commands(command, words=()):
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*words, name))


ALL = dict(commands(daystar))


@pytest.mark.parametrize("words", ALL, ids=lambda words: " ".join(words) or "daystar")
def test_help_shows_an_example_that_exists(words):
    outcome = CliRunner().invoke(daystar, [*words, "--help"])
    assert outcome.exit_code == 0
    assert "Example" in outcome.output
    assert "daystar" in outcome.output.partition("Example")[2]


@pytest.mark.parametrize("words", ALL, ids=lambda words: " ".join(words) or "daystar")
def test_every_option_says_what_it_is_or_names_its_choices(words):
    for parameter in ALL[words].params:
        if isinstance(parameter, click.Option):
            assert parameter.help or isinstance(parameter.type, click.Choice), parameter.name
