"""Endpoints as whoever sends to them reads them, and their owners list them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

from psycopg_pool import ConnectionPool

from infra.event_store.reader import RecordedEvent
from infra.postgres.pool import borrowed
from projections.listing import Listing
from projections.read_model import ReadModel
from projections.rows import Rows

TABLES = """
CREATE TABLE {schema}.endpoints (
    endpoint_id           uuid        NOT NULL PRIMARY KEY,
    position              bigint      NOT NULL,
    owner_id              uuid        NOT NULL,
    key_id                uuid        NOT NULL,
    url                   text        NOT NULL,
    host                  text        NOT NULL,
    types                 text[]      NOT NULL,
    payload               text        NOT NULL,
    masked_fields         text[]      NOT NULL,
    rate_limit_per_second integer,
    description           text,
    state                 text        NOT NULL,
    begins_after          bigint      NOT NULL,
    is_backfilled         boolean     NOT NULL,
    disabled_reason       text,
    disabled_at           timestamptz,
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL
) WITH (fillfactor = 80);
CREATE TABLE {schema}.secrets (
    secret_id   uuid   NOT NULL PRIMARY KEY,
    endpoint_id uuid   NOT NULL,
    position    bigint NOT NULL,
    expires_at  timestamptz
);
"""
INDEXES = """
CREATE INDEX endpoints_of_owner ON {schema}.endpoints (owner_id, position DESC);
CREATE INDEX endpoints_told ON {schema}.endpoints USING gin (types) WHERE state <> 'deleted';
CREATE INDEX secrets_of_endpoint ON {schema}.secrets (endpoint_id);
"""
_TERMS = (
    *("url", "host", "types", "payload", "masked_fields", "rate_limit_per_second", "description"),
)
_VALID_SECRETS = """
SELECT secret_id FROM read_webhook_endpoints.secrets
WHERE endpoint_id = %s AND (expires_at IS NULL OR expires_at > clock_timestamp())
ORDER BY position DESC
"""


def _created(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    """Without a chosen position it begins with what follows its own creation."""
    data = event.data
    chosen = data["begins_after"]
    rows["endpoints"].add(
        str(event.stream_id),
        position=event.position,
        owner_id=data["owner_id"],
        key_id=data["key_id"],
        **{name: data[name] for name in _TERMS},
        state="active",
        begins_after=event.position if chosen is None else chosen,
        is_backfilled=chosen is not None,
        disabled_reason=None,
        disabled_at=None,
        created_at=data["created_at"],
        updated_at=event.recorded_at,
    )
    _sign_with(event, rows)


def _changed(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    terms = {name: event.data[name] for name in _TERMS}
    rows["endpoints"].set(str(event.stream_id), **terms, updated_at=event.recorded_at)


def _now(state: str) -> Callable[[RecordedEvent, Mapping[str, Rows]], None]:
    """It is in this state, and not disabled."""

    def fold(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
        rows["endpoints"].set(
            str(event.stream_id),
            state=state,
            disabled_reason=None,
            disabled_at=None,
            updated_at=event.recorded_at,
        )

    return fold


def _disabled(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    rows["endpoints"].set(
        str(event.stream_id),
        state="disabled",
        disabled_reason=event.data["reason"],
        disabled_at=event.data["disabled_at"],
        updated_at=event.recorded_at,
    )


def _deleted(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    _now("deleted")(event, rows)
    rows["secrets"].sweep("endpoint_id", str(event.stream_id), expires_at=event.recorded_at)


def _rotated(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    for secret_id, end in event.data["old_secrets"].items():
        rows["secrets"].set(secret_id, expires_at=end)
    _sign_with(event, rows)


def _sign_with(event: RecordedEvent, rows: Mapping[str, Rows]) -> None:
    rows["secrets"].add(
        event.data["secret_id"],
        endpoint_id=str(event.stream_id),
        position=event.position,
        expires_at=None,
    )


WEBHOOK_ENDPOINTS = ReadModel(
    name="webhook_endpoints",
    tables=TABLES,
    indexes=INDEXES,
    keys={"endpoints": "endpoint_id", "secrets": "secret_id"},
    folds={
        "webhook-endpoint.created": _created,
        "webhook-endpoint.changed": _changed,
        "webhook-endpoint.paused": _now("paused"),
        "webhook-endpoint.resumed": _now("active"),
        "webhook-endpoint.enabled": _now("active"),
        "webhook-endpoint.disabled": _disabled,
        "webhook-endpoint.secret-rotated": _rotated,
        "webhook-endpoint.deleted": _deleted,
    },
)

WEBHOOK_LIST = Listing(
    plural="webhooks",
    schema="read_webhook_endpoints",
    table="endpoints",
    item="""
        'id', t.endpoint_id, 'url', t.url, 'events', t.types, 'payload', t.payload,
        'masked_fields', t.masked_fields, 'rate_limit_per_second', t.rate_limit_per_second,
        'description', t.description, 'state', t.state, 'disabled_reason', t.disabled_reason,
        'disabled_at', t.disabled_at,
        'begins_after', CASE WHEN t.is_backfilled THEN t.begins_after END,
        'created_at', t.created_at
    """,
    order={"position": "bigint"},
    filters={
        "owner_id": "t.owner_id = %(owner_id)s AND t.state <> 'deleted'",
        "state": "t.state = %(state)s",
    },
)


def valid_secrets(pool: ConnectionPool, endpoint_id: UUID) -> list[UUID]:
    """The ids of the secrets an endpoint's deliveries are signed with now, newest first."""
    with borrowed(pool) as connection:
        rows = connection.execute(_VALID_SECRETS, (endpoint_id,), prepare=True).fetchall()
    return [row[0] for row in rows]
