"""Who is calling, and may they? API keys in the three places the contract names."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from flask import current_app, g, request

from app.problems import Problem
from app.wiring import Services
from domain.api_keys.api_key import Permission
from infra.key_check import Caller

Function = TypeVar("Function", bound=Callable[..., Any])
SERVICES = "daystar"

_NO_KEY = "Send an API key, as Authorization: Bearer or X-API-Key."


def services() -> Services:
    """The services of the running application."""
    return cast("Services", current_app.extensions[SERVICES])


def requires(permission: Permission) -> Callable[[Function], Function]:
    """Let only callers with this permission in. `g.caller` is who they are."""

    def decorate(function: Function) -> Function:
        @wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            caller = _caller()
            if not caller.may(permission):
                raise Problem(
                    403,
                    "insufficient_permission",
                    f"This API key lacks the permission {permission}.",
                )
            g.caller = caller
            return function(*args, **kwargs)

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


def _presented_key() -> str:
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and bearer.strip():
        return bearer.strip()
    return request.headers.get("X-API-Key", "").strip() or request.args.get("api_key", "").strip()
