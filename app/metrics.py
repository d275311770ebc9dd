"""`/metrics`: for this machine's Prometheus, or another's that holds a key with `read_events`."""

from __future__ import annotations

from flask import Blueprint, Response, request

from app.auth import requires, services
from domain.api_keys.api_key import Permission
from infra import clock
from infra.mpesa.addresses import is_loopback
from projections.metrics import metrics_text

blueprint = Blueprint("metrics", __name__)


@blueprint.route("/metrics")
def metrics() -> Response:
    """All figures."""
    return _figures() if is_loopback(request.remote_addr) else _figures_for_a_key()


@requires(Permission.READ_EVENTS)
def _figures_for_a_key() -> Response:
    return _figures()


def _figures() -> Response:
    text = metrics_text(services().pool, now=clock.now())
    return Response(text, content_type="text/plain; version=0.0.4; charset=utf-8")
