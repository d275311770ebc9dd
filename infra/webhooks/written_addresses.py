"""An address that somebody writes down for a webhook, before anything is sent to it.

A name may lead anywhere by the time we dial, and is looked at then; a host that is written as an
IP address leads there now.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from domain.errors import InvalidInput
from infra.webhooks.dialled_addresses import Network, is_listed, may_dial


def http_will_do(url: str, *, networks: Sequence[Network]) -> bool:
    """Whether an address needs no TLS: its host is written as one in the networks we may tell so.

    Raises:
        InvalidInput: its host is written as an address that we would never dial.
    """
    host = _written_address(url)
    if host is None:
        return False
    if not may_dial(host, allowed=networks):
        raise InvalidInput("url", "Give an address on the public Internet: we send to no other.")
    return is_listed(host, networks)


def _written_address(url: str) -> str | None:
    """The host, where it is an IP address. Whether the rest makes sense, the domain says."""
    try:
        host = urlsplit(url).hostname or ""
        ip_address(host)
    except ValueError:
        return None
    return host
