"""How endpoints are made, changed, paused, disabled and deleted."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from domain.errors import InvalidInput
from domain.store import AggregateStore, Key
from domain.webhooks.address import checked_address
from domain.webhooks.commands import (
    ChangeWebhookEndpoint,
    CreateWebhookEndpoint,
    DeleteWebhookEndpoint,
    DisableWebhookEndpoint,
    PauseWebhookEndpoint,
    ResumeWebhookEndpoint,
    RotateWebhookSecret,
)
from domain.webhooks.endpoint import EndpointTerms, WebhookEndpoint
from domain.webhooks.errors import TooManyWebhooks, WebhookNotFound, WebhooksMadeAtOnce

DESCRIPTION_LENGTH_MAX = 200
RATE_LIMIT_MAX = 1_000
OVERLAP_SECONDS_MAX = 7 * 86_400

_SLOT = "webhook_endpoint.slot"
"""Scope of the places an API key has for endpoints: two that take the last one meet there."""


def create_webhook_endpoint(
    command: CreateWebhookEndpoint, store: AggregateStore
) -> WebhookEndpoint:
    """Make an endpoint, where its key has a place left for one."""
    slot = _free_slot(command, store)
    terms = EndpointTerms(
        url=command.url,
        host=checked_address(command.url, http_allowed=command.http_allowed),
        types=_sorted(command.types),
        payload=str(command.payload),
        masked_fields=_sorted(command.masked_fields),
        rate_limit_per_second=command.rate_limit_per_second,
        description=command.description,
    )
    endpoint = WebhookEndpoint.create(
        endpoint_id=command.endpoint_id,
        owner_id=command.principal_id,
        key_id=command.key_id,
        slot=slot,
        terms=_checked(terms),
        begins_after=command.begins_after,
        secret_id=command.secret_id,
        now=command.now,
    )
    store.save(endpoint, claims=(_slot_key(endpoint),))
    return endpoint


def change_webhook_endpoint(
    command: ChangeWebhookEndpoint, store: AggregateStore
) -> WebhookEndpoint:
    """Change what is named, and nothing else."""
    endpoint = endpoint_of(command.endpoint_id, command.principal_id, store)
    terms = replace(endpoint.terms, **command.changes)
    if "url" in command.changes:
        host = checked_address(terms.url, http_allowed=command.http_allowed)
        terms = replace(terms, host=host)
    terms = replace(terms, types=_sorted(terms.types), masked_fields=_sorted(terms.masked_fields))
    endpoint.change(_checked(terms), now=command.now)
    store.save(endpoint)
    return endpoint


def pause_webhook_endpoint(command: PauseWebhookEndpoint, store: AggregateStore) -> WebhookEndpoint:
    """Keep what is to be told until it is resumed."""
    endpoint = endpoint_of(command.endpoint_id, command.principal_id, store)
    endpoint.pause(now=command.now)
    store.save(endpoint)
    return endpoint


def resume_webhook_endpoint(
    command: ResumeWebhookEndpoint, store: AggregateStore
) -> WebhookEndpoint:
    """Send again."""
    endpoint = endpoint_of(command.endpoint_id, command.principal_id, store)
    endpoint.resume(now=command.now)
    store.save(endpoint)
    return endpoint


def rotate_webhook_secret(command: RotateWebhookSecret, store: AggregateStore) -> WebhookEndpoint:
    """Sign under another secret."""
    endpoint = endpoint_of(command.endpoint_id, command.principal_id, store)
    endpoint.rotate_secret(secret_id=command.secret_id, overlap=command.overlap, now=command.now)
    store.save(endpoint)
    return endpoint


def delete_webhook_endpoint(
    command: DeleteWebhookEndpoint, store: AggregateStore
) -> WebhookEndpoint:
    """Tell it nothing any more, and give its key's place back."""
    endpoint = endpoint_of(command.endpoint_id, command.principal_id, store)
    endpoint.delete(now=command.now)
    store.save(endpoint, releases=(_slot_key(endpoint),))
    return endpoint


def disable_webhook_endpoint(command: DisableWebhookEndpoint, store: AggregateStore) -> None:
    """Stop sending. What is disabled or deleted stays so; what never was is passed over."""
    endpoint = store.find(WebhookEndpoint, command.endpoint_id)
    if endpoint is not None:
        endpoint.disable(reason=command.reason, now=command.now)
        store.save(endpoint)


def endpoint_of(endpoint_id: UUID, principal_id: str, store: AggregateStore) -> WebhookEndpoint:
    """An endpoint of this principal's. Another's is not found, nor is a deleted one."""
    endpoint = store.find(WebhookEndpoint, endpoint_id)
    if endpoint is None or endpoint.is_deleted or endpoint.owner_id != principal_id:
        raise WebhookNotFound
    return endpoint


def _checked(terms: EndpointTerms) -> EndpointTerms:
    """Terms that can be kept; the caller knows which events and fields there are."""
    if not terms.types:
        raise InvalidInput("events", "Name at least one event.")
    limit = terms.rate_limit_per_second
    if limit is not None and not 1 <= limit <= RATE_LIMIT_MAX:
        raise InvalidInput(
            "rate_limit_per_second", f"Give 1 to {RATE_LIMIT_MAX} a second, or null for no limit."
        )
    return terms


def _free_slot(command: CreateWebhookEndpoint, store: AggregateStore) -> int:
    """A place that is free. Each endpoint looks from another one on, so that few meet."""
    first = command.endpoint_id.int % command.webhooks_max
    for number in range(command.webhooks_max):
        slot = (first + number) % command.webhooks_max
        if not store.lookup(_SLOT, f"{command.key_id}/{slot}"):
            return slot
    raise TooManyWebhooks(command.webhooks_max)


def _slot_key(endpoint: WebhookEndpoint) -> Key:
    return Key(_SLOT, f"{endpoint.key_id}/{endpoint.slot}", taken=WebhooksMadeAtOnce)


def _sorted(names: tuple[str, ...] | list[str]) -> list[str]:
    return sorted(set(names))
