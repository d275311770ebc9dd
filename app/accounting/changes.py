"""The change feed: what happened, in order and without end, for whoever must not miss any of it."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response, g
from marshmallow import fields, validate
from webargs.fields import DelimitedList

from app.accounting.resources import blueprint
from app.auth import requires, services
from app.fields import QueryArguments, StrictSchema
from app.problems import Problem
from projections.public_events.feed import LostPosition
from projections.public_events.table import TYPES

LIMIT_MAX = 1_000
WAIT_SECONDS_MAX = 30
POSITION_MAX = 2**63 - 1
READABLE = tuple(dict.fromkeys(kind.reads for kind in TYPES.values()))


class ChangeArguments(QueryArguments):
    """Where to go on, how much, of which types, and how long to wait for something to tell."""

    after = fields.Integer(load_default=0, validate=validate.Range(0, POSITION_MAX))
    limit = fields.Integer(load_default=100, validate=validate.Range(1, LIMIT_MAX))
    wait = fields.Integer(load_default=0, validate=validate.Range(0, WAIT_SECONDS_MAX))
    types = DelimitedList(
        fields.String(validate=validate.OneOf(sorted(TYPES))),
        validate=validate.Length(1),
        metadata={"example": ["loan.created", "repayment.received"]},
    )


class ChangeAnswer(StrictSchema):
    """A public event. `data` is what the JSON Schema of its type and version says."""

    id = fields.String(required=True)
    type = fields.String(required=True, metadata={"enum": sorted(TYPES)})
    version = fields.Integer(required=True)
    subject = fields.UUID(required=True)
    position = fields.Integer(required=True)
    occurred_at = fields.AwareDateTime(required=True)
    data = fields.Dict(keys=fields.String(), required=True)


class ChangesAnswer(StrictSchema):
    """What happened, in order; `next_after` is where to go on, and `more` whether to at once."""

    changes = fields.List(fields.Nested(ChangeAnswer), required=True)
    next_after = fields.Integer(required=True)
    more = fields.Boolean(required=True)


@blueprint.route("/changes")
@requires(*READABLE)
@blueprint.arguments(ChangeArguments(), location="query")
@blueprint.response(200, ChangesAnswer)
def list_changes(arguments: dict[str, Any]) -> Response:
    """What happened after a position, as far as the key may read it; whole commits, in order."""
    asked = arguments.get("types", TYPES)
    types = frozenset(name for name in asked if g.caller.may(TYPES[name].reads))
    try:
        page = services().change_feed.changes(
            arguments["after"],
            limit=arguments["limit"],
            types=types,
            wait_seconds=arguments["wait"],
        )
    except LostPosition as error:
        raise Problem(
            410,
            "position_lost",
            "The log has no such position: the books were restored from a backup. Drop what you"
            f" took in after position {error.known}, and go on from there.",
        ) from error
    answer = {"changes": page.items, "next_after": page.next_after, "more": page.more}
    return Response(orjson.dumps(answer), content_type="application/json")
