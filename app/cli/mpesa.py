"""M-Pesa at the command line: the short codes, their secrets, and whether Safaricom knows them."""

from __future__ import annotations

import tomllib
from typing import Any, TextIO
from urllib.parse import urlsplit

import click
from cryptography.x509 import load_pem_x509_certificate
from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from app.cli.administration import administrator
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
from infra.mpesa.outcomes import (
    AlreadyTaken,
    Ambiguous,
    NotSent,
    Refused,
    RequestOutcome,
    Taken,
)
from infra.mpesa.paybill_calls import ResponseType
from infra.mpesa.short_codes import NoCredentials

_SECRET = validate.Length(1, 4_000)
_DIGITS = validate.Regexp(r"^[0-9]{5,7}$", error="Give the 5 to 7 digits of a short code.")
_HOSTS = {"sandbox": SANDBOX_BASE_URL, "production": PRODUCTION_BASE_URL}


@click.group()
def mpesa() -> None:
    """The co-operative's paybills and tills.

    Example: daystar mpesa list
    """


@mpesa.command("list")
def list_short_codes() -> None:
    """Show each short code: environment, kind, whether it may pay out. No secrets.

    Example: daystar mpesa list
    """
    with administrator() as (services, _):
        for credentials in services.short_codes.all().values():
            click.echo(_in_short(credentials))


@mpesa.command("keep")
@click.argument("file", type=click.File())
def keep(file: TextIO) -> None:
    r"""Keep a short code's secrets, encrypted, from a TOML file or from standard input (-).

    \b
    environment = "sandbox"            # or "production"
    short_code = "600992"
    consumer_key = "..."
    consumer_secret = "..."
    pass_key = "..."
    # till = "5001234"                 # Buy Goods: short_code is then the store number
    # c2b_version = "v1"               # "v2" if not given
    # [initiator]                      # to pay out, and to ask for status and balance
    # name = "..."
    # password = "..."
    # certificate = '''-----BEGIN CERTIFICATE-----...'''

    Remove the file afterwards. Example: daystar mpesa keep 600992.toml
    """
    credentials = _read(file)
    with administrator() as (services, _):
        if services.settings.mpesa and services.settings.mpesa.short_code == credentials.short_code:
            raise click.ClickException(
                "The environment names this short code (DAYSTAR_MPESA_...), and comes first."
            )
        if not services.settings.is_demo and is_loopback(urlsplit(credentials.base_url).hostname):
            raise click.ClickException("base_url: production does not talk to a simulator.")
        services.short_codes.keep(credentials)
        click.echo(_in_short(credentials))
        click.echo(f"Try it: daystar mpesa test {credentials.short_code}")


@mpesa.command("forget")
@click.argument("short_code")
def forget(short_code: str) -> None:
    """Remove a kept short code's secrets.

    Example: daystar mpesa forget 600992
    """
    with administrator() as (services, _):
        if not services.short_codes.remove(short_code):
            raise click.ClickException(f"No secrets are kept for {short_code}.")
        click.echo(f"forgotten {short_code}")


@mpesa.command("test")
@click.argument("short_code")
def test(short_code: str) -> None:
    """Ask Safaricom for an access token, for real. Moves no money.

    The token that was in use ends with it; every process takes up the new one by itself.

    Example: daystar mpesa test 600992
    """
    with administrator() as (services, _):
        try:
            client = services.short_codes.client(short_code)
        except NoCredentials as error:
            raise click.ClickException(str(error)) from error
        reason = client.why_not_connected()
        if reason is not None:
            raise click.ClickException(f"{short_code}: {reason}")
        click.echo(f"{short_code}: Safaricom gave an access token")


@mpesa.command("register")
@click.argument("short_code")
@click.option(
    "--response-type",
    type=click.Choice(["Completed", "Cancelled"]),
    default="Completed",
    show_default=True,
    help="What M-Pesa does with a payment where our validation does not answer in time.",
)
def register(short_code: str, response_type: ResponseType) -> None:
    """Tell Safaricom where to tell of payments to a paybill or till.

    In production this is taken once; another time the addresses are changed in Safaricom's portal.
    The addresses hold secrets: whoever knows them can tell us of payments. They are not printed.

    Example: daystar mpesa register 600992
    """
    with administrator() as (services, _):
        try:
            client = services.short_codes.client(short_code)
        except NoCredentials as error:
            raise click.ClickException(str(error)) from error
        outcome = client.register_urls(
            confirmation_url=services.paybill_url(short_code, "confirmation"),
            validation_url=services.paybill_url(short_code, "validation"),
            response_type=response_type,
        )
        click.echo(f"{short_code}: {_registered(outcome)}")


def _registered(outcome: RequestOutcome) -> str:
    """What Safaricom said. Raises ClickException where it did not take the addresses."""
    match outcome:
        case Taken():
            return "Safaricom took the addresses"
        case AlreadyTaken():
            return (
                "Safaricom has addresses of this short code already, perhaps others than ours;"
                " they are changed in its portal (URL management)"
            )
        case NotSent(reason):
            raise click.ClickException(f"not sent: {reason}. Try again.")
        case Refused(code, reason):
            raise click.ClickException(f"refused ({code}): {reason}")
        case Ambiguous(reason):
            raise click.ClickException(f"no clear answer: {reason}. Try again: it does no harm.")


class _InitiatorFile(Schema):
    name = fields.String(required=True, validate=validate.Length(1, 100))
    password = fields.String(required=True, validate=_SECRET)
    certificate = fields.String(required=True, validate=_SECRET)

    @post_load
    def _made(self, data: dict[str, Any], **_: Any) -> Initiator:
        try:
            load_pem_x509_certificate(data["certificate"].encode())
        except ValueError as error:
            raise ValidationError("This is no PEM certificate.", "certificate") from error
        return Initiator(
            name=data["name"], password=data["password"], certificate_pem=data["certificate"]
        )


class _ShortCodeFile(Schema):
    environment = fields.String(validate=validate.OneOf(list(_HOSTS)))
    base_url = fields.URL(schemes={"http", "https"}, require_tld=False)
    short_code = fields.String(required=True, validate=_DIGITS)
    till = fields.String(validate=_DIGITS, load_default=None)
    consumer_key = fields.String(required=True, validate=_SECRET)
    consumer_secret = fields.String(required=True, validate=_SECRET)
    pass_key = fields.String(required=True, validate=_SECRET)
    c2b_version = fields.Enum(C2bVersion, by_value=True, load_default=C2bVersion.V2)
    initiator = fields.Nested(_InitiatorFile, load_default=None)

    @validates_schema
    def _one_host(self, data: dict[str, Any], **_: Any) -> None:
        if ("environment" in data) == ("base_url" in data):
            raise ValidationError("Give an environment (or a base_url in its place).")

    @post_load
    def _made(self, data: dict[str, Any], **_: Any) -> Credentials:
        base_url = data["base_url"] if "base_url" in data else _HOSTS[data["environment"]]
        till, short_code = data["till"], data["short_code"]
        return Credentials(
            name=f"{short_code}@{urlsplit(base_url).netloc}",
            base_url=base_url.rstrip("/"),
            consumer_key=data["consumer_key"],
            consumer_secret=data["consumer_secret"],
            short_code=short_code,
            pass_key=data["pass_key"],
            transaction_type=BUY_GOODS if till else PAY_BILL,
            party_b=till or short_code,
            initiator=data["initiator"],
            c2b_version=data["c2b_version"],
        )


def _read(file: TextIO) -> Credentials:
    try:
        credentials: Credentials = _ShortCodeFile().load(tomllib.loads(file.read()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.ClickException(f"This is not TOML: {error}") from error
    except ValidationError as error:
        raise click.ClickException(_said(error.messages_dict)) from error
    return credentials


def _in_short(credentials: Credentials) -> str:
    host = credentials.base_url
    environment = next((name for name, url in _HOSTS.items() if url == host), host)
    is_till = credentials.transaction_type == BUY_GOODS
    kind = f"till {credentials.party_b}" if is_till else "paybill"
    pays = "may pay out" if credentials.initiator else "only collects"
    return f"{credentials.short_code:<8} {environment:<12} {kind:<24} {pays}"


def _said(messages: dict[str, Any], within: str = "") -> str:
    """What is wrong with which key, without the value: it may be a secret."""
    return "; ".join(
        _said(told, f"{within}{name}.") if isinstance(told, dict) else f"{within}{name}: {told[0]}"
        for name, told in messages.items()
    )
