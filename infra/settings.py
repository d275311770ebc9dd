"""All that can be configured, read once from the environment into frozen settings.

Each variable is declared where it is read: name, default, what it is. README's table is made of
these words (`daystar settings --markdown`). Nothing else reads environment variables.

Every setting has a default that makes the demo run; production is what `DATABASE_URL` begins.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from environs import EnvError
from marshmallow.validate import Range

from domain.contributions.rules import ContributionRules, ContributionType
from domain.errors import InvalidInput
from domain.money import cents_from_text
from infra.errors import SettingsError
from infra.kafka.settings import KafkaSettings, kafka_settings
from infra.mpesa.addresses import ForbiddenCallbackUrl, check_public_url
from infra.mpesa.credentials import Credentials
from infra.mpesa.payout_settings import PayoutSettings, payout_settings
from infra.mpesa.reconciliation_settings import (
    ReconciliationSettings,
    reconciliation_settings,
)
from infra.mpesa.settings import (
    MpesaPatience,
    PaybillSettings,
    mpesa_credentials,
    mpesa_patience,
    paybill_settings,
    simulator_credentials,
)
from infra.variables import Variable, Variables
from infra.webhooks.delivery_settings import DeliverySettings, delivery_settings
from infra.webhooks.endpoint_settings import EndpointSettings, endpoint_settings

_PORT = Range(0, 65_535)
_DAYS = Range(1, 36_500)


class Environment(StrEnum):
    """Demo may invent data and simulate Safaricom; production refuses both by name."""

    DEMO = "demo"
    PRODUCTION = "production"


@dataclass(frozen=True)
class Retention:
    """For how many days what is kept beside the log is kept."""

    usage_days: int = 90
    callback_days: int = 90
    set_aside_days: int = 365  # a person must have looked by then
    statement_days: int = 90


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
    paybill: PaybillSettings = field(default_factory=PaybillSettings)
    reconciliation: ReconciliationSettings = field(default_factory=ReconciliationSettings)
    payouts: PayoutSettings = field(default_factory=PayoutSettings)
    kafka: KafkaSettings = field(default_factory=KafkaSettings)
    dead_letters_max: int = 100
    endpoints: EndpointSettings = field(default_factory=EndpointSettings)
    deliveries: DeliverySettings = field(default_factory=DeliverySettings)

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
        rate_limit=_rate_limit(variables),
        retention=_retention(variables),
        mpesa=mpesa_credentials(
            variables,
            is_production=environment is Environment.PRODUCTION,
            simulator_port=simulator_port,
        ),
        patience=mpesa_patience(variables),
        paybill=paybill_settings(variables),
        reconciliation=reconciliation_settings(variables),
        payouts=payout_settings(variables),
        endpoints=endpoint_settings(variables),
        deliveries=delivery_settings(variables),
        member_number_prefix=_member_number_prefix(variables),
        contribution_rules=_contribution_rules(variables),
        kafka=kafka_settings(variables),
        dead_letters_max=_dead_letters_max(variables),
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


def _rate_limit(variables: Variables) -> int:
    return variables.whole(
        "DAYSTAR_RATE_LIMIT",
        600,
        "requests a key may make in a minute, all processes together",
        within=Range(1, 1_000_000_000),
    )


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
        statement_days=variables.whole(
            "DAYSTAR_STATEMENT_DAYS",
            usual.statement_days,
            "for how many days it is kept who stands on an imported M-Pesa statement; its lines"
            " stay",
            within=_DAYS,
        ),
    )


def _dead_letters_max(variables: Variables) -> int:
    about = "with so many open dead letters a consumer stops until somebody has looked at them"
    return variables.whole("DAYSTAR_DEAD_LETTERS_MAX", 100, about, within=Range(1, 1_000_000))


def _member_number_prefix(variables: Variables) -> str:
    about = "member numbers are prefix, year and five digits"
    return variables.text("DAYSTAR_MEMBER_NUMBER_PREFIX", "DST", about)


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
