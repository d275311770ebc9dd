"""All that can be configured, read once from the environment into frozen settings.

Each variable is declared where it is read: name, default, what it is. README's table is made of
these words (`daystar settings --markdown`). Nothing else reads environment variables.

Every setting has a default that makes the demo run; production is what `DATABASE_URL` begins.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from environs import EnvError
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
from infra.variables import Variable, Variables

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
    return _read(Variables())


def read_variables() -> list[Variable]:
    """Every variable there is, and what it is set to.

    Raises:
        SettingsError: one of them makes no sense.
    """
    variables = Variables()
    _read(variables)
    return variables.declared


def _read(variables: Variables) -> Settings:
    try:
        return _settings(variables)
    except (EnvError, InvalidInput) as error:
        raise SettingsError(str(error)) from error


def _settings(variables: Variables) -> Settings:
    database_url, owner_url = _database_urls(variables)
    environment = variables.choice(
        "DAYSTAR_ENV",
        Environment.PRODUCTION if database_url else Environment.DEMO,
        "`demo` or `production`; only the demo invents data and simulates Safaricom",
        otherwise="`production` with `DATABASE_URL`, else `demo`",
        kind=Environment,
    )
    host = variables.text("DAYSTAR_HOST", "127.0.0.1", "where the web server listens")
    port = variables.whole("DAYSTAR_PORT", 8080, "the web server's port", within=_PORT)
    simulator_port = variables.whole(
        "DAYSTAR_SIMULATOR_PORT",
        8090,
        "the simulated Daraja's port (demo)",
        within=_PORT,
    )
    return Settings(
        environment=environment,
        host=host,
        port=port,
        simulator_port=simulator_port,
        web_processes=variables.whole(
            "DAYSTAR_WEB_PROCESSES", 2, "web workers", within=Range(1, 64)
        ),
        web_threads=variables.whole(
            "DAYSTAR_WEB_THREADS", 8, "threads in each web worker", within=Range(1, 64)
        ),
        data_directory=Path(
            variables.text(
                "DAYSTAR_DATA_DIR",
                "./var",
                "the embedded database, the demo's key, a master key made for an empty database",
            )
        ).absolute(),
        public_url=_public_url(variables, port),
        proxy_hops=variables.whole(
            "DAYSTAR_PROXY_HOPS",
            0,
            "how many reverse proxies of ours stand in front; only their `X-Forwarded-*` is"
            " believed",
            within=Range(0, 5),
        ),
        database_url=database_url,
        database_owner_url=owner_url,
        master_key=variables.optional(
            "DAYSTAR_MASTER_KEY",
            "Fernet keys, comma-separated; the first encrypts, all decrypt",
            otherwise="`DAYSTAR_DATA_DIR/master.key`, made once",
            is_secret=True,
        ),
        rate_limit=variables.whole(
            "DAYSTAR_RATE_LIMIT",
            600,
            "requests a key may make in a minute, all processes together",
            within=Range(1, 1_000_000_000),
        ),
        retention=_retention(variables),
        mpesa=_mpesa(variables, environment, simulator_port),
        patience=_patience(variables),
        member_number_prefix=variables.text(
            "DAYSTAR_MEMBER_NUMBER_PREFIX", "DST", "member numbers are prefix, year and five digits"
        ),
        contribution_rules=_contribution_rules(variables),
    )


def _database_urls(variables: Variables) -> tuple[str | None, str | None]:
    database_url = variables.database(
        "DATABASE_URL",
        "the database, as libpq URL; its login needs the right to create the role `daystar_app`,"
        " or that role made beforehand",
        otherwise="embedded PostgreSQL",
    )
    owner_url = variables.database(
        "DATABASE_OWNER_URL",
        "who owns the tables and migrates, where the application has a login of its own"
        " (which is then granted `daystar_app`)",
        otherwise="`DATABASE_URL`",
    )
    return database_url, owner_url or database_url


def _public_url(variables: Variables, port: int) -> str:
    url = variables.text(
        "DAYSTAR_PUBLIC_URL",
        f"http://127.0.0.1:{port}",
        "where Safaricom reaches us: https, and none of the words it forbids (checked at the"
        " start)",
        otherwise="`http://127.0.0.1:PORT`",
    ).rstrip("/")
    try:
        check_public_url(url)
    except ForbiddenCallbackUrl as error:
        raise SettingsError(f"DAYSTAR_PUBLIC_URL: {error}") from error
    return url


def _retention(variables: Variables) -> Retention:
    usual = Retention()
    return Retention(
        usage_days=variables.whole(
            "DAYSTAR_USAGE_DAYS",
            usual.usage_days,
            "for how many days the usage log is kept",
            within=_DAYS,
        ),
        callback_days=variables.whole(
            "DAYSTAR_CALLBACK_DAYS",
            usual.callback_days,
            "for how many days settled raw callbacks are kept",
            within=_DAYS,
        ),
        set_aside_days=variables.whole(
            "DAYSTAR_SET_ASIDE_DAYS",
            usual.set_aside_days,
            "for how many days the words of a callback that was set aside wait for a person; that"
            " it came, and why it was set aside, stays",
            within=_DAYS,
        ),
    )


def _contribution_rules(variables: Variables) -> ContributionRules:
    about = "smallest {} people may ask to pay, in shillings"
    minimum = {
        ContributionType.MONTHLY: variables.text(
            "DAYSTAR_MINIMUM_MONTHLY", "500", about.format("monthly deposit")
        ),
        ContributionType.SHARE_CAPITAL: variables.text(
            "DAYSTAR_MINIMUM_SHARE_CAPITAL", "1000", about.format("share capital")
        ),
        ContributionType.REGISTRATION_FEE: variables.text(
            "DAYSTAR_MINIMUM_REGISTRATION_FEE", "1000", about.format("registration fee")
        ),
    }
    return ContributionRules({kind: cents_from_text(text) for kind, text in minimum.items()})


def _mpesa(
    variables: Variables, environment: Environment, simulator_port: int
) -> Credentials | None:
    """Real credentials where given; in the demo, those of the simulator; else none at all."""
    key = "DAYSTAR_MPESA_CONSUMER_KEY"
    consumer_key = variables.optional(
        key,
        "the Daraja app's key; without it there is no M-Pesa",
        otherwise="the simulator's in the demo",
        is_secret=True,
    )

    def required(name: str, about: str, *, is_secret: bool = False) -> str:
        value = variables.optional(name, about, is_secret=is_secret)
        if value is None and consumer_key is not None:
            raise SettingsError(f"{name} is missing; {key} needs it.")
        return value or ""

    consumer_secret = required("DAYSTAR_MPESA_CONSUMER_SECRET", "its secret", is_secret=True)
    pass_key = required(
        "DAYSTAR_MPESA_PASS_KEY", "the pass key of Lipa na M-Pesa Online", is_secret=True
    )
    short_code = required("DAYSTAR_MPESA_SHORT_CODE", "the paybill; or the till's store number")
    till = variables.optional("DAYSTAR_MPESA_TILL", "the till, where there is one (Buy Goods)")
    base_url = variables.text(
        "DAYSTAR_MPESA_BASE_URL",
        PRODUCTION_BASE_URL if environment is Environment.PRODUCTION else SANDBOX_BASE_URL,
        "where Daraja is",
        otherwise="production's host, or the sandbox's in the demo",
    ).rstrip("/")
    if consumer_key is None:
        return simulator_credentials(simulator_port) if environment is Environment.DEMO else None
    if environment is Environment.PRODUCTION and urlsplit(base_url).hostname in _LOOPBACK:
        raise SettingsError("DAYSTAR_MPESA_BASE_URL: production does not talk to a simulator.")
    return Credentials(
        name=f"{short_code}@{urlsplit(base_url).netloc}",
        base_url=base_url,
        consumer_key=consumer_key,
        consumer_secret=consumer_secret,
        short_code=short_code,
        pass_key=pass_key,
        transaction_type=BUY_GOODS if till else PAY_BILL,
        party_b=till or short_code,
    )


def _patience(variables: Variables) -> MpesaPatience:
    usual = MpesaPatience()
    return MpesaPatience(
        answer_seconds=variables.seconds(
            "DAYSTAR_MPESA_ANSWER_SECONDS",
            usual.answer_seconds,
            "after this a push without acknowledgement is in doubt",
        ),
        first_query_seconds=variables.seconds(
            "DAYSTAR_MPESA_FIRST_QUERY_SECONDS",
            usual.first_query_seconds,
            "when to ask about an unanswered push",
        ),
        query_backoff_seconds=variables.pauses(
            "DAYSTAR_MPESA_QUERY_BACKOFF_SECONDS",
            usual.query_backoff_seconds,
            "and when again; the last one repeats",
        ),
        failure_query_seconds=variables.seconds(
            "DAYSTAR_MPESA_FAILURE_QUERY_SECONDS",
            usual.failure_query_seconds,
            "when to ask whether a reported failure is true",
        ),
        give_up_seconds=variables.seconds(
            "DAYSTAR_MPESA_GIVE_UP_SECONDS",
            usual.give_up_seconds,
            "when to stop asking: the push expires",
        ),
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
