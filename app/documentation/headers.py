"""Every header an answer of ours may carry, described once; the document refers to them by name."""

from __future__ import annotations

from typing import Any

from app.guards import GUARDS, HTTPS_STAYS


def _header(
    description: str, example: Any, *, always: bool = False, **schema: Any
) -> dict[str, Any]:
    described = {
        "description": description,
        "schema": {"type": "integer" if isinstance(example, int) else "string", **schema},
        "example": example,
    }
    return described | {"required": True} if always else described


HEADERS = {
    "X-Request-Id": _header("Names this request in our logs.", "b6f0c1d2e3f4", always=True),
    **{name: _header("Guards browsers.", value, always=True) for name, value in GUARDS.items()},
    HTTPS_STAYS[0]: _header("Over https only: it is to stay https.", HTTPS_STAYS[1]),
    "RateLimit": _header(
        "What is left of the key's budget, and for how many seconds.",
        '"default";r=599;t=42',
        pattern=r'^"default";r=[0-9]+;t=[0-9]+$',
    ),
    "RateLimit-Policy": _header(
        "The key's budget: so many requests in so many seconds.",
        '"default";q=600;w=60',
        pattern=r'^"default";q=[0-9]+;w=[0-9]+$',
    ),
    "X-RateLimit-Limit": _header("Requests in a minute.", 600, minimum=1),
    "X-RateLimit-Remaining": _header("Requests left in this minute.", 599, minimum=0),
    "X-RateLimit-Reset": _header("When the minute ends, in Unix seconds.", 1795425600),
    "Retry-After": _header("How many seconds to wait.", 2, minimum=1),
    "WWW-Authenticate": _header("How to show a key.", "Bearer"),
    "Allow": _header("The methods this address answers to.", "GET, HEAD, OPTIONS"),
    "Daystar-Position": _header("The position the answer was read at.", 17000, minimum=0),
    "ETag": _header(
        "Names what was answered: sent back as If-None-Match, 304 says that it still holds.",
        '"17000-5d2f8c01a94be77f30"',
    ),
    "Content-Disposition": _header(
        "The file's name, where a file was asked for.", 'attachment; filename="loans.csv"'
    ),
    "Idempotency-Replayed": _header(
        "Given when the answer was given before, and nothing was done again.", "true"
    ),
    "Location": _header(
        "Where to ask what became of it.",
        "/daystar/v1/mpesa/transactions/6f1c1df2-7a3e-5d0e-9a52-0f4b3c8e2a10",
    ),
}
ON_EVERY_ANSWER = ("X-Request-Id", *GUARDS, HTTPS_STAYS[0])


def references(names: list[str]) -> dict[str, Any]:
    """What a response says of its headers: those every answer has, and these."""
    return {
        name: {"$ref": f"#/components/headers/{name}"}
        for name in (*ON_EVERY_ANSWER, *(known for known in HEADERS if known in names))
    }
