"""Run a command under the request's Idempotency-Key: once, and answered the same ever after."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import orjson
from flask import Response, current_app, g, request
from psycopg import Connection
from psycopg.rows import TupleRow
from structlog.contextvars import bind_contextvars

from app.auth import services
from app.problems import Problem
from infra.event_store.dispatch import dispatch
from infra.event_store.unit_of_work import Cause
from infra.idempotency import Claim, Replay
from infra.postgres.pool import borrowed

Function = TypeVar("Function", bound=Callable[..., Any])
KEY_OPTIONAL = "idempotency_key_optional"
"""The attribute of a view that may be asked without a key."""

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def key_optional(view: Function) -> Function:
    """Of a command that moves no money: its Idempotency-Key may be left out."""
    setattr(view, KEY_OPTIONAL, True)
    return view


def cause(correlation_id: str | None = None) -> Cause:
    """Who acts in this request, and in the course of what: log lines from here on say so too."""
    correlation_id = correlation_id or g.request_id
    bind_contextvars(correlation_id=correlation_id)
    return Cause(
        actor=g.caller.principal_id,
        correlation_id=correlation_id,
        causation_id=f"request:{g.request_id}",
    )


def run_once(
    command: Any,
    *,
    answer: Callable[[Any], dict[str, Any]],
    status: int,
    because: Cause,
) -> Response:
    """Dispatch a command and answer it; with the same key, answer again without doing it again.

    Raises:
        Problem: the Idempotency-Key is missing or malformed.
        KeyInFlight, KeyUsedForOtherBody: as `infra.idempotency` says.
    """
    held = _held(subject_id=getattr(command, "member_id", None))
    if held is None:
        return _run_without_key(command, answer=answer, status=status, because=because)
    if isinstance(held, Replay):
        return _replayed(held)
    return _run_claimed(held, command, answer=answer, status=status, because=because)


def act_once(act: Callable[[Connection[TupleRow]], dict[str, Any]], *, status: int) -> Response:
    """Do something beside the log, in one transaction, and answer what `act` says of it.

    With an Idempotency-Key that transaction keeps the answer: as with a command, it is done once.
    """
    held = _held()
    if isinstance(held, Replay):
        return _replayed(held)
    keys = services().idempotency
    try:
        with borrowed(services().pool) as connection, connection.transaction():
            body = orjson.dumps(act(connection))
            if held is not None:
                keys.keep(connection, held, status=status, body=body)
    except Exception:
        if held is not None:
            keys.release(held)  # keeps the answer, should the commit have come through after all
        raise
    return _json(body, status)


def _held(*, subject_id: UUID | None = None) -> Claim | Replay | None:
    """What the request's key stands for; None where there is none, and need not be one."""
    key = request.headers.get("Idempotency-Key")
    if key is None and _may_be_left_out():
        return None
    if key is None or not _KEY.fullmatch(key):
        raise Problem(
            400,
            "idempotency_key_required",
            "Send an Idempotency-Key header of 1 to 255 visible characters, new for each payment.",
        )
    return services().idempotency.claim(
        scope=f"{g.caller.key_id}\n{request.method}\n{request.path}",
        key=key,
        body=orjson.dumps(request.get_json(), option=orjson.OPT_SORT_KEYS).decode(),
        subject_id=subject_id,
    )


def _replayed(held: Replay) -> Response:
    response = _json(held.body, held.status)
    response.headers["Idempotency-Replayed"] = "true"
    return response


def _may_be_left_out() -> bool:
    return getattr(current_app.view_functions[request.endpoint or ""], KEY_OPTIONAL, False)


def _run_without_key(
    command: Any, *, answer: Callable[[Any], dict[str, Any]], status: int, because: Cause
) -> Response:
    """As with a key, the answer is made before the append; but nothing keeps it."""
    body = b""

    def made(result: Any) -> None:
        nonlocal body
        body = orjson.dumps(answer(result))

    dispatch(services().store, command, because, answer=made)
    return _json(body, status)


def _run_claimed(
    claim: Claim,
    command: Any,
    *,
    answer: Callable[[Any], dict[str, Any]],
    status: int,
    because: Cause,
) -> Response:
    keys = services().idempotency
    body = b""

    def stored(result: Any) -> Any:
        nonlocal body
        body = orjson.dumps(answer(result))
        return keys.answer(claim, status=status, body=body)

    try:
        dispatch(services().store, command, because, answer=stored)
    except Exception:
        keys.release(claim)  # keeps the answer, should the append have come through after all
        raise
    return _json(body, status)


def _json(body: bytes, status: int) -> Response:
    return Response(body, status=status, content_type="application/json")
