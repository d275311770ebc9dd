"""Who is calling, may they, and do they speak JSON? Keys in the three places of the contract."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from flask import current_app, g, request
from werkzeug.exceptions import BadRequest

from app.problems import Problem
from app.wiring import Services
from domain.api_keys.api_key import Permission
from infra.key_check import Caller
from infra.rate_limit import WINDOW_SECONDS, Allowance

Function = TypeVar("Function", bound=Callable[..., Any])
SERVICES = "daystar"
PERMISSIONS = "required_permissions"
"""The attribute by which a view says what it asks for: any of these."""
KEY_SPARED = "key_spared"
"""The attribute of a view that some may enter without a key."""

_NO_KEY = "Send an API key, as Authorization: Bearer or X-API-Key."


def services() -> Services:
    """The services of the running application."""
    return cast("Services", current_app.extensions[SERVICES])


def requires(
    *permissions: Permission, unless: Callable[[], bool] | None = None
) -> Callable[[Function], Function]:
    """Let only callers with one of these permissions in. `g.caller` is who they are, in or not.

    Whoever `unless` spares is let in without being asked.
    """

    def decorate(function: Function) -> Function:
        @wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            if unless is not None and unless():
                return function(*args, **kwargs)
            g.caller = caller = _caller()
            if not caller.may_come_from(request.remote_addr):
                raise Problem(
                    403, "address_not_allowed", "This API key does not open from this address."
                )
            _spend(caller)
            if not any(map(caller.may, permissions)):
                raise Problem(
                    403,
                    "insufficient_permission",
                    f"This API key lacks the permission {' or '.join(permissions)}.",
                )
            if request.method in ("POST", "PUT", "PATCH"):
                _check_body()
            return function(*args, **kwargs)

        setattr(checked, PERMISSIONS, permissions)
        setattr(checked, KEY_SPARED, unless is not None)
        return cast("Function", checked)

    return decorate


def _caller() -> Caller:
    key = _presented_key()
    challenge = {"WWW-Authenticate": "Bearer"}
    if not key:
        raise Problem(401, "no_api_key", _NO_KEY, headers=challenge)
    caller = services().key_check.caller(key)
    if caller is None:
        raise Problem(401, "invalid_api_key", "This API key is not valid.", headers=challenge)
    return caller


def _spend(caller: Caller) -> None:
    """Count the request; `rate_limit_headers` tells every answer how much is left."""
    g.allowance = allowance = services().rate_limiter.take(caller.key_id)
    if not allowance.granted:
        raise Problem(
            429,
            "rate_limited",
            f"This API key has made its {allowance.limit} requests of this minute; wait"
            f" {allowance.reset_seconds} seconds.",
            headers={"Retry-After": str(allowance.reset_seconds)},
        )


def rate_limit_headers() -> dict[str, str]:
    """The budget of the key that was shown: as the IETF's draft has it, and as older clients do."""
    allowance: Allowance | None = g.get("allowance")
    if allowance is None:
        return {}
    return {
        "RateLimit-Policy": f'"default";q={allowance.limit};w={WINDOW_SECONDS}',
        "RateLimit": f'"default";r={allowance.remaining};t={allowance.reset_seconds}',
        "X-RateLimit-Limit": str(allowance.limit),
        "X-RateLimit-Remaining": str(allowance.remaining),
        "X-RateLimit-Reset": str(int(time.time()) + allowance.reset_seconds),
    }


def _check_body() -> None:
    """Whoever may come in must speak JSON: well-formed, in UTF-8, not nested beyond reason."""
    if request.mimetype != "application/json":
        raise Problem(415, "unsupported_media_type", "Send the body as application/json.")
    try:
        request.get_data().decode()
        request.get_json()
    except UnicodeDecodeError as error:
        raise Problem(400, "malformed_json", "The body is not UTF-8.") from error
    except (BadRequest, RecursionError) as error:
        raise Problem(400, "malformed_json", "The body is not well-formed JSON.") from error


def _presented_key() -> str:
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and bearer.strip():
        return bearer.strip()
    return request.headers.get("X-API-Key", "").strip() or request.args.get("api_key", "").strip()
