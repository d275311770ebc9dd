"""README's table of settings is the code's own, and what is shown of a setting betrays nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli.main import daystar
from infra.errors import SettingsError
from infra.settings import read_settings, read_variables
from infra.variables import without_password

ROOT = Path(__file__).parents[2]
SECRETS = (
    "DAYSTAR_MPESA_CONSUMER_KEY",
    "DAYSTAR_MASTER_KEY",
    "DAYSTAR_MPESA_CONSUMER_SECRET",
    "DAYSTAR_MPESA_PASS_KEY",
)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in [variable.name for variable in read_variables()]:
        monkeypatch.delenv(name, raising=False)


def printed(*words):
    outcome = CliRunner().invoke(daystar, ["settings", *words])
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def test_readme_has_the_table_that_the_code_prints():
    readme = (ROOT / "README.md").read_text()
    table = re.search(r"<!-- settings begin -->\n(.*)<!-- settings end -->", readme, re.DOTALL)
    assert table is not None
    assert table[1] == printed("--markdown"), "put in what `daystar settings --markdown` prints"


def test_the_table_tells_nothing_of_the_environment(monkeypatch):
    bare = printed("--markdown")
    monkeypatch.setenv("DATABASE_URL", "postgresql://somebody@db/books")
    monkeypatch.setenv("DAYSTAR_PORT", "9999")
    assert printed("--markdown") == bare


def test_secrets_are_masked_and_the_rest_is_shown_as_it_is_in_force(monkeypatch):
    for name in SECRETS:
        monkeypatch.setenv(name, f"hidden-{name}")
    monkeypatch.setenv("DAYSTAR_MPESA_SHORT_CODE", "600000")
    monkeypatch.setenv("DATABASE_URL", "postgresql://somebody:hidden@db/books")
    monkeypatch.setenv("DAYSTAR_PORT", "9999")
    shown = printed()
    assert "hidden" not in shown
    assert "9999" in shown
    assert "somebody" in shown
    assert "https://api.safaricom.co.ke" in shown
    assert {v.name for v in read_variables() if v.is_set} == {
        *SECRETS,
        "DATABASE_URL",
        "DAYSTAR_MPESA_SHORT_CODE",
        "DAYSTAR_PORT",
    }


@pytest.mark.parametrize(
    "conninfo",
    [
        "postgresql://u:hidden@db/books?sslmode=require",
        "host=db user=u password=hidden sslpassword=hidden",
        "postgresql://u:hidden@db:notaport:/%%%",
    ],
)
def test_no_form_of_an_address_shows_its_password(conninfo):
    assert "hidden" not in without_password(conninfo)


def test_half_of_mpesas_credentials_are_refused_by_name(monkeypatch):
    monkeypatch.setenv("DAYSTAR_MPESA_CONSUMER_KEY", "x")
    monkeypatch.setenv("DAYSTAR_MPESA_CONSUMER_SECRET", "x")
    with pytest.raises(SettingsError, match="DAYSTAR_MPESA_PASS_KEY is missing"):
        read_settings()
