"""Putting read models into a database: a schema for each, with its position row."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import LiteralString

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


def remake_read_models_beyond(
    owner_url: str, models: Iterable[ReadModel], *, head: int
) -> list[str]:
    """Make anew the read models that know of events beyond the log's head. Answers their names."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        return [model.name for model in models if _remake_beyond(connection, model, head)]


def make_tables(connection: Connection[TupleRow], model: ReadModel, schema: str) -> None:
    """An empty read model in a schema of this name, without its indexes."""
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    _run(connection, _POSITION + model.tables, schema)
    connection.execute(
        sql.SQL("INSERT INTO {}.position (position, shape) VALUES (0, %s)").format(
            sql.Identifier(schema)
        ),
        (_shape(model),),
    )
    _run(connection, "GRANT USAGE ON SCHEMA {schema} TO {role}", schema)
    _run(
        connection,
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
        schema,
    )


def make_indexes(connection: Connection[TupleRow], model: ReadModel, schema: str) -> None:
    """What makes reading fast, and filling slow."""
    _run(connection, model.indexes, schema)


def drop_schema(connection: Connection[TupleRow], schema: str) -> None:
    """Remove a schema and all in it, if it is there."""
    _run(connection, "DROP SCHEMA IF EXISTS {schema} CASCADE", schema)


def _run(connection: Connection[TupleRow], statement: LiteralString, schema: str) -> None:
    connection.execute(
        sql.SQL(statement).format(
            schema=sql.Identifier(schema), role=sql.Identifier(APPLICATION_ROLE)
        )
    )


def _install(connection: Connection[TupleRow], model: ReadModel) -> bool:
    schema = schema_name(model)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(4803222)")
        if _installed_shape(connection, schema) == _shape(model):
            return False
        _make_anew(connection, model)
    return True


def _remake_beyond(connection: Connection[TupleRow], model: ReadModel, head: int) -> bool:
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(4803222)")
        row = connection.execute(
            sql.SQL("SELECT position FROM {}.position").format(sql.Identifier(schema_name(model)))
        ).fetchone()
        if row is None or row[0] <= head:
            return False
        _make_anew(connection, model)
    return True


def _make_anew(connection: Connection[TupleRow], model: ReadModel) -> None:
    schema = schema_name(model)
    drop_schema(connection, schema)
    make_tables(connection, model, schema)
    make_indexes(connection, model, schema)
    connection.execute(
        "INSERT INTO followers.followers (name) VALUES (%s) ON CONFLICT (name) DO UPDATE"
        " SET state = 'following', error = NULL, error_position = NULL",
        (model.name,),
    )


def _shape(model: ReadModel) -> str:
    """Changes whenever the tables do."""
    return hashlib.sha256((model.tables + model.indexes).encode()).hexdigest()[:16]


def _installed_shape(connection: Connection[TupleRow], schema: str) -> str | None:
    exists = connection.execute(
        "SELECT to_regclass(%s) IS NOT NULL", (f"{schema}.position",)
    ).fetchone()
    if not exists or not exists[0]:
        return None
    row = connection.execute(
        sql.SQL("SELECT shape FROM {}.position").format(sql.Identifier(schema))
    ).fetchone()
    return row[0] if row else None
