"""The address of an endpoint, as far as words alone tell whether it will do.

Where its host leads is looked at each time we dial, not here: names change what they mean.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from domain.errors import InvalidInput

URL_LENGTH_MAX = 2_000
_HOST_LENGTH_MAX = 253
_WRITTEN = re.compile(r"[!#-;=?-\[\]_a-z~]+")
"""What an address is written in (RFC 3986): ASCII, nothing that needs to be escaped."""


def checked_address(url: str, *, http_allowed: bool) -> str:
    """The host of an address to which we may send.

    Raises:
        InvalidInput: it is no https address (nor http, where that is allowed), or holds
            credentials or a fragment.
    """
    if len(url) > URL_LENGTH_MAX or not _WRITTEN.fullmatch(url):
        raise InvalidInput(
            "url", f"Give an address in ASCII, of at most {URL_LENGTH_MAX} characters, escaped."
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise InvalidInput("url", "Give an address such as https://books.example/hook.") from error
    if parts.scheme not in ("https", "http") or not host or len(host) > _HOST_LENGTH_MAX:
        raise InvalidInput("url", "Give an address such as https://books.example/hook.")
    if parts.scheme == "http" and not http_allowed:
        raise InvalidInput("url", "Give an https address: what we send is not for others to read.")
    if parts.username is not None or parts.password is not None:
        raise InvalidInput("url", "Give an address without user and password.")
    if parts.fragment or "#" in url:
        raise InvalidInput("url", "Give an address without a fragment (#).")
    if port == 0:
        raise InvalidInput("url", "Give an address with a port from 1 to 65535, or none.")
    return host
