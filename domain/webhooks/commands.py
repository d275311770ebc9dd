"""What may be asked of endpoints. Whoever asks, asks for those of their own principal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from domain.webhooks.endpoint import DisableReason, Payload


@dataclass(frozen=True)
class CreateWebhookEndpoint:
    """Tell an address of these events, from now on, or from behind a past position on.

    `types` and `masked_fields` are known ones; `webhooks_max` is how many the key may have.
    """

    endpoint_id: UUID
    principal_id: str
    key_id: UUID
    webhooks_max: int
    url: str
    http_allowed: bool
    types: tuple[str, ...]
    payload: Payload
    masked_fields: tuple[str, ...]
    rate_limit_per_second: int | None
    description: str | None
    begins_after: int | None
    secret_id: UUID
    now: datetime


@dataclass(frozen=True)
class ChangeWebhookEndpoint:
    """Take other terms: those named in `changes` (by the names of `EndpointTerms`), no other."""

    endpoint_id: UUID
    principal_id: str
    changes: dict[str, Any]
    http_allowed: bool
    now: datetime


@dataclass(frozen=True)
class PauseWebhookEndpoint:
    """Keep what is to be told."""

    endpoint_id: UUID
    principal_id: str
    now: datetime


@dataclass(frozen=True)
class ResumeWebhookEndpoint:
    """Send again: after a pause, or after it was disabled."""

    endpoint_id: UUID
    principal_id: str
    now: datetime


@dataclass(frozen=True)
class RotateWebhookSecret:
    """Sign under a new secret; under the older ones too, while they overlap."""

    endpoint_id: UUID
    principal_id: str
    secret_id: UUID
    overlap: timedelta
    now: datetime


@dataclass(frozen=True)
class DeleteWebhookEndpoint:
    """Tell it nothing any more."""

    endpoint_id: UUID
    principal_id: str
    now: datetime


@dataclass(frozen=True)
class DisableWebhookEndpoint:
    """Stop sending, because of how it answered. Ours, not its owner's."""

    endpoint_id: UUID
    reason: DisableReason
    now: datetime
