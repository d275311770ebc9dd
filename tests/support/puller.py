"""Somebody else's system that pulls the change feed into tables of its own.

`python -m tests.support.puller DATABASE_URL FEED_URL API_KEY` pulls for ever, in a child whose
process id it says; where that is killed, in another.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import orjson
import psycopg
import requests

TABLES = """
CREATE SCHEMA puller;
CREATE TABLE puller.place (next_after bigint NOT NULL);
INSERT INTO puller.place VALUES (0);
CREATE TABLE puller.items (id text PRIMARY KEY);
CREATE TABLE puller.held (kind text, id text, fields jsonb NOT NULL, PRIMARY KEY (kind, id));
"""
KINDS = ("loan", "repayment", "contribution", "member")
_PUT = """
INSERT INTO puller.held AS held VALUES (%s, %s, %s)
ON CONFLICT (kind, id) DO UPDATE SET fields = held.fields || excluded.fields
"""


def pull(connection: psycopg.Connection[Any], url: str, key: str, *, wait: int) -> bool:
    """Ask for a page, and keep it and the next place in one transaction. Whether more follows."""
    with connection.transaction():
        [[after]] = connection.execute("SELECT next_after FROM puller.place FOR UPDATE").fetchall()
    parameters = {"after": after, "limit": 7, "wait": wait}
    answer = requests.get(url, params=parameters, headers={"X-API-Key": key}, timeout=60)
    answer.raise_for_status()
    page = answer.json()
    with connection.transaction():
        for item in page["changes"]:
            connection.execute("INSERT INTO puller.items VALUES (%s)", (item["id"],))  # never twice
            kind = item["type"].partition(".")[0]
            if kind in KINDS:
                fields = item["data"] | {"updated_at": item["occurred_at"]}
                connection.execute(_PUT, (kind, item["data"]["id"], orjson.dumps(fields).decode()))
        connection.execute(
            "UPDATE puller.place SET next_after = %s WHERE next_after = %s",
            (page["next_after"], after),
        )
    return bool(page["more"])


def main(database_url: str, feed_url: str, key: str) -> None:
    """Pull for ever, whoever is killed."""
    while True:
        child = os.fork()
        if child == 0:
            with psycopg.connect(database_url, autocommit=True) as connection:
                while True:
                    pull(connection, feed_url, key, wait=1)
        print(child, flush=True)  # noqa: T201 (it is how one learns whom to kill)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
