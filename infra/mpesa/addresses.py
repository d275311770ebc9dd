"""Where Safaricom may be told to call us. Checked at start-up, and again before each push.

Safaricom refuses a callback URL that holds certain words anywhere in it, and in production any that
is not HTTPS. Plain HTTP is let through for a loopback host only: the simulator calls back there.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, unquote, urlsplit

from infra.errors import InfrastructureError

FORBIDDEN_WORDS = ("m-pesa", "mpesa", "safaricom", "exe", "cmd", "sql", "query")  # exe covers exec
_URL_LENGTH_MAX = 2_000


class ForbiddenCallbackUrl(InfrastructureError):
    """Safaricom would refuse this callback URL. The URL itself is left out: it holds a secret."""


def check_public_url(url: str) -> None:
    """Let a usable callback URL pass.

    Raises:
        ForbiddenCallbackUrl: a forbidden word, no HTTPS, or not a URL at all.
    """
    if not (url.isascii() and url.isprintable() and " " not in url and len(url) <= _URL_LENGTH_MAX):
        raise ForbiddenCallbackUrl("a callback URL is printable ASCII without spaces")
    parts = _split(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ForbiddenCallbackUrl("a callback URL must begin with https://")
    if not parts.hostname or parts.username is not None or parts.fragment:
        raise ForbiddenCallbackUrl("a callback URL has a host, no user name and no fragment")
    word = forbidden_word(url)
    if word is not None:
        raise ForbiddenCallbackUrl(f"Safaricom refuses a callback URL that contains {word!r}")


def forbidden_word(url: str) -> str | None:
    """The first of Safaricom's forbidden words in the URL, written plainly or percent-encoded."""
    forms = (url.lower(), unquote(url).lower())
    return next((word for word in FORBIDDEN_WORDS if any(word in form for form in forms)), None)


def is_loopback(host: str | None) -> bool:
    """Whether the host is this machine."""
    if host is None:
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # read here because a senseless port raises only when it is asked for
    except ValueError:
        raise ForbiddenCallbackUrl("this is not a URL") from None
    return parts
