"""How API keys are issued, rotated and revoked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_network
from uuid import UUID

from domain.api_keys.api_key import (
    KEY_DIGEST,
    ApiKey,
    ApiKeyNotFound,
    KeyDigestTaken,
    Permission,
)
from domain.errors import InvalidInput
from domain.principals.principal import AddPrincipal, add_principal
from domain.store import AggregateStore, Key

ADDRESSES_MAX = 50


@dataclass(frozen=True)
class IssueApiKey:
    """Give a principal a key. Only the key's SHA-256 comes this far.

    It opens from the networks in `addresses` (CIDR; none means from anywhere) until `expires_at`.
    Who is not known yet is added in the same append: a refused key leaves nobody behind.
    """

    key_id: UUID
    principal_id: UUID
    permissions: tuple[Permission, ...]
    sha256: str
    now: datetime
    addresses: tuple[str, ...] = ()
    expires_at: datetime | None = None
    new_principal: AddPrincipal | None = None


@dataclass(frozen=True)
class RotateApiKey:
    """Replace a key; the old one opens until the given moment."""

    key_id: UUID
    sha256: str
    old_expires_at: datetime


@dataclass(frozen=True)
class RevokeApiKey:
    """Close a key for good."""

    key_id: UUID
    reason: str


def issue_api_key(command: IssueApiKey, store: AggregateStore) -> ApiKey:
    """Issue a key with at least one permission."""
    if not command.permissions:
        raise InvalidInput("permissions", "Give the key at least one permission.")
    if command.expires_at is not None and command.expires_at <= command.now:
        raise InvalidInput("expires_at", "The key would have expired already.")
    if command.new_principal is not None:
        add_principal(command.new_principal, store)
    key = ApiKey.issue(
        key_id=command.key_id,
        principal_id=command.principal_id,
        permissions=command.permissions,
        sha256=command.sha256,
        issued_at=command.now,
        addresses=_networks(command.addresses),
        expires_at=command.expires_at,
    )
    store.save(key, claims=(_digest_key(command.sha256),))
    return key


def rotate_api_key(command: RotateApiKey, store: AggregateStore) -> ApiKey:
    """Rotate a key that is still open."""
    key = _existing(command.key_id, store)
    key.rotate(sha256=command.sha256, old_expires_at=command.old_expires_at)
    store.save(key, claims=(_digest_key(command.sha256),))
    return key


def revoke_api_key(command: RevokeApiKey, store: AggregateStore) -> ApiKey:
    """Revoke a key; revoking it again changes nothing."""
    key = _existing(command.key_id, store)
    key.revoke(reason=command.reason)
    store.save(key)
    return key


def _networks(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """The networks, each written in one way."""
    if len(addresses) > ADDRESSES_MAX:
        raise InvalidInput("addresses", f"A key has at most {ADDRESSES_MAX} networks.")
    try:
        return tuple(sorted({str(ip_network(address)) for address in addresses}))
    except ValueError as error:
        raise InvalidInput(
            "addresses", "Give each network as CIDR, such as 198.51.100.0/24 or 2001:db8::/48."
        ) from error


def _existing(key_id: UUID, store: AggregateStore) -> ApiKey:
    key = store.find(ApiKey, key_id)
    if key is None:
        raise ApiKeyNotFound
    return key


def _digest_key(sha256: str) -> Key:
    return Key(KEY_DIGEST, sha256, taken=KeyDigestTaken)
