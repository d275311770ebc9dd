"""Which addresses we may dial for a stranger: none that leads to ourselves or to our neighbours.

The ranges are those of the IANA special-purpose registries for IPv4 and IPv6.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_REFUSED_IPV4 = [
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # behind a provider's translation
        "127.0.0.0/8",  # this machine
        "169.254.0.0/16",  # this link, and the clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # bench marks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
]
_GLOBAL_IPV6 = IPv6Network("2000::/3")  # the rest is ourselves, neighbours, NAT64, or not assigned
_REFUSED_IPV6 = [
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: any IPv4 address may hide in it
        "3fff::/20",  # documentation
    )
]


def may_dial(text: str, *, allowed: Sequence[Network] = ()) -> bool:
    """Whether an address is of the public Internet, or in one of the networks that are allowed."""
    address = _address(text)
    return is_listed(text, allowed) or _is_public(address)


def is_listed(text: str, networks: Sequence[Network]) -> bool:
    """Whether an address is in one of these networks."""
    address = _address(text)
    return any(address.version == each.version and address in each for each in networks)


def network(text: str) -> Network:
    """A network in CIDR form.

    Raises:
        ValueError: it is none.
    """
    return ip_network(text, strict=True)


def _address(text: str) -> Address:
    """What is meant by it: an IPv4 address that is written as an IPv6 one is that IPv4 address."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in each for each in _REFUSED_IPV4)
    return address in _GLOBAL_IPV6 and not any(address in each for each in _REFUSED_IPV6)
