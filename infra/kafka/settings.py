"""How Kafka is reached, read from the environment.

Without `KAFKA_BOOTSTRAP_SERVERS` there is no Kafka: consumers follow the log itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from marshmallow.validate import Range

from infra.errors import SettingsError
from infra.variables import Variables

LOCAL_PORT = 9092
_PORT = Range(1, 65_535)


class Security(StrEnum):
    """How we speak with the brokers, in Kafka's own words."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"


class Mechanism(StrEnum):
    """How we say who we are, in Kafka's own words."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"


@dataclass(frozen=True)
class KafkaSettings:
    """`bootstrap_servers` is empty where there is no Kafka."""

    bootstrap_servers: tuple[str, ...] = ()
    security: Security = Security.PLAINTEXT
    mechanism: Mechanism = Mechanism.SCRAM_SHA_512
    username: str | None = None
    password: str | None = None
    certificates: str | None = None
    topic_prefix: str = "daystar"
    local_port: int = LOCAL_PORT

    def client(self) -> dict[str, Any]:
        """What every client of the brokers is told."""
        assert self.bootstrap_servers, "there is no Kafka"
        options: dict[str, Any] = {
            "bootstrap_servers": list(self.bootstrap_servers),
            "security_protocol": self.security.value,
            "client_id": "daystar",
            "reconnect_backoff_max_ms": 1_000,
        }
        if self.security in (Security.SASL_PLAINTEXT, Security.SASL_SSL):
            options["sasl_mechanism"] = self.mechanism.value
            options["sasl_plain_username"] = self.username
            options["sasl_plain_password"] = self.password
        if self.certificates is not None:
            options["ssl_cafile"] = self.certificates
        return options


def kafka_settings(variables: Variables) -> KafkaSettings:
    """Read them.

    Raises:
        SettingsError: brokers that want to know who we are, and nothing to tell them.
    """
    servers = variables.optional(
        "KAFKA_BOOTSTRAP_SERVERS",
        "the brokers, `host:port`, comma-separated; consumers then read from Kafka",
        otherwise="none: consumers follow the log",
    )
    usual = KafkaSettings()
    settings = KafkaSettings(
        bootstrap_servers=tuple(
            server.strip() for server in (servers or "").split(",") if server.strip()
        ),
        **_security(variables),
        certificates=variables.optional(
            "KAFKA_CA_FILE",
            "the file of certificates (PEM) by which the brokers are believed",
            otherwise="the system's",
        ),
        topic_prefix=variables.text(
            "KAFKA_TOPIC_PREFIX", usual.topic_prefix, "the first word of every topic's name"
        ),
        local_port=variables.whole(
            "DAYSTAR_KAFKA_PORT",
            LOCAL_PORT,
            "where `daystar kafka` listens on this machine",
            within=_PORT,
        ),
    )
    is_named = settings.username is not None and settings.password is not None
    if settings.security.value.startswith("SASL") and not is_named:
        raise SettingsError(
            f"KAFKA_SECURITY_PROTOCOL is {settings.security.value}: set KAFKA_USERNAME and"
            " KAFKA_PASSWORD."
        )
    return settings


def _security(variables: Variables) -> dict[str, Any]:
    """How the brokers are spoken to, and as whom."""
    return {
        "security": variables.choice(
            "KAFKA_SECURITY_PROTOCOL",
            Security.PLAINTEXT,
            "`PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`",
            otherwise="`PLAINTEXT`",
            kind=Security,
        ),
        "mechanism": variables.choice(
            "KAFKA_SASL_MECHANISM",
            Mechanism.SCRAM_SHA_512,
            "`PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`",
            otherwise="`SCRAM-SHA-512`",
            kind=Mechanism,
        ),
        "username": variables.optional("KAFKA_USERNAME", "who we are to the brokers (SASL)"),
        "password": variables.optional(
            "KAFKA_PASSWORD", "how we prove it to the brokers", is_secret=True
        ),
    }
