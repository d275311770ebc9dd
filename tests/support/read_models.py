"""Read models as plain rows, to be compared and to be made anew."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from projections.installation import schema_name
from projections.read_models import READ_MODELS


def dumped(owner_url: str) -> dict[str, list[Any]]:
    """Every row of every read model, by table, in a fixed order; with the positions."""
    rows: dict[str, list[Any]] = {}
    with psycopg.connect(owner_url, autocommit=True) as connection:
        for model in READ_MODELS.values():
            schema = schema_name(model)
            for table in model.keys:
                query = sql.SQL("SELECT to_jsonb(t) FROM {} AS t").format(
                    sql.Identifier(schema, table)
                )
                found = [row[0] for row in connection.execute(query).fetchall()]
                rows[f"{schema}.{table}"] = sorted(found, key=str)
            query = sql.SQL("SELECT position FROM {}").format(sql.Identifier(schema, "position"))
            rows[f"{schema}.position"] = connection.execute(query).fetchall()
    return rows


def emptied(owner_url: str) -> None:
    """Put every read model back to where the log begins."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        for model in READ_MODELS.values():
            schema = schema_name(model)
            for table in model.keys:
                connection.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(schema, table)))
            connection.execute(
                sql.SQL("UPDATE {} SET position = 0").format(sql.Identifier(schema, "position"))
            )
