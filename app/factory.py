"""Makes the web application: blueprints, the context of each request, one way to fail."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import structlog
from flask import Flask, Response, current_app, g, request
from structlog.contextvars import bind_contextvars, clear_contextvars
from werkzeug.middleware.proxy_fix import ProxyFix

from app import health, metrics
from app.accounting import changes, resources, summary, webhook_deliveries, webhooks
from app.accounting import loans as lending
from app.auth import SERVICES, rate_limit_headers
from app.blueprint import Api
from app.callbacks import mpesa as callbacks
from app.callbacks import payouts as payout_callbacks
from app.callbacks.fast_lane import REQUEST_ID, FastLane
from app.documentation import pages as documentation
from app.documentation.openapi import SPEC_OPTIONS
from app.guards import GUARDS, HTTPS_STAYS
from app.operations import (
    contributions,
    events,
    loans,
    members,
    mpesa,
    payouts,
    receipts,
    reconciliation,
    refunds,
    repayments,
    set_aside,
    suspense,
)
from app.problems import Problem, register_problem_handlers
from app.wiring import Services
from infra import clock
from infra.mpesa.addresses import is_loopback
from infra.usage import Use

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

BODY_BYTES_MAX = 64 * 1024
ALIAS_PREFIX = "/wp-json/daystar-accounting/"
_ACCOUNTING = (resources, lending, summary, changes)  # one blueprint in several files
_WEBHOOKS = (webhooks, webhook_deliveries)  # and so here
_ACTS = (
    *(members, contributions, refunds, loans, repayments),
    *(mpesa, receipts, suspense, set_aside, payouts, reconciliation, events),
)
_CALLBACKS = (callbacks, payout_callbacks)  # one blueprint, too
_OF_THE_HOUSE = (health, metrics, documentation)
_WATCHING = (health.blueprint.name, metrics.blueprint.name)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_log = structlog.get_logger()


def create_app(services: Services) -> Flask:
    """The application of one web process."""
    app = Flask("daystar")
    app.config.update(
        MAX_CONTENT_LENGTH=BODY_BYTES_MAX,
        API_TITLE="Daystar Integration Backend",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
        API_SPEC_OPTIONS=SPEC_OPTIONS,
        PROPAGATE_EXCEPTIONS=False,
    )
    app.extensions[SERVICES] = services
    app.json.sort_keys = False  # type: ignore[attr-defined]
    api = Api(app)
    doors = (*_ACCOUNTING, *_WEBHOOKS, *_ACTS, *_CALLBACKS, *_OF_THE_HOUSE)
    for blueprint in dict.fromkeys(door.blueprint for door in doors):
        api.register_blueprint(blueprint)
    app.register_blueprint(documentation.page_parts)
    app.extensions[documentation.DESCRIBED] = documentation.Described(api, app)
    register_problem_handlers(app)
    app.before_request(_begin)
    app.after_request(_end)
    app.wsgi_app = _Alias(FastLane(app.wsgi_app, services))  # type: ignore[method-assign]
    if services.settings.proxy_hops:
        hops = services.settings.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    return app


class _Alias:
    """The older system's address leads to the same API."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith(ALIAS_PREFIX):
            environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix("/wp-json")
        return self._application(environ, start_response)


def _begin() -> None:
    g.started = time.perf_counter()
    asked = request.headers.get("X-Request-Id", "")
    g.request_id = asked if REQUEST_ID.fullmatch(asked) else uuid.uuid4().hex
    clear_contextvars()  # the thread has served others before
    bind_contextvars(request_id=g.request_id, correlation_id=g.request_id)
    if not request.is_secure and not is_loopback(request.remote_addr):
        raise Problem(403, "https_required", "Use https.")


def _end(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.get("request_id", "")
    for name, value in GUARDS.items():
        response.headers.setdefault(name, value)
    if request.is_secure:
        response.headers.set(*HTTPS_STAYS)
    response.headers.update(rate_limit_headers())
    _log.info("request", **_summary(response))
    if request.blueprint not in _WATCHING:  # machines ask after our health all day long
        _note_use(response)
    return response


def _note_use(response: Response) -> None:
    caller = g.get("caller")
    services: Services = current_app.extensions[SERVICES]
    services.usage.add(
        Use(
            occurred_at=clock.now(),
            key_id=caller.key_id if caller else None,
            address=_address(),
            method=request.method if request.method in _METHODS else "OTHER",
            endpoint=str(request.url_rule) if request.url_rule else None,
            status=response.status_code,
            milliseconds=(time.perf_counter() - g.started) * 1000,
            # What Safaricom told stands in intake.callbacks, with its time, source and outcome.
            is_counted_only=request.blueprint == callbacks.blueprint.name
            and response.status_code == 200,
        )
    )


def _address() -> str | None:
    """Where the request came from, as far as it is an address: a proxy may say anything."""
    try:
        return str(ip_address((request.remote_addr or "").partition("%")[0]))
    except ValueError:
        return None


def _summary(response: Response) -> dict[str, Any]:
    """What is said of a request: its route, never its path or query, which may hold secrets."""
    started = g.get("started")
    caller = g.get("caller")
    return {
        "method": request.method,
        "route": str(request.url_rule) if request.url_rule else None,
        "status": response.status_code,
        "milliseconds": round((time.perf_counter() - started) * 1000, 1) if started else None,
        "key_id": str(caller.key_id) if caller else None,
    }
