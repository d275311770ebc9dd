"""Encrypting again, under the newest master key, whatever lies under an older one.

Safe while everything runs, as long as every process knows both keys: a row is only replaced if it
is still what was read, rows go in small transactions, and a second run finishes what a first left.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from psycopg import Connection, sql

from infra.keyring import Keyring

SLICE_ROWS = 500

# Every column that holds what `Keyring.encrypt` made: table, key, column.
ENCRYPTED_COLUMNS = (
    ("secrets.secrets", "name", "ciphertext"),
    ("event_store.personal_keys", "owner_id", "wrapped_key"),
    ("event_store.idempotency", "request_key", "body"),
    ("intake.callbacks", "callback_id", "body"),
    ("mpesa.access_tokens", "credentials", "token"),
    ("mpesa.statement_lines", "line_id", "particulars"),
)
_FIRST = "SELECT {key}, {column} FROM {table} WHERE {column} <> '' ORDER BY {key} LIMIT %s"
_NEXT = """
SELECT {key}, {column} FROM {table} WHERE {column} <> '' AND {key} > %s
ORDER BY {key} LIMIT %s
"""
_REPLACE = "UPDATE {table} SET {column} = %s WHERE {key} = %s AND {column} = %s"
_FORGET = "DELETE FROM secrets.master_key WHERE fingerprint <> %s"


def rotate_master_key(connection: Connection[Any], keyring: Keyring) -> dict[str, int]:
    """Leave nothing under an older key. Answers how many rows of each table were encrypted again.

    The connection is the owner's, in autocommit mode.
    """
    rotated = {
        table: sum(
            _rotate(connection, keyring, names, rows)
            for names in [_names(table, key, column)]
            for rows in _slices(connection, names)
        )
        for table, key, column in ENCRYPTED_COLUMNS
    }
    connection.execute(_FORGET, (keyring.fingerprint,))
    return rotated


def _names(table: str, key: str, column: str) -> dict[str, sql.Composable]:
    return {
        "table": sql.Identifier(*table.split(".")),
        "key": sql.Identifier(key),
        "column": sql.Identifier(column),
    }


def _slices(
    connection: Connection[Any], names: dict[str, sql.Composable]
) -> Iterator[list[tuple[Any, bytes]]]:
    rows = connection.execute(sql.SQL(_FIRST).format(**names), (SLICE_ROWS,)).fetchall()
    while rows:
        yield rows
        after = rows[-1][0]
        rows = connection.execute(sql.SQL(_NEXT).format(**names), (after, SLICE_ROWS)).fetchall()


def _rotate(
    connection: Connection[Any],
    keyring: Keyring,
    names: dict[str, sql.Composable],
    rows: list[tuple[Any, bytes]],
) -> int:
    replaced = 0
    with connection.transaction():
        for key, old in rows:
            new = keyring.under_newest_key(bytes(old))
            if new is not None:
                replaced += connection.execute(
                    sql.SQL(_REPLACE).format(**names), (new, key, old)
                ).rowcount
    return replaced
