"""Every refusal, in one shape: `application/problem+json` (RFC 9457) with the contract's fields.

One table says which error is which status. Whatever is not in it is a bug: 500, logged, and told to
the caller without a word of what happened inside.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

import psycopg
import structlog
from flask import Flask, Response, g, request
from psycopg_pool import PoolTimeout
from werkzeug.exceptions import HTTPException

from domain.errors import BrokenRule, DomainError, InvalidInput, NotFound
from infra.event_store.errors import Contention, IdempotencyClaimLapsed
from infra.idempotency import KeyInFlight, KeyUsedForOtherBody

_log = structlog.get_logger()

_STATUS_OF_DOMAIN_ERROR: tuple[tuple[type[DomainError], int], ...] = (
    (InvalidInput, 422),
    (NotFound, 404),
    (BrokenRule, 409),
)
_CODE_OF_STATUS = {
    400: "bad_request",
    404: "rest_no_route",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "invalid_body",
}
_SENTENCE_OF_STATUS = {
    404: "There is nothing at this address.",
    405: "This address does not answer to this method.",
    413: "The body is too large.",
    415: "Send the body as application/json.",
}


class Problem(Exception):
    """A refusal raised at the door itself."""

    def __init__(
        self,
        status: int,
        code: str,
        sentence: str,
        *,
        errors: Any = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.sentence = sentence
        self.errors = errors
        self.headers = headers or {}


def problem_response(problem: Problem) -> Response:
    """The problem as the wire carries it."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.sentence,
        "code": problem.code,
        "message": problem.sentence,
        "data": {"status": problem.status},
        "request_id": g.get("request_id"),
    }
    if problem.errors:
        body["errors"] = problem.errors
    return Response(
        json.dumps(body),  # escapes everything: a field's name may hold half of a surrogate pair
        status=problem.status,
        content_type="application/problem+json",
        headers=problem.headers,
    )


def as_problem(error: Exception) -> Problem:  # noqa: PLR0911 (a table, written as code)
    """Translate, once, at the door."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, DomainError):
        return _of_domain_error(error)
    if isinstance(error, HTTPException):
        return _of_http_exception(error)
    if isinstance(error, KeyInFlight | IdempotencyClaimLapsed):
        sentence = "A request with this Idempotency-Key is still being worked on; try again."
        return Problem(409, "idempotency_key_in_flight", sentence, headers={"Retry-After": "1"})
    if isinstance(error, KeyUsedForOtherBody):
        sentence = "This Idempotency-Key was used with another body; use a new key."
        return Problem(422, "idempotency_key_reused", sentence)
    if isinstance(error, Contention):
        return Problem(409, "contention", str(error), headers={"Retry-After": "1"})
    if isinstance(error, psycopg.OperationalError | PoolTimeout):
        _log.error("database_away", error=type(error).__name__)
        sentence = (
            "The database is not answering. Please try again; what carried an Idempotency-Key,"
            " with the same key: it will not be done twice."
        )
        return Problem(503, "database_unavailable", sentence, headers={"Retry-After": "2"})
    _log.error("unexpected_error", exc_info=error)
    return Problem(500, "internal_error", "Something went wrong on our side; it has been noted.")


def _of_domain_error(error: DomainError) -> Problem:
    status = next(s for kind, s in _STATUS_OF_DOMAIN_ERROR if isinstance(error, kind))
    errors = {error.field: [error.sentence]} if isinstance(error, InvalidInput) else None
    return Problem(status, error.code, error.sentence, errors=errors)


def _of_http_exception(error: HTTPException) -> Problem:
    status = error.code or 500
    data = getattr(error, "data", {})
    messages = data.get("messages")
    headers = dict(error.get_headers()) if status == 405 else {}
    headers.pop("Content-Type", None)
    if messages:
        return _of_validation(messages, status)
    sentence = _SENTENCE_OF_STATUS.get(status, error.description or "")
    return Problem(status, _CODE_OF_STATUS.get(status, "http_error"), sentence, headers=headers)


def _of_validation(messages: Any, status: int) -> Problem:
    """What marshmallow found: the accounting API's codes for parameters, ours for bodies."""
    if "query" in messages:
        errors = messages["query"]
        sentence = f"Invalid parameter(s): {', '.join(sorted(errors))}"
        return Problem(400, "rest_invalid_param", sentence, errors=errors)
    errors = messages.get("json", messages)
    if status == 400:
        return Problem(400, "malformed_json", "The body is not well-formed JSON.")
    return Problem(
        422, "invalid_body", "Some fields of the body are not acceptable.", errors=errors
    )


def register_problem_handlers(app: Flask) -> None:
    """Let every error of the application leave in this one shape."""

    @app.errorhandler(Exception)
    def _handle(error: Exception) -> Response:
        problem = as_problem(error)
        if problem.status >= 500:
            structlog.get_logger().error(
                "request_failed", status=problem.status, route=str(request.url_rule)
            )
        return problem_response(problem)
