"""The environment, read once into frozen settings. Nothing else reads environment variables.

Every setting has a default that makes the demo run; production is what `DATABASE_URL` begins.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from environs import Env, EnvError
from marshmallow.validate import Range

from domain.contributions.rules import ContributionRules, ContributionType
from domain.errors import InvalidInput
from domain.money import cents_from_text
from infra.errors import InfrastructureError
from infra.mpesa.addresses import ForbiddenCallbackUrl, check_public_url
from infra.mpesa.credentials import (
    BUY_GOODS,
    PAY_BILL,
    PRODUCTION_BASE_URL,
    SANDBOX_BASE_URL,
    Credentials,
)

_PORT = Range(0, 65_535)
_DAYS = Range(1, 36_500)
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class SettingsError(InfrastructureError):
    """A setting is missing or makes no sense."""


class Environment(StrEnum):
    """Demo may invent data and simulate Safaricom; production refuses both by name."""

    DEMO = "demo"
    PRODUCTION = "production"


@dataclass(frozen=True)
class MpesaPatience:
    """How long to wait for Safaricom, in seconds."""

    answer_seconds: float = 90.0
    first_query_seconds: float = 45.0
    failure_query_seconds: float = 5.0
    query_backoff_seconds: tuple[float, ...] = (15.0, 30.0, 60.0, 120.0)
    give_up_seconds: float = 900.0


@dataclass(frozen=True)
class Retention:
    """For how many days what is kept beside the log is kept."""

    usage_days: int = 90
    callback_days: int = 90
    set_aside_days: int = 365  # a person must have looked by then


@dataclass(frozen=True)
class Settings:
    """All that can be configured."""

    environment: Environment
    host: str
    port: int
    simulator_port: int
    web_processes: int
    web_threads: int
    data_directory: Path
    public_url: str
    proxy_hops: int
    database_url: str | None
    database_owner_url: str | None
    master_key: str | None
    retention: Retention
    rate_limit: int
    member_number_prefix: str
    contribution_rules: ContributionRules
    mpesa: Credentials | None
    patience: MpesaPatience = field(default_factory=MpesaPatience)

    @property
    def is_demo(self) -> bool:
        return self.environment is Environment.DEMO

    @property
    def local_url(self) -> str:
        """Where this machine finds the web server."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def mpesa_is_simulated(self) -> bool:
        """Whether Safaricom is our own simulator."""
        return self.mpesa == simulator_credentials(self.simulator_port)


def read_settings() -> Settings:
    """Read and check the environment of this process.

    Raises:
        SettingsError: names the variable and what it should be.
    """
    env = Env()
    try:
        return _read(env)
    except (EnvError, InvalidInput) as error:
        raise SettingsError(str(error)) from error


def _read(env: Env) -> Settings:
    database_url = env.str("DATABASE_URL", None)
    environment = env.enum(
        "DAYSTAR_ENV",
        Environment.PRODUCTION if database_url else Environment.DEMO,
        enum=Environment,
        by_value=True,
    )
    port = env.int("DAYSTAR_PORT", 8080, validate=_PORT)
    simulator_port = env.int("DAYSTAR_SIMULATOR_PORT", 8090, validate=_PORT)
    public_url = env.str("DAYSTAR_PUBLIC_URL", f"http://127.0.0.1:{port}").rstrip("/")
    try:
        check_public_url(public_url)
    except ForbiddenCallbackUrl as error:
        raise SettingsError(f"DAYSTAR_PUBLIC_URL: {error}") from error
    return Settings(
        environment=environment,
        host=env.str("DAYSTAR_HOST", "127.0.0.1"),
        port=port,
        simulator_port=simulator_port,
        web_processes=env.int("DAYSTAR_WEB_PROCESSES", 2, validate=Range(1, 64)),
        web_threads=env.int("DAYSTAR_WEB_THREADS", 8, validate=Range(1, 64)),
        data_directory=Path(env.str("DAYSTAR_DATA_DIR", "var")).absolute(),
        public_url=public_url,
        proxy_hops=env.int("DAYSTAR_PROXY_HOPS", 0, validate=Range(0, 5)),
        database_url=database_url,
        database_owner_url=env.str("DATABASE_OWNER_URL", database_url),
        master_key=env.str("DAYSTAR_MASTER_KEY", None),
        retention=_retention(env),
        rate_limit=env.int("DAYSTAR_RATE_LIMIT", 600, validate=Range(1, 1_000_000_000)),
        member_number_prefix=env.str("DAYSTAR_MEMBER_NUMBER_PREFIX", "DST"),
        contribution_rules=_contribution_rules(env),
        mpesa=_mpesa(env, environment, simulator_port),
        patience=_patience(env),
    )


def _retention(env: Env) -> Retention:
    usual = Retention()
    return Retention(
        usage_days=env.int("DAYSTAR_USAGE_DAYS", usual.usage_days, validate=_DAYS),
        callback_days=env.int("DAYSTAR_CALLBACK_DAYS", usual.callback_days, validate=_DAYS),
        set_aside_days=env.int("DAYSTAR_SET_ASIDE_DAYS", usual.set_aside_days, validate=_DAYS),
    )


def _contribution_rules(env: Env) -> ContributionRules:
    minimum_cents = {
        ContributionType.MONTHLY: env.str("DAYSTAR_MINIMUM_MONTHLY", "500"),
        ContributionType.SHARE_CAPITAL: env.str("DAYSTAR_MINIMUM_SHARE_CAPITAL", "1000"),
        ContributionType.REGISTRATION_FEE: env.str("DAYSTAR_MINIMUM_REGISTRATION_FEE", "1000"),
    }
    return ContributionRules({kind: cents_from_text(text) for kind, text in minimum_cents.items()})


def _mpesa(env: Env, environment: Environment, simulator_port: int) -> Credentials | None:
    """Real credentials where given; in the demo, those of the simulator; else none at all."""
    consumer_key = env.str("DAYSTAR_MPESA_CONSUMER_KEY", None)
    if consumer_key is None:
        return simulator_credentials(simulator_port) if environment is Environment.DEMO else None
    short_code = env.str("DAYSTAR_MPESA_SHORT_CODE")
    till = env.str("DAYSTAR_MPESA_TILL", None)
    default_base_url = (
        PRODUCTION_BASE_URL if environment is Environment.PRODUCTION else SANDBOX_BASE_URL
    )
    base_url = env.str("DAYSTAR_MPESA_BASE_URL", default_base_url).rstrip("/")
    if environment is Environment.PRODUCTION and urlsplit(base_url).hostname in _LOOPBACK:
        raise SettingsError("DAYSTAR_MPESA_BASE_URL: production does not talk to a simulator.")
    return Credentials(
        name=f"{short_code}@{urlsplit(base_url).netloc}",
        base_url=base_url,
        consumer_key=consumer_key,
        consumer_secret=env.str("DAYSTAR_MPESA_CONSUMER_SECRET"),
        short_code=short_code,
        pass_key=env.str("DAYSTAR_MPESA_PASS_KEY"),
        transaction_type=BUY_GOODS if till else PAY_BILL,
        party_b=till or short_code,
    )


def simulator_credentials(port: int) -> Credentials:
    """What the simulator on this port accepts. Known to everybody; good for nothing else."""
    return Credentials(
        name=f"simulator:{port}",
        base_url=f"http://127.0.0.1:{port}",
        consumer_key="simulator-consumer-key",
        consumer_secret="simulator-consumer-secret",  # noqa: S106 (opens the simulator only)
        short_code="174379",
        pass_key="simulator-pass-key",  # noqa: S106
        transaction_type=PAY_BILL,
        party_b="174379",
    )


def _patience(env: Env) -> MpesaPatience:
    usual = MpesaPatience()
    return MpesaPatience(
        answer_seconds=env.float("DAYSTAR_MPESA_ANSWER_SECONDS", usual.answer_seconds),
        first_query_seconds=env.float(
            "DAYSTAR_MPESA_FIRST_QUERY_SECONDS", usual.first_query_seconds
        ),
        failure_query_seconds=env.float(
            "DAYSTAR_MPESA_FAILURE_QUERY_SECONDS", usual.failure_query_seconds
        ),
        query_backoff_seconds=tuple(
            env.list(
                "DAYSTAR_MPESA_QUERY_BACKOFF_SECONDS",
                list(usual.query_backoff_seconds),
                subcast=float,
            )
        ),
        give_up_seconds=env.float("DAYSTAR_MPESA_GIVE_UP_SECONDS", usual.give_up_seconds),
    )
