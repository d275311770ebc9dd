"""The OpenAPI document: what the schemas and routes say, completed with what all doors share.

Each operation's parameters, body and success come from its schemas; its key and permission from
`requires`; its refusals, headers and problem shape are the same everywhere and stand here, once.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from flask import Flask

from app.auth import PERMISSION

_CONVERTER = re.compile(r"<(?:[^:>]+:)?([^>]+)>")
_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_ID = "6f1c1df2-7a3e-5d0e-9a52-0f4b3c8e2a10"

_WHEN = {
    400: "A parameter is wrong, the JSON is malformed, or the Idempotency-Key is missing.",
    401: "No key, or one that is wrong, revoked or expired.",
    403: "The key lacks the permission or may not come from this address; or this is plain http.",
    404: "There is no such thing.",
    405: "This address does not answer to this method.",
    409: "A rule of the co-operative forbids it, or the first request with this key is under way.",
    410: "The cursor was given before the books were restored from a backup: begin the list again.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    422: "A field is not acceptable, or the Idempotency-Key came before with another body.",
    429: "The key has made its requests of this minute.",
    503: "The database does not answer, or a read model lags; nothing was changed.",
}
_CODES = {
    400: "rest_invalid_param",
    401: "invalid_api_key",
    403: "insufficient_permission",
    404: "rest_no_route",
    405: "method_not_allowed",
    409: "contention",
    410: "cursor_lost",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "invalid_body",
    429: "rate_limited",
    503: "database_unavailable",
}


def _header(description: str, type_name: str, example: Any) -> dict[str, Any]:
    return {"description": description, "schema": {"type": type_name}, "example": example}


_HEADERS = {
    "RequestId": _header("Names this request in our logs.", "string", "b6f0c1d2e3f4"),
    "RateLimit": _header("What is left of the key's budget.", "string", '"default";r=599;t=42'),
    "RateLimitPolicy": _header("The key's budget.", "string", '"default";q=600;w=60'),
    "RateLimitLimit": _header("Requests in a minute.", "integer", 600),
    "RateLimitRemaining": _header("Requests left in this minute.", "integer", 599),
    "RateLimitReset": _header("When the minute ends, in Unix seconds.", "integer", 1795425600),
    "RetryAfter": _header("How many seconds to wait.", "integer", 42),
    "Authenticate": _header("How to show a key.", "string", "Bearer"),
    "Allow": _header("The methods this address answers to.", "string", "GET, HEAD, OPTIONS"),
    "Position": _header("The position the answer was read at.", "integer", 17000),
    "Replayed": _header("Given when the answer was given before.", "string", "true"),
    "Location": _header("Where to ask what became of it.", "string", "/daystar/v1/mpesa/..."),
}
_EVERY_ANSWER = {"X-Request-Id": "RequestId"}
_EVERY_KEYED_ANSWER = {
    "RateLimit": "RateLimit",
    "RateLimit-Policy": "RateLimitPolicy",
    "X-RateLimit-Limit": "RateLimitLimit",
    "X-RateLimit-Remaining": "RateLimitRemaining",
    "X-RateLimit-Reset": "RateLimitReset",
}
_HEADERS_OF_STATUS = {
    401: {"WWW-Authenticate": "Authenticate"},
    405: {"Allow": "Allow"},
    429: {"Retry-After": "RetryAfter"},
    503: {"Retry-After": "RetryAfter"},
}
_PROBLEM_SCHEMA = {
    "type": "object",
    "description": "A refusal (RFC 9457), with the fields older clients read.",
    "required": [
        *("type", "title", "status", "detail", "code", "message", "data", "request_id"),
    ],
    "properties": {
        "type": {"type": "string", "const": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "For programs; it does not change."},
        "message": {"type": "string", "description": "The same sentence as `detail`."},
        "data": {
            "type": "object",
            "required": ["status"],
            "properties": {"status": {"type": "integer"}},
            "additionalProperties": False,
        },
        "request_id": {"type": "string"},
        "errors": {"description": "Which field or parameter, and why.", "type": "object"},
    },
    "additionalProperties": False,
}
_SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "query": {
        "type": "apiKey",
        "in": "query",
        "name": "api_key",
        "description": "For older clients; a key in an address is easily seen.",
    },
}
_METHODS = ("get", "post")
_BOTH_ADDRESSES = [
    {"url": "/", "description": "This server."},
    {"url": "/wp-json", "description": "The older system's address of the same."},
]
_ANY_KEY: list[dict[str, list[str]]] = [{name: []} for name in _SECURITY_SCHEMES]
_IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "description": "New for each act: the same key with the same body is done once, and answered"
    " the same for seven days.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$", "minLength": 1, "maxLength": 255},
    "example": "0b5c9f4e-6a0d-4c59-9d0b-2f0a7c1f6e11",
}


def complete(document: dict[str, Any], app: Flask) -> dict[str, Any]:
    """The document flask-smorest made, with all that the doors have in common."""
    views = {
        (_CONVERTER.sub(r"{\1}", rule.rule), method.lower()): app.view_functions[rule.endpoint]
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
    }
    for path, item in document["paths"].items():
        for parameter in item.get("parameters", []):
            parameter["example"] = _ID
        if path.startswith("/daystar-accounting/"):
            item["servers"] = _BOTH_ADDRESSES
        for method, operation in item.items():
            if method in _METHODS:
                _complete_operation(operation, path=path, method=method, view=views[path, method])
    components = document["components"]
    components["responses"] = {}
    components["headers"] = _HEADERS
    components["securitySchemes"] = _SECURITY_SCHEMES
    schemas = components["schemas"]
    for unused in ("Error", "PaginationMetadata"):  # flask-smorest's own shapes, which are not ours
        schemas.pop(unused, None)
    schemas["Problem"] = _PROBLEM_SCHEMA
    return document


def _complete_operation(operation: dict[str, Any], *, path: str, method: str, view: Any) -> None:
    permission = getattr(view, PERMISSION, None)
    keyed = permission is not None
    operation["operationId"] = view.__name__
    operation["security"] = _ANY_KEY if keyed else []
    if keyed:
        operation["description"] = f"Needs the permission `{permission}`."
    parameters = operation.setdefault("parameters", [])
    # The key in the address is a way of showing it, not a filter.
    parameters[:] = [parameter for parameter in parameters if parameter["name"] != "api_key"]
    if method == "post":
        parameters.append(_IDEMPOTENCY_KEY | {"required": path != "/daystar/v1/members"})
    if not parameters:
        del operation["parameters"]
    operation["responses"] = {
        **{
            status: response
            for status, response in operation["responses"].items()
            if status.startswith("2")
        },
        **{
            str(status): _refusal(status)
            for status in _refusals(path=path, method=method, keyed=keyed)
        },
    }
    for status, response in operation["responses"].items():
        headers = _EVERY_ANSWER | _HEADERS_OF_STATUS.get(int(status), {})
        if keyed and status not in ("401", "405", "503"):
            headers |= _EVERY_KEYED_ANSWER
        if status == "200" and path.startswith("/daystar-accounting/"):
            headers |= {"Daystar-Position": "Position"}
        if status in ("201", "202"):
            headers |= {"Idempotency-Replayed": "Replayed"}
        if status == "202":
            headers |= {"Location": "Location"}
        response["headers"] = {
            name: {"$ref": f"#/components/headers/{known}"} for name, known in headers.items()
        }


def _refusals(*, path: str, method: str, keyed: bool) -> tuple[int, ...]:
    if not keyed:
        return (403, 405, 503) if path == "/readyz" else (403, 405)
    if method == "post":
        return tuple(status for status in _WHEN if status != 410)
    if "{" in path:
        return 401, 403, 404, 405, 429, 503
    if path.startswith("/daystar-accounting/"):
        return 400, 401, 403, 405, 410, 429, 503
    return 400, 401, 403, 405, 429, 503


def _refusal(status: int) -> dict[str, Any]:
    sentence = _WHEN[status]
    example = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": sentence,
        "code": _CODES[status],
        "message": sentence,
        "data": {"status": status},
        "request_id": "b6f0c1d2e3f4",
    }
    return {
        "description": sentence,
        "content": {"application/problem+json": {"schema": _PROBLEM, "example": example}},
    }
