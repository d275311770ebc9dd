"""What the environment says of M-Pesa: one short code's credentials, and how patient we are."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from domain.mpesa.account_numbers import AccountKind, AccountRules
from domain.mpesa.stk_push import PushPurpose
from infra.errors import SettingsError
from infra.mpesa.addresses import is_loopback
from infra.mpesa.credentials import (
    BUY_GOODS,
    PAY_BILL,
    PRODUCTION_BASE_URL,
    SANDBOX_BASE_URL,
    C2bVersion,
    Credentials,
    Initiator,
)
from infra.variables import Variables

_WORD = re.compile(r"[A-Z0-9]{1,10}")


@dataclass(frozen=True)
class MpesaPatience:
    """How long to wait for Safaricom, in seconds."""

    answer_seconds: float = 90.0
    first_query_seconds: float = 45.0
    failure_query_seconds: float = 5.0
    query_backoff_seconds: tuple[float, ...] = (15.0, 30.0, 60.0, 120.0)
    give_up_seconds: float = 900.0


class Validation(StrEnum):
    """What is answered where a payment would find no place."""

    ACCEPT = "accept"
    REFUSE = "refuse"


@dataclass(frozen=True)
class PaybillSettings:
    """How account numbers are understood, and whether a payer is told that one is not."""

    rules: AccountRules = field(default_factory=AccountRules)
    validation: Validation = Validation.ACCEPT

    @property
    def refuses(self) -> bool:
        """Whether a payment that would go to suspense is refused where Safaricom asks."""
        return self.validation is Validation.REFUSE


def mpesa_credentials(
    variables: Variables, *, is_production: bool, simulator_port: int
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
    initiator = _initiator(variables)
    c2b_version = variables.choice(
        "DAYSTAR_MPESA_PAYBILL_VERSION",
        C2bVersion.V2,
        "`v1` or `v2`: under which the app's product registers paybill addresses; v1 tells payers'"
        " numbers hashed, v2 masked",
        otherwise="`v2`",
        kind=C2bVersion,
    )
    base_url = variables.text(
        "DAYSTAR_MPESA_BASE_URL",
        PRODUCTION_BASE_URL if is_production else SANDBOX_BASE_URL,
        "where Daraja is",
        otherwise="production's host, or the sandbox's in the demo",
    ).rstrip("/")
    if consumer_key is None:
        return None if is_production else simulator_credentials(simulator_port)
    if is_production and is_loopback(urlsplit(base_url).hostname):
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
        initiator=initiator,
        c2b_version=c2b_version,
    )


def paying_short_code(variables: Variables) -> str | None:
    """The short code that payouts leave from, where one is chosen."""
    return variables.optional(
        "DAYSTAR_MPESA_PAYS_FROM",
        "the short code that payouts leave from",
        otherwise="the first one with an initiator",
    )


def mpesa_patience(variables: Variables) -> MpesaPatience:
    """How long to wait for Safaricom before each next step."""
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


def paybill_settings(variables: Variables) -> PaybillSettings:
    """How payments to a paybill find their place.

    Raises:
        SettingsError: a kind or a purpose that there is not, or a word that is none.
    """
    usual = AccountRules()
    kinds = variables.text(
        "DAYSTAR_PAYBILL_ACCOUNTS",
        ",".join(usual.kinds),
        "what an account number may be, the first that is found first: `member` number, `loan`"
        " number, `phone`",
    )
    words = variables.text(
        "DAYSTAR_PAYBILL_WORDS",
        ",".join(f"{word}={purpose}" for word, purpose in usual.words),
        "words behind an account number, and what the money is then for; without one, deposits",
    )
    validation = variables.choice(
        "DAYSTAR_PAYBILL_VALIDATION",
        Validation.ACCEPT,
        "`refuse` tells payers of an account number that is not known, where Safaricom asks"
        " beforehand; `accept` lets all money come",
        otherwise="`accept`",
        kind=Validation,
    )
    try:
        rules = AccountRules(
            kinds=tuple(AccountKind(kind.strip()) for kind in kinds.split(",")),
            words=tuple(_word(pair) for pair in words.split(",")),
        )
    except ValueError as error:
        raise SettingsError(f"DAYSTAR_PAYBILL_...: {error}") from error
    return PaybillSettings(rules, validation)


def _word(pair: str) -> tuple[str, PushPurpose]:
    word, _, purpose = pair.partition("=")
    if not _WORD.fullmatch(word.strip()):
        raise ValueError(f"{word!r} is no word of capitals and digits")
    return word.strip(), PushPurpose(purpose.strip())


def _initiator(variables: Variables) -> Initiator | None:
    name = variables.optional(
        "DAYSTAR_MPESA_INITIATOR",
        "the API user who pays out and asks for status and balance; without one, nothing is paid"
        " out from this short code",
    )
    password = variables.optional(
        "DAYSTAR_MPESA_INITIATOR_PASSWORD", "the API user's password", is_secret=True
    )
    certificate = variables.optional(
        "DAYSTAR_MPESA_CERTIFICATE",
        "the file of Safaricom's certificate (PEM) under which the password leaves",
    )
    if name is None:
        return None
    if password is None or certificate is None:
        raise SettingsError(
            "DAYSTAR_MPESA_INITIATOR needs DAYSTAR_MPESA_INITIATOR_PASSWORD and"
            " DAYSTAR_MPESA_CERTIFICATE."
        )
    try:
        pem = Path(certificate).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"DAYSTAR_MPESA_CERTIFICATE: {error}") from error
    return Initiator(name=name, password=password, certificate_pem=pem)


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
