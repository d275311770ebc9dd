"""`/livez` and `/readyz`: is the process alive, and can it do its work?"""

from __future__ import annotations

import orjson
from flask import Response
from marshmallow import fields

from app.auth import services
from app.blueprint import Blueprint
from app.fields import StrictSchema
from infra import clock
from projections.read_models import READ_MODELS
from projections.status import follower_status

blueprint = Blueprint("health", __name__, description="Is it alive, and can it work?")
SECONDS_BEHIND_MAX = 10.0


class AliveAnswer(StrictSchema):
    """The process answers."""

    status = fields.String(required=True, metadata={"enum": ["alive"]})


class ReadModelAnswer(StrictSchema):
    """How far a read model is behind the log."""

    state = fields.String(required=True, metadata={"example": "following"})
    events_behind = fields.Integer(required=True)
    seconds_behind = fields.Float(required=True)


class ReadyAnswer(StrictSchema):
    """Whether the house can do its work."""

    status = fields.String(required=True, metadata={"enum": ["ready", "degraded"]})
    read_models = fields.Dict(fields.String(), fields.Nested(ReadModelAnswer), required=True)


@blueprint.route("/livez")
@blueprint.response(200, AliveAnswer)
def livez() -> Response:
    """The process answers."""
    return Response(b'{"status":"alive"}', content_type="application/json")


@blueprint.route("/readyz")
@blueprint.response(200, ReadyAnswer)
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
