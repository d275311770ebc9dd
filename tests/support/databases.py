"""A real PostgreSQL for the tests: one server a run, one template, a fresh database a test."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from infra.postgres.migrate import migrate
from projections.installation import install_read_models
from projections.read_models import READ_MODELS

_numbers = itertools.count(1)


class Databases:
    """Makes databases, as the owner, from a migrated template."""

    def __init__(self, owner_url: str) -> None:
        self._owner_url = owner_url
        self._template = f"daystar_template_{os.getpid()}"
        self._made: list[str] = [self._template]
        self._execute("CREATE DATABASE {}", self._template)
        migrate(self.url(self._template))
        install_read_models(self.url(self._template), READ_MODELS.values())

    def url(self, name: str) -> str:
        parts = urlsplit(self._owner_url)
        if parts.scheme:
            return urlunsplit(parts._replace(path=f"/{name}"))
        return make_conninfo(self._owner_url, dbname=name)

    @contextmanager
    def fresh(self) -> Iterator[str]:
        name = f"daystar_test_{os.getpid()}_{next(_numbers)}"
        # Copying files beats writing every block into the WAL, which is the default, tenfold.
        self._execute("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, self._template)
        try:
            yield self.url(name)
        finally:
            self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def empty(self) -> str:
        """A database that nobody has migrated."""
        name = f"daystar_empty_{os.getpid()}_{next(_numbers)}"
        self._made.append(name)
        self._execute("CREATE DATABASE {}", name)
        return self.url(name)

    def close(self) -> None:
        for name in self._made:
            self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(self._owner_url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
