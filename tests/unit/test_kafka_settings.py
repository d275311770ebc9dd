"""What the environment says of Kafka, and what is refused of it."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from app.cli.main import daystar
from infra.errors import SettingsError
from infra.settings import read_settings


@pytest.fixture
def environment(monkeypatch, tmp_path):
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "KAFKA_SECURITY_PROTOCOL", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DAYSTAR_DATA_DIR", str(tmp_path))
    return lambda **variables: [monkeypatch.setenv(*each) for each in variables.items()]


def test_without_servers_there_is_no_kafka(environment):
    assert read_settings().kafka.bootstrap_servers == ()


def test_clients_are_told_who_we_are_and_whom_to_believe(environment):
    environment(
        KAFKA_BOOTSTRAP_SERVERS="one:9093, two:9093",
        KAFKA_SECURITY_PROTOCOL="SASL_SSL",
        KAFKA_USERNAME="daystar",
        KAFKA_PASSWORD="hidden",
        KAFKA_CA_FILE="/etc/ca.pem",
    )
    told = read_settings().kafka.client()
    assert told["bootstrap_servers"] == ["one:9093", "two:9093"]
    assert told["security_protocol"] == "SASL_SSL"
    assert told["sasl_mechanism"] == "SCRAM-SHA-512"
    assert told["sasl_plain_username"] == "daystar"
    assert told["sasl_plain_password"] == "hidden"
    assert told["ssl_cafile"] == "/etc/ca.pem"


def test_brokers_that_want_to_know_who_we_are_are_not_left_without(environment):
    environment(KAFKA_BOOTSTRAP_SERVERS="one:9093", KAFKA_SECURITY_PROTOCOL="SASL_SSL")
    with pytest.raises(SettingsError, match="set KAFKA_USERNAME and KAFKA_PASSWORD"):
        read_settings()


def test_the_relay_needs_a_kafka_and_a_house_has_only_one(environment):
    run = CliRunner().invoke
    environment(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    told = run(daystar, ["kafka"]).exception
    assert "a production has its own brokers" in str(told)
    environment(KAFKA_BOOTSTRAP_SERVERS="one:9092")
    told = run(daystar, ["up", "--kafka"]).exception
    assert "leave out that or --kafka" in str(told)
