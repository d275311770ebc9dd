"""The whole application over one database, and somebody who knocks at its doors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.cli.administration import issue_key
from app.factory import create_app
from app.wiring import Services
from domain.api_keys.api_key import Permission
from domain.dates import business_day
from domain.principals.principal import PRINCIPAL_NAME, Role
from infra import clock
from infra.event_store.unit_of_work import UnitOfWork
from infra.settings import Settings, read_settings
from tests.conftest import MASTER_KEY
from tests.support.co_operative import CAUSE, CoOperative

REQUEST_ID = "asked-by-a-test"
MEMBERS = "/daystar-accounting/v1/members"
CONTRIBUTIONS = "/daystar-accounting/v1/contributions"
CHANGES = "/daystar-accounting/v1/changes"
WEBHOOKS = "/daystar-accounting/v1/webhooks"
EVENTS = "/daystar/v1/events"
REGISTER = "/daystar/v1/members"
RECORD = "/daystar/v1/contributions"
PUSH = "/daystar/v1/mpesa/stk-push"
TRANSACTIONS = "/daystar/v1/mpesa/transactions"
RECEIPTS = "/daystar/v1/mpesa/receipts"
SUSPENSE = "/daystar/v1/mpesa/suspense"
SET_ASIDE = "/daystar/v1/mpesa/set-aside"
LOANS = "/daystar/v1/loans"
REFUNDS = "/daystar/v1/refunds"
PAYOUTS = "/daystar/v1/mpesa/payouts"
LANES = "/daystar/v1/mpesa/lanes"
LOAN_BOOKS = "/daystar-accounting/v1/loans"
REPAYMENTS = "/daystar-accounting/v1/repayments"
SUMMARY = "/daystar-accounting/v1/financial-summary"
ALL_PERMISSIONS = tuple(Permission)

# All but `api`, which counts requests: refusals too.
_TABLES = """
SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables
WHERE schemaname NOT IN ('api', 'pg_catalog', 'information_schema') ORDER BY 1
"""


def settings_for(owner_url: str, data_directory: Path, **changes: Any) -> Settings:
    """The demo's settings on this database, read from an environment as a process reads them."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DATABASE_URL", owner_url)
        environment.setenv("DAYSTAR_ENV", "demo")
        environment.setenv("DAYSTAR_MASTER_KEY", MASTER_KEY)
        environment.setenv("DAYSTAR_DATA_DIR", str(data_directory))
        environment.setenv("DAYSTAR_RATE_LIMIT", "1000000")
        environment.setenv("DAYSTAR_MPESA_SINCE", "2020-01-01")
        return replace(read_settings(), **changes)


class Client:
    """Asks as a client would: with a key, a request id and, for a POST, an Idempotency-Key."""

    def __init__(self, app: Flask, key: str | None) -> None:
        self._app = app
        self.key = key

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.send("GET", path, **options)

    def post(self, path: str, body: Any, **options: Any) -> TestResponse:
        """Post a body as JSON."""
        return self.post_bytes(path, json.dumps(body).encode(), **options)

    def post_bytes(
        self,
        path: str,
        data: bytes,
        *,
        content_type: str | None = "application/json",
        headers: Mapping[str, str | None] | None = None,
        **options: Any,
    ) -> TestResponse:
        """Post bytes as they are."""
        fresh = {"Idempotency-Key": uuid4().hex, **(headers or {})}
        return self.send(
            "POST", path, data=data, content_type=content_type, headers=fresh, **options
        )

    def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str | None] | None = None,
        **options: Any,
    ) -> TestResponse:
        """Send a request. A header that is None is left out."""
        usual = {"X-Request-Id": REQUEST_ID}
        if self.key is not None:
            usual["Authorization"] = f"Bearer {self.key}"
        wanted = {**usual, **(headers or {})}
        sent = {name: value for name, value in wanted.items() if value is not None}
        return self._app.test_client().open(path, method=method, headers=sent, **options)


@dataclass(frozen=True)
class House:
    """An application, its services, and a view of its database as the owner."""

    services: Services
    app: Flask
    owner: psycopg.Connection[Any]

    @property
    def co_operative(self) -> CoOperative:
        return CoOperative(self.services.store)

    def issue(self, *permissions: str, name: str = "Sage") -> tuple[UUID, str]:
        return issue_key(self.services, CAUSE, name=name, permissions=permissions)

    def client(self, *permissions: str) -> Client:
        """Somebody with a key of these permissions."""
        return Client(self.app, self.issue(*permissions)[1])

    def member(self, **fields: Any) -> UUID:
        today = business_day(clock.now())
        return self.co_operative.member(**({"registered_on": today, "today": today} | fields))

    def contribution(self, member_id: UUID, **fields: Any) -> UUID:
        today = business_day(clock.now())
        dates = {"contributed_on": today, "today": today}
        return self.co_operative.contribution(member_id, **(dates | fields))

    def approver(self, *permissions: str, name: str = "Treasurer") -> Client:
        """A person who may decide loans, and whose key opens this."""
        roles = (Role.APPROVER, Role.OPERATOR)
        self.co_operative.principal(name=name, roles=roles)
        return Client(self.app, self.issue(*permissions, name=name)[1])

    def principal_id(self, name: str = "Treasurer") -> str:
        """Whose key an `approver` of this name shows."""
        unit = UnitOfWork(self.services.store, CAUSE)
        return str(unit.lookup(PRINCIPAL_NAME, name.casefold())[0])

    def follow(self) -> None:
        """Bring the read models up to the head of the log."""
        self.co_operative.follower().catch_up()

    def count(self, table: str) -> int:
        row = self.owner.execute(f"SELECT count(*) FROM {table}").fetchone()
        assert row is not None
        return row[0]

    def contents(self) -> list[tuple[str, int, str]]:
        """Every table there is, but those that count requests: its size and its digest."""
        return self._of_every_table("hashtextextended(t::text, 0)")

    def versions(self) -> list[tuple[str, int, str]]:
        """The same by the transactions that wrote the rows: cheap, however many there are."""
        return self._of_every_table("t.xmin::text::bigint")

    def _of_every_table(self, mark: str) -> list[tuple[str, int, str]]:
        tables = [row[0] for row in self.owner.execute(_TABLES).fetchall()]
        return self.owner.execute(
            " UNION ALL ".join(
                f"SELECT '{table}', count(*), coalesce(sum({mark}), 0)::text FROM {table} t"
                for table in tables
            )
        ).fetchall()

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Whatever happens inside must leave no trace."""
        before = self.contents()
        yield
        assert self.contents() == before


@contextmanager
def open_house(owner_url: str, data_directory: Path, **changes: Any) -> Iterator[House]:
    """A house on this database, its settings changed as told."""
    services = Services(settings_for(owner_url, data_directory, **changes), pool_size=12)
    try:
        with psycopg.connect(owner_url, autocommit=True) as owner:
            yield House(services, create_app(services), owner)
    finally:
        services.close()


def assert_refused(response: TestResponse, status: int, code: str) -> dict[str, Any]:
    """One shape for every refusal: RFC 9457 with the contract's fields, and the request's id."""
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    assert response.headers["X-Request-Id"] == REQUEST_ID
    problem = json.loads(response.data)
    assert problem["code"] == code, problem
    assert problem["message"], "a refusal says why"
    assert problem["message"] == problem["detail"]
    assert problem["data"] == {"status": status}
    assert problem["status"] == status
    assert problem["request_id"] == REQUEST_ID
    assert set(problem) - {"errors"} == {
        *("type", "title", "status", "detail", "code", "message", "data", "request_id")
    }
    return problem
