"""What stands in infra/deploy and in README can be typed: settings and commands are real ones."""

from __future__ import annotations

import configparser
import json
import re
from dataclasses import fields
from pathlib import Path

import click
import pytest
import yaml

from app.cli.main import daystar
from infra.settings import read_variables
from infra.supervisor import Supervisor

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "infra" / "deploy"
FILES = sorted(DEPLOY.iterdir())
TELLING = [*FILES, ROOT / "README.md"]
DEMO_ONLY = {"DAYSTAR_SIMULATOR_PORT", "DAYSTAR_KAFKA_PORT"}
STOP_SECONDS_MAX = next(f.default for f in fields(Supervisor) if f.name == "stop_seconds_max")
ROOMS = ("app", "consumers", "domain", "infra", "projections")


def name_of(path):
    return path.name


def unit():
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read(DEPLOY / "daystar.service")
    return parser["Service"]


def compose():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


def assert_is_a_command(words):
    """`words` follow `daystar`; those that name no command are arguments, options or the end."""
    command: click.Command = daystar
    for word in words:
        if not isinstance(command, click.Group):
            return
        inner = command.get_command(click.Context(command), word)
        assert inner is not None, f"there is no `daystar {' '.join(words)}`"
        command = inner


@pytest.mark.parametrize("path", TELLING, ids=name_of)
def test_every_variable_it_names_is_a_setting(path):
    settings = {variable.name for variable in read_variables()}
    named = set(re.findall(r"\b(?:DAYSTAR|DATABASE|KAFKA)_[A-Z_]*[A-Z]\b", path.read_text()))
    assert named <= settings


@pytest.mark.parametrize("path", TELLING, ids=name_of)
def test_every_command_it_names_exists(path):
    said = re.findall(r"(?:`|bin/)daystar((?: [a-z][a-z-]*)+)", path.read_text())
    assert said or path not in (ROOT / "README.md", DEPLOY / "daystar.service")
    for words in said:
        assert_is_a_command(words.split())


def test_what_starts_the_house_is_the_command_for_it():
    assert unit()["ExecStart"].split()[0].endswith("/.venv/bin/daystar")
    cmd = re.search(r"^CMD (.*)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert cmd is not None
    started = [unit()["ExecStart"].split()[1:], json.loads(cmd[1])[1:]]
    started.append(compose()["daystar"]["command"][1:])
    assert started == [["up"]] * 3


def test_whoever_stops_it_waits_longer_than_its_supervisor_does():
    assert int(unit()["TimeoutStopSec"]) > STOP_SECONDS_MAX
    assert int(compose()["daystar"]["stop_grace_period"].removesuffix("s")) > STOP_SECONDS_MAX
    assert unit()["KillMode"] == "mixed", "children are asked by their supervisor"


def test_the_composed_server_is_one_we_accept():
    flags = compose()["postgres"]["command"]
    assert {"synchronous_commit=on", "max_prepared_transactions=0"} <= set(flags)


def test_the_image_is_given_every_room():
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    let_in = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    for room in ROOMS:
        assert f"COPY {room} {room}" in lines
        assert f"!{room}" in let_in


def test_the_example_of_an_environment_has_every_setting_of_production_as_the_code_tells_it():
    told = re.findall(
        r"^# (.*)\n(#?)([A-Z_]+)=(.*)$",
        (DEPLOY / "daystar.env.example").read_text(),
        re.MULTILINE,
    )
    settings = {v.name: v for v in read_variables() if v.name not in DEMO_ONLY}
    assert sorted(name for _, _, name, _ in told) == sorted(settings)
    for about, sleeping, name, value in told:
        assert about == settings[name].about.replace("`", "")
        if sleeping:
            literal = re.fullmatch(r"`([^`A-Z]*|DST)`", settings[name].default)
            assert value == (literal[1] if literal else ""), name
