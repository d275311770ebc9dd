"""`/livez` and `/readyz`: is the process alive, and can it do its work?"""

from __future__ import annotations

import orjson
from flask import Blueprint, Response

from app.auth import services
from infra import clock
from projections.read_models import READ_MODELS
from projections.status import follower_status

blueprint = Blueprint("health", __name__)
SECONDS_BEHIND_MAX = 10.0


@blueprint.route("/livez")
def livez() -> Response:
    """The process answers."""
    return Response(b'{"status":"alive"}', content_type="application/json")


@blueprint.route("/readyz")
def readyz() -> Response:
    """The database answers. A read model that stopped or lags makes it degraded, not down."""
    followers = follower_status(services().pool, READ_MODELS.values(), now=clock.now())
    healthy = all(
        follower.state == "following" and follower.seconds_behind < SECONDS_BEHIND_MAX
        for follower in followers
    )
    body = {
        "status": "ready" if healthy else "degraded",
        "read_models": {
            follower.name: {
                "state": follower.state,
                "events_behind": follower.events_behind,
                "seconds_behind": round(follower.seconds_behind, 3),
            }
            for follower in followers
        },
    }
    return Response(orjson.dumps(body), content_type="application/json")
