"""An API key and its life: issued, rotated with an overlap, revoked."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from domain.aggregate import Aggregate, Created, Event, event
from domain.dates import text_from_moment
from domain.errors import BrokenRule, NotFound

KEY_DIGEST = "api_key.sha256"
"""Scope under which a presented key finds its stream."""


class Permission(StrEnum):
    """What a key opens. The first six are the accounting API's contract; the rest are ours."""

    READ_LOANS = "read_loans"
    READ_REPAYMENTS = "read_repayments"
    READ_CONTRIBUTIONS = "read_contributions"
    READ_MEMBERS = "read_members"
    READ_FINANCIAL_SUMMARY = "read_financial_summary"
    MANAGE_WEBHOOKS = "manage_webhooks"
    OPERATE = "operate"
    APPROVE = "approve"
    READ_EVENTS = "read_events"
    READ_JOURNAL = "read_journal"
    SEND_NOTIFICATIONS = "send_notifications"


class ApiKeyNotFound(NotFound):
    """There is no API key with this id."""

    code = "api_key_not_found"


class ApiKeyRevoked(BrokenRule):
    """This API key has been revoked; issue a new one."""

    code = "api_key_revoked"


class KeyDigestTaken(BrokenRule):
    """This key exists already; draw another."""

    code = "api_key_exists"


class ApiKey(Aggregate):
    """A key that a principal shows at the door."""

    TOPIC = "api-key"

    class Issued(Created):
        """A key was made and shown once.

        `addresses` are the networks it opens from (none: from anywhere), `expires_at` is when it
        stops opening (None: never).
        """

        TOPIC = "api-key.issued"
        class_version = 2

        principal_id: str
        permissions: list[str]
        sha256: str
        issued_at: str
        addresses: list[str]
        expires_at: str | None

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            """Keys used to open from anywhere, for ever."""
            state["addresses"] = []
            state["expires_at"] = None

    class Rotated(Event):
        """A second key took over; the first still opens until `old_expires_at`."""

        TOPIC = "api-key.rotated"

        sha256: str
        old_expires_at: str

    class Revoked(Event):
        """The key opens nothing any more."""

        TOPIC = "api-key.revoked"

        reason: str

    @event(Issued)
    def __init__(
        self,
        *,
        principal_id: str,
        permissions: list[str],
        sha256: str,
        issued_at: str,
        addresses: list[str],
        expires_at: str | None,
    ) -> None:
        self.principal_id = principal_id
        self.permissions = permissions
        self.issued_at = issued_at
        self.addresses = addresses
        self.expires_at = expires_at
        self.revoked = False
        self.current_sha256 = sha256
        self.expiries: dict[str, str] = {}

    @classmethod
    def issue(
        cls,
        *,
        key_id: UUID,
        principal_id: UUID,
        permissions: tuple[Permission, ...],
        sha256: str,
        issued_at: datetime,
        addresses: tuple[str, ...],
        expires_at: datetime | None,
    ) -> ApiKey:
        key: ApiKey = cls.begin(
            cls.Issued,
            stream_id=key_id,
            principal_id=str(principal_id),
            permissions=sorted({str(permission) for permission in permissions}),
            sha256=sha256,
            issued_at=text_from_moment(issued_at),
            addresses=list(addresses),
            expires_at=text_from_moment(expires_at) if expires_at else None,
        )
        return key

    def rotate(self, *, sha256: str, old_expires_at: datetime) -> None:
        """Put a new key in the place of the old one. Raises ApiKeyRevoked."""
        if self.revoked:
            raise ApiKeyRevoked
        self._rotated(sha256=sha256, old_expires_at=text_from_moment(old_expires_at))

    @event(Rotated)
    def _rotated(self, *, sha256: str, old_expires_at: str) -> None:
        self.expiries[self.current_sha256] = old_expires_at
        self.current_sha256 = sha256

    def revoke(self, *, reason: str) -> None:
        """Close the key for good. Once is enough."""
        if not self.revoked:
            self._revoked(reason=reason)

    @event(Revoked)
    def _revoked(self, *, reason: str) -> None:
        self.revoked = True

    def has_expired(self, *, now: datetime) -> bool:
        """Whether the whole key, rotated or not, has come to the end it was issued with."""
        return self.expires_at is not None and now >= datetime.fromisoformat(self.expires_at)

    def opens(self, *, sha256: str, now: datetime) -> bool:
        """Whether the key with this digest is good at this moment."""
        if self.revoked or self.has_expired(now=now):
            return False
        if sha256 == self.current_sha256:
            return True
        expiry = self.expiries.get(sha256)
        return expiry is not None and now < datetime.fromisoformat(expiry)
