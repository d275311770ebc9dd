"""`/daystar-accounting/v1/webhooks`: who is told of events. Each key sees its principal's own."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
from flask import Response, g

from app.accounting.resources import callers_page
from app.accounting.webhook_fields import (
    CreatedWebhookAnswer,
    EmptyWebhookBody,
    OneWebhookAnswer,
    RotatedSecretAnswer,
    SecretBody,
    WebhookArguments,
    WebhookBody,
    WebhookChangesBody,
    WebhooksAnswer,
    check_masks,
    old_secrets_until,
    shown_webhook,
)
from app.auth import requires, services
from app.blueprint import Blueprint
from app.idempotent import cause, key_optional, run_once
from app.problems import Problem
from domain.api_keys.api_key import Permission
from domain.errors import InvalidInput
from domain.webhooks.commands import (
    ChangeWebhookEndpoint,
    CreateWebhookEndpoint,
    DeleteWebhookEndpoint,
    PauseWebhookEndpoint,
    ResumeWebhookEndpoint,
    RotateWebhookSecret,
)
from domain.webhooks.endpoint import WebhookEndpoint
from domain.webhooks.handlers import endpoint_of
from domain.webhooks.secret import given_secret, shown_secret
from infra import clock
from infra.event_store.dispatch import dispatch
from infra.event_store.unit_of_work import UnitOfWork
from infra.webhooks.endpoint_secrets import new_secret
from infra.webhooks.written_addresses import http_will_do
from projections.public_events.feed import LostPosition
from projections.public_events.table import TYPES
from projections.webhook_endpoints import WEBHOOK_LIST

blueprint = Blueprint(
    "webhooks",
    __name__,
    url_prefix="/daystar-accounting/v1/webhooks",
    description="Who is told of events, and what became of it.",
)


@blueprint.route("", methods=["POST"])
@key_optional
@requires(Permission.MANAGE_WEBHOOKS)
@blueprint.arguments(WebhookBody())
@blueprint.response(201, CreatedWebhookAnswer)
def create_webhook(body: dict[str, Any]) -> Response:
    """Have an address told of events. The key must be allowed to read what it asks for."""
    _check_may_read(body["events"])
    check_masks(body["events"], body["masked_fields"])
    if body["begins_after"] is not None:
        check_position(body["begins_after"], field="begins_after")
    secret, secret_id, endpoint_id = _secret_of(body), uuid4(), uuid4()

    def answer(endpoint: WebhookEndpoint) -> dict[str, Any]:
        """The secret is kept just before the event that names it is appended."""
        services().endpoint_secrets.keep(secret_id, secret)
        told = {"webhook_id": str(endpoint.id), "message": "The webhook was created."}
        return shown_webhook(endpoint) | told | {"secret": shown_secret(secret)}

    command = CreateWebhookEndpoint(
        endpoint_id=endpoint_id,
        principal_id=g.caller.principal_id,
        key_id=g.caller.key_id,
        webhooks_max=services().settings.endpoints.webhooks_max,
        url=body["url"],
        http_allowed=_http_will_do(body["url"]),
        types=tuple(body["events"]),
        payload=body["payload"],
        masked_fields=tuple(body["masked_fields"]),
        rate_limit_per_second=body["rate_limit_per_second"],
        description=body["description"],
        begins_after=body["begins_after"],
        secret_id=secret_id,
        now=clock.now(),
    )
    return run_once(command, answer=answer, status=201, because=cause(str(endpoint_id)))


@blueprint.route("", methods=["GET"])
@requires(Permission.MANAGE_WEBHOOKS)
@blueprint.arguments(WebhookArguments(), location="query")
@blueprint.response(200, WebhooksAnswer)
def list_webhooks(arguments: dict[str, Any]) -> Response:
    """One's own webhooks, newest first."""
    filters = {"owner_id": g.caller.principal_id, "state": arguments.get("state")}
    return callers_page(WEBHOOK_LIST, arguments, filters)


@blueprint.route("/<uuid:webhook_id>", methods=["GET"])
@requires(Permission.MANAGE_WEBHOOKS)
@blueprint.response(200, OneWebhookAnswer)
def show_webhook(webhook_id: UUID) -> Response:
    """One webhook; its secret is shown only when it is made."""
    return _json(shown_webhook(own_endpoint(webhook_id)))


@blueprint.route("/<uuid:webhook_id>", methods=["PATCH"])
@requires(Permission.MANAGE_WEBHOOKS)
@blueprint.arguments(WebhookChangesBody())
@blueprint.response(200, OneWebhookAnswer)
def change_webhook(body: dict[str, Any], webhook_id: UUID) -> Response:
    """Change where it is told, of what, or how: what is under way still goes as it was."""
    terms = own_endpoint(webhook_id).terms
    names = {"events": "types"}
    changes = {names.get(name, name): value for name, value in body.items()}
    _check_may_read(changes.get("types", ()))
    check_masks(
        changes.get("types", terms.types), changes.get("masked_fields", terms.masked_fields)
    )
    if "payload" in changes:
        changes["payload"] = str(changes["payload"])
    http_allowed = "url" in changes and _http_will_do(changes["url"])
    command = ChangeWebhookEndpoint(
        webhook_id, g.caller.principal_id, changes, http_allowed, clock.now()
    )
    return _json(shown_webhook(dispatch(services().store, command, cause(str(webhook_id)))))


@blueprint.route("/<uuid:webhook_id>", methods=["DELETE"])
@requires(Permission.MANAGE_WEBHOOKS)
@blueprint.response(200, OneWebhookAnswer)
def delete_webhook(webhook_id: UUID) -> Response:
    """Have it told nothing any more. What is still to be delivered is not."""
    command = DeleteWebhookEndpoint(webhook_id, g.caller.principal_id, clock.now())
    endpoint = dispatch(services().store, command, cause(str(webhook_id)))
    secret_ids = (endpoint.secret_id, *endpoint.old_secrets)
    services().endpoint_secrets.forget([UUID(secret_id) for secret_id in secret_ids])
    return _json(shown_webhook(endpoint))


@blueprint.route("/<uuid:webhook_id>/pause", methods=["POST"])
@key_optional
@requires(Permission.MANAGE_WEBHOOKS)
@blueprint.arguments(EmptyWebhookBody())
@blueprint.response(200, OneWebhookAnswer)
def pause_webhook(_body: dict[str, Any], webhook_id: UUID) -> Response:
    """Keep what is to be told; it is told, in order, when it is resumed."""
    return _acted(PauseWebhookEndpoint(webhook_id, g.caller.principal_id, clock.now()))


@blueprint.route("/<uuid:webhook_id>/resume", methods=["POST"])
@key_optional
@requires(Permission.MANAGE_WEBHOOKS)
@blueprint.arguments(EmptyWebhookBody())
@blueprint.response(200, OneWebhookAnswer)
def resume_webhook(_body: dict[str, Any], webhook_id: UUID) -> Response:
    """Go on after a pause, or after it was disabled."""
    return _acted(ResumeWebhookEndpoint(webhook_id, g.caller.principal_id, clock.now()))


@blueprint.route("/<uuid:webhook_id>/secret-rotation", methods=["POST"])
@key_optional
@requires(Permission.MANAGE_WEBHOOKS)
@blueprint.arguments(SecretBody())
@blueprint.response(200, RotatedSecretAnswer)
def rotate_webhook_secret(body: dict[str, Any], webhook_id: UUID) -> Response:
    """Sign under a new secret; for a while under the older ones too, so that none is missed."""
    secret, secret_id = _secret_of(body), uuid4()
    usual = timedelta(hours=services().settings.endpoints.overlap_hours)
    told = body.get("overlap_seconds")

    def answer(endpoint: WebhookEndpoint) -> dict[str, Any]:
        """The secret is kept just before the event that names it is appended."""
        services().endpoint_secrets.keep(secret_id, secret)
        return {
            "id": str(endpoint.id),
            "secret": shown_secret(secret),
            "old_secrets_until": old_secrets_until(endpoint),
        }

    command = RotateWebhookSecret(
        webhook_id,
        g.caller.principal_id,
        secret_id,
        usual if told is None else timedelta(seconds=told),
        clock.now(),
    )
    return run_once(command, answer=answer, status=200, because=cause(str(webhook_id)))


def own_endpoint(webhook_id: UUID) -> WebhookEndpoint:
    """An endpoint of the caller's principal, as it stands. Raises WebhookNotFound."""
    return endpoint_of(
        webhook_id, g.caller.principal_id, UnitOfWork(services().store, cause(str(webhook_id)))
    )


def _acted(command: PauseWebhookEndpoint | ResumeWebhookEndpoint) -> Response:
    because = cause(str(command.endpoint_id))
    return run_once(command, answer=shown_webhook, status=200, because=because)


def _http_will_do(url: str) -> bool:
    return http_will_do(url, networks=services().settings.deliveries.networks)


def _secret_of(body: dict[str, Any]) -> bytes:
    return given_secret(body["secret"]) if body["secret"] is not None else new_secret()


def _check_may_read(events: Iterable[str]) -> None:
    """Nobody is told by a webhook what their key may not read."""
    for name in events:
        reads = TYPES[name].reads
        if not g.caller.may(reads):
            raise Problem(
                403,
                "insufficient_permission",
                f"This API key lacks the permission {reads}, which {name} needs.",
            )


def check_position(position: int, *, field: str) -> None:
    """A position to begin behind is one that the log has. Raises InvalidInput."""
    try:
        services().change_feed.head(position)
    except LostPosition as error:
        raise InvalidInput(field, "The log has no such position.") from error


def _json(answer: dict[str, Any]) -> Response:
    return Response(orjson.dumps(answer), content_type="application/json")
