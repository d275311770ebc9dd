"""What an administrator does at the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import click
import psycopg

from app.wiring import Services, bring_forward, database_urls, running_database
from domain.api_keys.api_key import KEY_DIGEST, ApiKey, Permission
from domain.api_keys.handlers import IssueApiKey, RevokeApiKey, RotateApiKey
from domain.errors import DomainError
from domain.members.errors import MemberNumberUnknown
from domain.members.member import MEMBER_NUMBER
from domain.money import cents_from_text, text_from_cents
from domain.principals.principal import (
    PRINCIPAL_NAME,
    AddPrincipal,
    Principal,
    PrincipalKind,
    Role,
)
from infra import clock
from infra.event_store.dispatch import dispatch
from infra.event_store.unit_of_work import Cause, UnitOfWork
from infra.key_check import key_sha256, new_api_key
from infra.keyring import new_master_key
from infra.master_key_rotation import rotate_master_key as encrypt_again
from infra.settings import read_settings

_SELECT_STREAMS_OF_SCOPE = """
SELECT DISTINCT stream_id FROM event_store.keys WHERE scope = %s LIMIT 10000
"""


@contextmanager
def administrator() -> Iterator[tuple[Services, Cause]]:
    """Services for one command; refusals become a sentence."""
    settings = read_settings()
    with running_database(settings):
        services = Services(settings, pool_size=2)
        try:
            yield services, Cause("system:command-line", uuid4().hex)
        except DomainError as error:
            raise click.ClickException(error.sentence) from error
        finally:
            services.close()


@click.command()
def migrate() -> None:
    """Bring the database forward. Safe to run twice.

    Example: daystar migrate
    """
    settings = read_settings()
    with running_database(settings) as urls:
        for line in bring_forward(urls):
            click.echo(line)
        click.echo("the database is up to date")


@click.command("master-key")
def master_key() -> None:
    """Print a new master key for DAYSTAR_MASTER_KEY.

    Example: DAYSTAR_MASTER_KEY="$(daystar master-key)" daystar up
    """
    click.echo(new_master_key())


@click.command("rotate-master-key")
def rotate_master_key() -> None:
    """Encrypt again, under the first key of DAYSTAR_MASTER_KEY, all that lies under the others.

    Every process must have been started with the new list before. Safe to run again.

    Example: DAYSTAR_MASTER_KEY="$NEW,$OLD" daystar rotate-master-key
    """
    with (
        administrator() as (services, _),
        psycopg.connect(database_urls(services.settings).owner, autocommit=True) as connection,
    ):
        for table, rows in encrypt_again(connection, services.keyring).items():
            click.echo(f"{table:<28} {rows:>10,} rows encrypted again")
    click.echo("nothing lies under an older key: take it from the list, and start everything anew")


@click.group()
def principals() -> None:
    """Persons and systems that act.

    Example: daystar principals add --name "Jane Wanjiku" --role operator
    """


@principals.command("add")
@click.option("--name", required=True, help="Who it is.")
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in PrincipalKind]),
    default="person",
    help="Person or system.",
)
@click.option(
    "--role",
    "roles",
    type=click.Choice([role.value for role in Role]),
    multiple=True,
    required=True,
)
@click.option("--approval-limit", default=None, help="The largest sum they approve, in shillings.")
@click.option(
    "--member",
    "member_number",
    metavar="NUMBER",
    help="Their member number, where they are a member too: nobody decides for themselves.",
)
def add(
    name: str,
    kind: str,
    roles: tuple[str, ...],
    approval_limit: str | None,
    member_number: str | None,
) -> None:
    """Let somebody, or something, act. Prints the principal's id.

    Example: daystar principals add --name "Jane Wanjiku" --role approver --approval-limit 200000
    """
    with administrator() as (services, cause):
        limit = cents_from_text(approval_limit, field="approval_limit") if approval_limit else 0
        principal = dispatch(
            services.store,
            AddPrincipal(
                uuid4(),
                name,
                PrincipalKind(kind),
                tuple(Role(role) for role in roles),
                limit,
                member_id=_member_id(services, cause, member_number) if member_number else None,
            ),
            cause,
        )
    click.echo(principal.id)


@principals.command("list")
def list_principals() -> None:
    """List all principals.

    Example: daystar principals list
    """
    with administrator() as (services, cause):
        for stream_id in _streams(services, PRINCIPAL_NAME):
            principal = UnitOfWork(services.store, cause).get(Principal, stream_id)
            limit = text_from_cents(principal.approval_limit_cents)
            roles = ",".join(principal.roles)
            member = f"  member {principal.member_id}" if principal.member_id else ""
            click.echo(
                f"{stream_id}  {principal.kind:<7} {principal.name}  {roles}  {limit}{member}"
            )


def _member_id(services: Services, cause: Cause, member_number: str) -> UUID:
    found = UnitOfWork(services.store, cause).lookup(MEMBER_NUMBER, member_number)
    if not found:
        raise MemberNumberUnknown
    return found[0]


@click.group()
def keys() -> None:
    """API keys.

    Example: daystar keys issue --name "Sage" --permission read_members
    """


@keys.command()
@click.option("--name", required=True, help="The principal who will use the key.")
@click.option(
    "--permission",
    "permissions",
    type=click.Choice([kind.value for kind in Permission]),
    multiple=True,
)
@click.option(
    "--address",
    "addresses",
    metavar="CIDR",
    multiple=True,
    help="A network the key opens from; without any, it opens from everywhere.",
)
@click.option(
    "--expires-in-days",
    type=click.IntRange(1, 3_650),
    help="When the key stops opening; without it, never.",
)
def issue(
    name: str, permissions: tuple[str, ...], addresses: tuple[str, ...], expires_in_days: int | None
) -> None:
    """Issue a key. It is shown once, alone on the last line.

    Example: daystar keys issue --name "Sage" --permission read_members --expires-in-days 365
    """
    with administrator() as (services, cause):
        key_id, key = issue_key(
            services,
            cause,
            name=name,
            permissions=permissions,
            addresses=addresses,
            expires_at=clock.now() + timedelta(days=expires_in_days) if expires_in_days else None,
        )
    click.echo(f"key id {key_id}")
    click.echo(key)


@keys.command("list")
def list_keys() -> None:
    """List all keys, revoked ones too, and when each was last used.

    Example: daystar keys list
    """
    with administrator() as (services, cause):
        last_uses = services.usage.last_uses()
        for stream_id in _streams(services, KEY_DIGEST):
            unit = UnitOfWork(services.store, cause)
            key = unit.get(ApiKey, stream_id)
            owner = unit.find(Principal, UUID(key.principal_id))
            state = _state(key)
            limits = [*key.addresses, *([f"until {key.expires_at}"] if key.expires_at else [])]
            name = owner.name if owner else key.principal_id
            used_at = last_uses.get(stream_id)
            used = f"last used {used_at:%Y-%m-%d %H:%M:%S %Z}" if used_at else "never used"
            click.echo(
                f"{stream_id}  {state:<8} {name}  {','.join([*key.permissions, *limits])}  {used}"
            )


@keys.command()
@click.argument("key_id", type=click.UUID)
@click.option(
    "--overlap-hours", default=24.0, show_default=True, help="How long the old key still opens."
)
def rotate(key_id: UUID, overlap_hours: float) -> None:
    """Put a new key in the place of an old one. It is shown once, alone on the last line.

    Example: daystar keys rotate 6f1c1df2-7a3e-5d0e-9a52-0f4b3c8e2a10 --overlap-hours 1
    """
    key = new_api_key()
    with administrator() as (services, cause):
        old_expires_at = clock.now() + timedelta(hours=overlap_hours)
        dispatch(services.store, RotateApiKey(key_id, key_sha256(key), old_expires_at), cause)
    click.echo(f"the old key opens until {old_expires_at.isoformat()}")
    click.echo(key)


@keys.command()
@click.argument("key_id", type=click.UUID)
@click.option("--reason", required=True, help="Why; it is kept.")
def revoke(key_id: UUID, reason: str) -> None:
    """Close a key for good; within a second it opens nothing.

    Example: daystar keys revoke 6f1c1df2-7a3e-5d0e-9a52-0f4b3c8e2a10 --reason "laptop stolen"
    """
    with administrator() as (services, cause):
        dispatch(services.store, RevokeApiKey(key_id, reason), cause)
    click.echo("revoked")


def issue_key(
    services: Services,
    cause: Cause,
    *,
    name: str,
    permissions: tuple[str, ...],
    addresses: tuple[str, ...] = (),
    expires_at: datetime | None = None,
) -> tuple[UUID, str]:
    """Issue a key to the principal of this name, who is made if there is none."""
    found = UnitOfWork(services.store, cause).lookup(
        PRINCIPAL_NAME, " ".join(name.split()).casefold()
    )
    principal_id = found[0] if found else uuid4()
    key_id, key = uuid4(), new_api_key()
    command = IssueApiKey(
        key_id,
        principal_id,
        tuple(Permission(permission) for permission in permissions),
        key_sha256(key),
        clock.now(),
        addresses,
        expires_at,
        new_principal=None
        if found
        else AddPrincipal(principal_id, name, PrincipalKind.SYSTEM, (Role.OPERATOR,), 0),
    )
    dispatch(services.store, command, cause)
    return key_id, key


def _state(key: ApiKey) -> str:
    if key.revoked:
        return "revoked"
    return "expired" if key.has_expired(now=clock.now()) else "open"


def _streams(services: Services, scope: str) -> list[UUID]:
    with services.pool.connection() as connection:
        rows = connection.execute(_SELECT_STREAMS_OF_SCOPE, (scope,)).fetchall()
    return [row[0] for row in rows]
