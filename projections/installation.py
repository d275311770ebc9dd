"""Putting read models into a database: a schema for each, with its position row."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from infra.postgres.migrate import APPLICATION_ROLE
from projections.read_model import ReadModel

_POSITION = """
CREATE TABLE {schema}.position (
    only_row   boolean     NOT NULL PRIMARY KEY DEFAULT true CHECK (only_row),
    position   bigint      NOT NULL,
    shape      text        NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
"""


def schema_name(model: ReadModel) -> str:
    """Where a read model lives."""
    return f"read_{model.name}"


def install_read_models(owner_url: str, models: Iterable[ReadModel]) -> list[str]:
    """Make the schemas that are missing, and make anew those whose tables have changed.

    A model made anew is empty and follows the log from its beginning. Answers the names made.
    """
    with psycopg.connect(owner_url, autocommit=True) as connection:
        return [model.name for model in models if _install(connection, model)]


def _install(connection: Connection[TupleRow], model: ReadModel) -> bool:
    schema = sql.Identifier(schema_name(model))
    shape = hashlib.sha256(model.tables.encode()).hexdigest()[:16]
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(4803222)")
        if _shape(connection, model) == shape:
            return False
        tables = sql.SQL(_POSITION + model.tables).format(schema=schema)
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(schema))
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
        connection.execute(tables)
        connection.execute(
            sql.SQL("INSERT INTO {}.position (position, shape) VALUES (0, %s)").format(schema),
            (shape,),
        )
        grants = (
            "GRANT USAGE ON SCHEMA {schema} TO {role}",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
        )
        for grant in grants:
            connection.execute(
                sql.SQL(grant).format(schema=schema, role=sql.Identifier(APPLICATION_ROLE))
            )
        connection.execute(
            "INSERT INTO followers.followers (name) VALUES (%s) ON CONFLICT (name) DO UPDATE"
            " SET state = 'following', error = NULL, error_position = NULL",
            (model.name,),
        )
    return True


def _shape(connection: Connection[TupleRow], model: ReadModel) -> str | None:
    exists = connection.execute(
        "SELECT to_regclass(%s) IS NOT NULL", (f"{schema_name(model)}.position",)
    ).fetchone()
    if not exists or not exists[0]:
        return None
    row = connection.execute(
        sql.SQL("SELECT shape FROM {}.position").format(sql.Identifier(schema_name(model)))
    ).fetchone()
    return row[0] if row else None
