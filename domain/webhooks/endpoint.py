"""An endpoint: an address of a subscriber's, the public events it is told of, and its secrets.

Secrets themselves never come this far: events carry their ids, and until when older ones hold.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from domain.aggregate import Aggregate, Created, Event, event
from domain.dates import text_from_moment
from domain.webhooks.errors import (
    TooManySecrets,
    WebhookAlreadyPaused,
    WebhookDisabled,
    WebhookNotPaused,
)

OLD_SECRETS_MAX = 4
"""Older secrets that hold at once: each is one more signature on every delivery."""


class EndpointState(StrEnum):
    """Whether deliveries leave."""

    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"
    DELETED = "deleted"


class Payload(StrEnum):
    """Whether a delivery carries all that its event tells, or only what it is about."""

    FULL = "full"
    THIN = "thin"


class DisableReason(StrEnum):
    """Why we stop sending: the endpoint says that it is gone (410), or has failed for days."""

    GONE = "gone"
    FAILING = "failing"


@dataclass(frozen=True)
class EndpointTerms:
    """All that a subscriber may choose, and change later. `host` is the address's, to be shown."""

    url: str
    host: str
    types: list[str]
    payload: str
    masked_fields: list[str]
    rate_limit_per_second: int | None
    description: str | None


class WebhookEndpoint(Aggregate):
    """An endpoint and its life: made, changed, paused, disabled, deleted."""

    TOPIC = "webhook-endpoint"

    class Created(Created):
        """A subscriber asked to be told.

        `begins_after` is the position behind which it begins, where it chose one; without it, it
        begins with what happens from now on. `slot` is its place among those of its API key.
        """

        TOPIC = "webhook-endpoint.created"

        owner_id: str
        key_id: str
        slot: int
        url: str
        host: str
        types: list[str]
        payload: str
        masked_fields: list[str]
        rate_limit_per_second: int | None
        description: str | None
        begins_after: int | None
        secret_id: str
        created_at: str

    class Changed(Event):
        """It is told of other things, elsewhere, or otherwise; all as it is from now on."""

        TOPIC = "webhook-endpoint.changed"

        url: str
        host: str
        types: list[str]
        payload: str
        masked_fields: list[str]
        rate_limit_per_second: int | None
        description: str | None
        changed_at: str

    class Paused(Event):
        """Its deliveries wait."""

        TOPIC = "webhook-endpoint.paused"

        paused_at: str

    class Resumed(Event):
        """What waits leaves, in order."""

        TOPIC = "webhook-endpoint.resumed"

        resumed_at: str

    class SecretRotated(Event):
        """A new secret signs; older ones (by id) sign beside it until the moments told."""

        TOPIC = "webhook-endpoint.secret-rotated"

        secret_id: str
        old_secrets: dict[str, str]
        rotated_at: str

    class Disabled(Event):
        """We stopped sending."""

        TOPIC = "webhook-endpoint.disabled"

        reason: str
        disabled_at: str

    class Enabled(Event):
        """Its owner says that it works again."""

        TOPIC = "webhook-endpoint.enabled"

        enabled_at: str

    class Deleted(Event):
        """It is told nothing any more."""

        TOPIC = "webhook-endpoint.deleted"

        deleted_at: str

    @event(Created)
    def __init__(
        self,
        *,
        owner_id: str,
        key_id: str,
        slot: int,
        url: str,
        host: str,
        types: list[str],
        payload: str,
        masked_fields: list[str],
        rate_limit_per_second: int | None,
        description: str | None,
        begins_after: int | None,
        secret_id: str,
        created_at: str,
    ) -> None:
        self.owner_id = owner_id
        self.key_id = key_id
        self.slot = slot
        self.terms = EndpointTerms(
            url, host, types, payload, masked_fields, rate_limit_per_second, description
        )
        self.begins_after = begins_after
        self.secret_id = secret_id
        self.old_secrets: dict[str, str] = {}
        self.created_at = created_at
        self.state: str = EndpointState.ACTIVE
        self.disabled_reason: str | None = None
        self.disabled_at: str | None = None

    @classmethod
    def create(
        cls,
        *,
        endpoint_id: UUID,
        owner_id: str,
        key_id: UUID,
        slot: int,
        terms: EndpointTerms,
        begins_after: int | None,
        secret_id: UUID,
        now: datetime,
    ) -> WebhookEndpoint:
        endpoint: WebhookEndpoint = cls.begin(
            cls.Created,
            stream_id=endpoint_id,
            owner_id=owner_id,
            key_id=str(key_id),
            slot=slot,
            **asdict(terms),
            begins_after=begins_after,
            secret_id=str(secret_id),
            created_at=text_from_moment(now),
        )
        return endpoint

    @property
    def is_deleted(self) -> bool:
        """Whether nobody is to see it any more."""
        return self.state == EndpointState.DELETED

    def change(self, terms: EndpointTerms, *, now: datetime) -> None:
        """Take other terms. The same terms again change nothing."""
        if terms != self.terms:
            self._changed(**asdict(terms), changed_at=text_from_moment(now))

    @event(Changed)
    def _changed(
        self,
        *,
        url: str,
        host: str,
        types: list[str],
        payload: str,
        masked_fields: list[str],
        rate_limit_per_second: int | None,
        description: str | None,
        changed_at: str,
    ) -> None:
        self.terms = EndpointTerms(
            url, host, types, payload, masked_fields, rate_limit_per_second, description
        )

    def pause(self, *, now: datetime) -> None:
        """Keep what is to be told until it is resumed.

        Raises:
            WebhookAlreadyPaused, WebhookDisabled: nothing leaves as it is.
        """
        if self.state == EndpointState.PAUSED:
            raise WebhookAlreadyPaused
        if self.state == EndpointState.DISABLED:
            raise WebhookDisabled
        self._paused(paused_at=text_from_moment(now))

    @event(Paused)
    def _paused(self, *, paused_at: str) -> None:
        self.state = EndpointState.PAUSED

    def resume(self, *, now: datetime) -> None:
        """Send again, after a pause or after it was disabled. Raises WebhookNotPaused."""
        if self.state == EndpointState.PAUSED:
            self._resumed(resumed_at=text_from_moment(now))
        elif self.state == EndpointState.DISABLED:
            self._enabled(enabled_at=text_from_moment(now))
        else:
            raise WebhookNotPaused

    @event(Resumed)
    def _resumed(self, *, resumed_at: str) -> None:
        self.state = EndpointState.ACTIVE

    @event(Enabled)
    def _enabled(self, *, enabled_at: str) -> None:
        self.state = EndpointState.ACTIVE
        self.disabled_reason = None
        self.disabled_at = None

    def rotate_secret(self, *, secret_id: UUID, overlap: timedelta, now: datetime) -> None:
        """Sign under a new secret, and under the older ones for a while; no longer than told now.

        Raises:
            TooManySecrets: as many older ones would hold as may.
        """
        until = text_from_moment(now + overlap)
        ends = {
            known: min(end, until, key=datetime.fromisoformat)
            for known, end in {**self.old_secrets, self.secret_id: until}.items()
            if datetime.fromisoformat(end) > now or known == self.secret_id
        }
        if overlap and len(ends) > OLD_SECRETS_MAX:
            raise TooManySecrets
        self._secret_rotated(
            secret_id=str(secret_id), old_secrets=ends, rotated_at=text_from_moment(now)
        )

    @event(SecretRotated)
    def _secret_rotated(
        self, *, secret_id: str, old_secrets: dict[str, str], rotated_at: str
    ) -> None:
        self.secret_id = secret_id
        self.old_secrets = old_secrets

    def disable(self, *, reason: DisableReason, now: datetime) -> None:
        """Stop sending. One that is disabled or deleted stays as it is."""
        if self.state in (EndpointState.ACTIVE, EndpointState.PAUSED):
            self._disabled(reason=str(reason), disabled_at=text_from_moment(now))

    @event(Disabled)
    def _disabled(self, *, reason: str, disabled_at: str) -> None:
        self.state = EndpointState.DISABLED
        self.disabled_reason = reason
        self.disabled_at = disabled_at

    def delete(self, *, now: datetime) -> None:
        """Tell it nothing any more."""
        self._deleted(deleted_at=text_from_moment(now))

    @event(Deleted)
    def _deleted(self, *, deleted_at: str) -> None:
        self.state = EndpointState.DELETED
