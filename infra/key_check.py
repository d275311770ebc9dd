"""Who shows this API key? Answered from the log, remembered for less than a second.

The key's SHA-256 finds its stream through the keys table, so a key works from the append that
issued it, and a revoked one is refused everywhere as soon as the memory of it fades.
"""

from __future__ import annotations

import hashlib
import secrets
import string
import time
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from uuid import UUID

from domain.api_keys.api_key import KEY_DIGEST, ApiKey, Permission
from infra import clock
from infra.event_store.unit_of_work import Cause, EventStore, UnitOfWork

KEY_LENGTH = 32
REMEMBERED_SECONDS = 0.8
_REMEMBERED_MAX = 10_000
_ALPHABET = string.ascii_letters + string.digits
_CAUSE = Cause("system:key-check", "none")


@dataclass(frozen=True)
class Caller:
    """Whoever showed a good key."""

    key_id: UUID
    principal_id: str
    permissions: frozenset[str]
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def may_come_from(self, address: str | None) -> bool:
        """Whether the key opens from this address. Where it names no network, from any."""
        if not self.networks:
            return True
        try:
            found = ip_address(address or "")
        except ValueError:
            return False
        found = getattr(found, "ipv4_mapped", None) or found
        return any(found in network for network in self.networks)

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions


def new_api_key() -> str:
    """A key to hand out once: 32 letters and digits, some 190 bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(KEY_LENGTH))


def key_sha256(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


class KeyCheck:
    """Checks presented keys; one for each process."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._remembered: dict[str, tuple[float, Caller | None]] = {}

    def caller(self, key: str) -> Caller | None:
        """Who shows the key, or None for a key that opens nothing."""
        if len(key) != KEY_LENGTH or not key.isascii() or not key.isalnum():
            return None
        digest = key_sha256(key)
        now = time.monotonic()
        known = self._remembered.get(digest)
        if known is not None and known[0] > now:
            return known[1]
        caller = self._look_up(digest)
        if len(self._remembered) >= _REMEMBERED_MAX:
            self._remembered.clear()
        self._remembered[digest] = (now + REMEMBERED_SECONDS, caller)
        return caller

    def _look_up(self, digest: str) -> Caller | None:
        unit = UnitOfWork(self._store, _CAUSE)
        for stream_id in unit.lookup(KEY_DIGEST, digest):
            api_key = unit.find(ApiKey, stream_id)
            if api_key is not None and api_key.opens(sha256=digest, now=clock.now()):
                return Caller(
                    stream_id,
                    api_key.principal_id,
                    frozenset(api_key.permissions),
                    tuple(ip_network(address) for address in api_key.addresses),
                )
        return None
