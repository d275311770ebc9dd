"""`/metrics`: for this machine's Prometheus, or another's that holds a key with `read_events`."""

from __future__ import annotations

from flask import Response, request
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from app.auth import requires, services
from app.blueprint import Blueprint
from domain.api_keys.api_key import Permission
from infra import clock
from infra.mpesa.addresses import is_loopback
from projections.metrics import Figures

PLAIN_TEXT = "text/plain"
blueprint = Blueprint("metrics", __name__, description="Figures for whoever watches the house.")


def _asked_from_this_machine() -> bool:
    return is_loopback(request.remote_addr)


@blueprint.route("/metrics")
@requires(Permission.READ_EVENTS, unless=_asked_from_this_machine)
@blueprint.response(200, {"type": "string"}, content_type=PLAIN_TEXT)
def metrics() -> Response:
    """All figures, as Prometheus reads them.

    The same from every process. From this machine no key is needed.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures(services().pool, now=clock.now))
    try:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    except (TypeError, ValueError):  # it asks for a version that is no number
        encode, content_type = choose_encoder("")
    return Response(encode(registry), content_type=content_type)
