"""`/daystar/v1/events`: the log itself, for auditors; personal fields stay closed."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response
from marshmallow import fields, validate

from app.accounting.resources import PER_PAGE_MAX, PaginationAnswer
from app.auth import requires, services
from app.blueprint import Blueprint
from app.fields import QueryArguments, StrictSchema, Text
from app.problems import Problem
from domain.api_keys.api_key import Permission
from domain.event_catalogue import EVENTS
from infra.cursors import CURSOR_LENGTH_MAX, BadCursor, open_cursor, seal_cursor
from infra.event_store.history import History, LostPlace

POSITION_MAX = 2**63 - 1
WORD_LENGTH_MAX = 200
_FILTERS = (
    *("stream_id", "type", "actor", "correlation_id", "recorded_from", "recorded_to"),
    *("position_from", "position_to"),
)

blueprint = Blueprint("events", __name__, url_prefix="/daystar/v1", description="The log.")


class EventArguments(QueryArguments):
    """Which events; both ends of a range are included."""

    stream_id = fields.UUID()
    type = fields.String(
        validate=validate.OneOf(sorted(EVENTS)), metadata={"example": "loan.approved"}
    )
    actor = Text(validate=validate.Length(1, WORD_LENGTH_MAX))
    correlation_id = Text(validate=validate.Length(1, WORD_LENGTH_MAX))
    recorded_from = fields.AwareDateTime(metadata={"example": "2026-11-23T06:00:00+00:00"})
    recorded_to = fields.AwareDateTime(metadata={"example": "2026-11-24T06:00:00+00:00"})
    position_from = fields.Integer(validate=validate.Range(0, POSITION_MAX))
    position_to = fields.Integer(validate=validate.Range(0, POSITION_MAX))
    order = fields.String(load_default="newest", validate=validate.OneOf(["newest", "oldest"]))
    per_page = fields.Integer(load_default=50, validate=validate.Range(1, PER_PAGE_MAX))
    cursor = fields.String(validate=validate.Length(1, CURSOR_LENGTH_MAX))


class EventAnswer(StrictSchema):
    """An event as it was recorded. Personal fields and secrets are masked, amounts are cents."""

    position = fields.Integer(required=True)
    stream_id = fields.UUID(required=True)
    stream_version = fields.Integer(required=True)
    type = fields.String(required=True)
    version = fields.Integer(required=True)
    recorded_at = fields.AwareDateTime(required=True)
    actor = fields.String(required=True, allow_none=True)
    correlation_id = fields.String(required=True, allow_none=True)
    causation_id = fields.String(required=True, allow_none=True)
    data = fields.Dict(keys=fields.String(), required=True)


class EventsAnswer(StrictSchema):
    """A page of events; it may be short, or empty, while `next_cursor` says that more follow."""

    events = fields.List(fields.Nested(EventAnswer), required=True)
    pagination = fields.Nested(PaginationAnswer, required=True)


@blueprint.route("/events")
@requires(Permission.READ_EVENTS)
@blueprint.arguments(EventArguments(), location="query")
@blueprint.response(200, EventsAnswer)
def list_events(arguments: dict[str, Any]) -> Response:
    """Every event there ever was, newest or oldest first: who did what, when, because of what."""
    filters = {name: arguments[name] for name in _FILTERS if name in arguments}
    asked = [f"{name}={filters[name]}" for name in sorted(filters)]
    question = "&".join(["events", arguments["order"], *asked])
    behind = None
    if "cursor" in arguments:
        try:
            behind = open_cursor(services().keyring, arguments["cursor"], question=question)
        except BadCursor as error:
            raise Problem(
                400,
                "rest_invalid_param",
                "Invalid parameter(s): cursor",
                errors={"cursor": ["This is not a cursor of this list with these filters."]},
            ) from error
    try:
        page = History(services().pool).page(
            filters,
            newest_first=arguments["order"] == "newest",
            per_page=arguments["per_page"],
            behind=behind,
        )
    except LostPlace as error:
        raise Problem(
            410,
            "cursor_lost",
            "The books were restored from a backup after this cursor was given. Begin the list"
            " again: what you have read of it may be lost.",
        ) from error
    following = page.last and seal_cursor(
        services().keyring, question=question, place=[page.head, page.last]
    )
    pagination = {"per_page": arguments["per_page"], "next_cursor": following}
    return Response(
        orjson.dumps({"events": page.events, "pagination": pagination}),
        content_type="application/json",
        headers={"Daystar-Position": str(page.head)},
    )
