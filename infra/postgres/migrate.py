"""Bring a database forward.

Migrations are numbered SQL files; each runs once, in its own transaction, and is never edited
afterwards. Running this twice, or twice at once, is safe.

The application's role comes first: it may run the append function and read, but never insert,
update, delete or truncate events. Tables belong to whoever runs the migrations.
"""

from __future__ import annotations

import hashlib
from importlib import resources

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from infra.errors import InfrastructureError

APPLICATION_ROLE = "daystar_app"
_MIGRATION_LOCK = 4803220

_CREATE_ROLE = f"""
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
        CREATE ROLE {APPLICATION_ROLE} LOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""
# From PostgreSQL 16 on, who makes a role is its member and still may not act as it.
_GRANT_ROLE = f"""
DO $$ BEGIN
    IF NOT pg_has_role(
        current_user, '{APPLICATION_ROLE}',
        CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END
    ) THEN
        EXECUTE format('GRANT {APPLICATION_ROLE} TO %I', current_user);
    END IF;
END $$
"""
_CREATE_JOURNAL = """
CREATE TABLE IF NOT EXISTS public.daystar_migrations (
    name       text        NOT NULL PRIMARY KEY,
    sha256     text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class MigrationError(InfrastructureError):
    """The database cannot be brought forward."""


def migrate(owner_url: str) -> list[str]:
    """Apply what has not been applied yet. Answers the names of the files applied now.

    Raises:
        MigrationError: an applied file was changed, or the role may not be created.
    """
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '60s'")
        connection.execute("SELECT pg_advisory_lock(%s)", (_MIGRATION_LOCK,))
        _prepare_roles(connection)
        connection.execute(_CREATE_JOURNAL)
        applied: dict[str, str] = dict(
            connection.execute("SELECT name, sha256 FROM public.daystar_migrations").fetchall()
        )
        return [name for name, sql in migration_files() if _apply(connection, name, sql, applied)]


def migration_files() -> list[tuple[str, str]]:
    """The migrations in their order: name and SQL."""
    folder = resources.files("infra.postgres").joinpath("migrations")
    files = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return [(file.name, file.read_text()) for file in sorted(files, key=lambda file: file.name)]


def _prepare_roles(connection: Connection[TupleRow]) -> None:
    try:
        connection.execute(_CREATE_ROLE)
        connection.execute(_GRANT_ROLE)
    except psycopg.errors.InsufficientPrivilege as error:
        raise MigrationError(
            f"This login may not create the role {APPLICATION_ROLE}. Ask the database's"
            f" administrator to run: CREATE ROLE {APPLICATION_ROLE} LOGIN;"
            f" GRANT {APPLICATION_ROLE} TO your_login;"
        ) from error


def _apply(connection: Connection[TupleRow], name: str, sql: str, applied: dict[str, str]) -> bool:
    digest = hashlib.sha256(sql.encode()).hexdigest()
    if name in applied:
        if applied[name] != digest:
            raise MigrationError(
                f"{name} was changed after it had been applied. Restore the file and put the"
                " change into a new migration."
            )
        return False
    with connection.transaction():
        connection.execute(sql)
        connection.execute(
            "INSERT INTO public.daystar_migrations (name, sha256) VALUES (%s, %s)", (name, digest)
        )
    return True
