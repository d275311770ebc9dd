"""Several short codes, each with secrets of its own, kept encrypted and tried for real."""

from __future__ import annotations

from dataclasses import replace

import pytest
import requests
from click.testing import CliRunner

from app.cli.main import daystar
from domain.identities import short_code_id
from infra.mpesa.credentials import C2bVersion
from infra.mpesa.short_codes import NoCredentials
from infra.mpesa.simulator.app import create_app
from infra.mpesa.simulator.certificate import certificate_pem
from tests.conformance.mpesa.conftest import SETTINGS, served
from tests.integration.http.house import open_house

SECRETS = ("kept-consumer-key", "kept-consumer-secret", "kept-pass-key", "kept-password")
FILE = """
base_url = "{base_url}"
short_code = "{short_code}"
consumer_key = "{consumer_key}"
consumer_secret = "{consumer_secret}"
pass_key = "kept-pass-key"
c2b_version = "v1"
"""
INITIATOR = """
[initiator]
name = "kept-initiator"
password = "kept-password"
certificate = '''{certificate}'''
"""


@pytest.fixture
def house(owner_url, tmp_path):
    with open_house(owner_url, tmp_path) as opened:
        yield opened


@pytest.fixture
def daystar_says(house, monkeypatch):
    monkeypatch.setattr("app.cli.administration.read_settings", lambda: house.services.settings)

    def says(*words, given=None):
        return CliRunner().invoke(daystar, ["mpesa", *words], input=given)

    return says


def toml(short_code="600992", base_url="https://sandbox.safaricom.co.ke", initiator="", **secrets):
    values = {"consumer_key": SECRETS[0], "consumer_secret": SECRETS[1]} | secrets
    return FILE.format(short_code=short_code, base_url=base_url, **values) + initiator


def test_a_kept_short_code_is_there_for_every_process_and_encrypted(house, daystar_says, tmp_path):
    with pytest.raises(NoCredentials):
        house.services.short_codes.client("600992")
    initiator = INITIATOR.format(certificate=certificate_pem(tmp_path))
    told = daystar_says("keep", "-", given=toml(initiator=initiator))
    assert told.exit_code == 0, told.output
    assert "600992" in told.output
    assert "may pay out" in told.output
    house.services.short_codes._known_until = 0.0  # as the ten seconds that it is remembered pass
    kept = house.services.short_codes.of("600992")
    assert (kept.consumer_secret, kept.c2b_version) == (SECRETS[1], C2bVersion.V1)
    assert kept.initiator.password == "kept-password"
    rows = house.owner.execute("SELECT name, ciphertext FROM secrets.secrets").fetchall()
    assert not [name for name, sealed in rows for secret in SECRETS if secret.encode() in sealed]
    assert not [secret for secret in SECRETS if secret in repr(kept) + daystar_says("list").output]
    assert "forgotten" in daystar_says("forget", "600992").output
    assert daystar_says("forget", "600992").exit_code == 1


def test_the_environment_comes_first_and_the_demo_pays_from_the_simulator(house, daystar_says):
    refused = daystar_says("keep", "-", given=toml(short_code="174379"))
    assert refused.exit_code == 1
    assert "comes first" in refused.output
    assert house.services.short_codes.collecting().short_code == "174379"
    assert house.services.short_codes.paying().initiator.name == "testapi"


def test_the_connection_test_asks_for_a_token_and_tells_why_there_is_none(daystar_says):
    with served(create_app(SETTINGS)) as url:
        right = {"consumer_key": SETTINGS.consumer_key, "consumer_secret": SETTINGS.consumer_secret}
        daystar_says("keep", "-", given=toml(base_url=url, **right))
        told = daystar_says("test", "600992")
        assert told.exit_code == 0, told.output
        assert "gave an access token" in told.output
        daystar_says("keep", "-", given=toml(short_code="600993", base_url=url))
        refused = daystar_says("test", "600993")
        assert refused.exit_code == 1
        assert "consumer key or secret is wrong" in refused.output
    silent = daystar_says("test", "600992")
    assert silent.exit_code == 1
    assert daystar_says("test", "600111").exit_code == 1


def test_the_addresses_are_told_to_safaricom_and_what_it_said_is_told(house, daystar_says):
    settings = replace(SETTINGS, short_code="600992")
    right = {"consumer_key": settings.consumer_key, "consumer_secret": settings.consumer_secret}
    with served(create_app(settings)) as url:
        daystar_says("keep", "-", given=toml(base_url=url, **right))
        told = daystar_says("register", "600992", "--response-type", "Cancelled")
        assert told.exit_code == 0, told.output
        assert "took the addresses" in told.output
        token = house.services.keyring.callback_token("c2b", short_code_id("600992"))
        assert token not in told.output
        assert requests.get(f"{url}/simulator/paybill", timeout=5).json()["registered"] == "v1"
        once = {"registers_once": True}
        requests.post(f"{url}/simulator/paybill", json=once, timeout=5).raise_for_status()
        again = daystar_says("register", "600992")
        assert again.exit_code == 0
        assert "already" in again.output
        daystar_says("keep", "-", given=toml(short_code="600993", base_url=url))
        refused = daystar_says("register", "600993")
        assert refused.exit_code == 1, refused.output
    assert daystar_says("register", "600992").exit_code == 1
    assert daystar_says("register", "600111").exit_code == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("short_code = ", "not TOML"),
        ("", "consumer_key: Missing data"),
        (toml(short_code="12"), "5 to 7 digits"),
        (toml(base_url="ftp://here"), "base_url"),
        (toml() + 'environment = "sandbox"', "Give an environment"),
        (toml() + 'surprise = "kept"', "surprise: Unknown field"),
        (toml(initiator=INITIATOR.format(certificate="none")), "no PEM certificate"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_by_name_and_nothing_is_kept(
    house, daystar_says, text, says
):
    with house.unchanged():
        told = daystar_says("keep", "-", given=text)
    assert told.exit_code == 1
    assert says in told.output
    assert not [secret for secret in SECRETS if secret in told.output]
