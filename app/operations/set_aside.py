"""`/daystar/v1/mpesa/set-aside`: what Safaricom told and we could not believe or read.

The bodies stay closed: they hold numbers and names. What was decided stands beside each.
"""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response
from marshmallow import fields, validate

from app.accounting.resources import PER_PAGE_MAX, FollowingAnswer
from app.auth import requires, services
from app.fields import QueryArguments, StrictSchema
from app.operations.mpesa import blueprint
from app.problems import Problem
from domain.api_keys.api_key import Permission
from infra.cursors import CURSOR_LENGTH_MAX, BadCursor, open_cursor, seal_cursor

_KIND = validate.OneOf(["stk", "c2b", "b2c", "status", "balance", "reversal"])


class SetAsideArguments(QueryArguments):
    """Of which kind, and which page."""

    kind = fields.String(validate=_KIND)
    per_page = fields.Integer(load_default=50, validate=validate.Range(1, PER_PAGE_MAX))
    cursor = fields.String(validate=validate.Length(1, CURSOR_LENGTH_MAX))


class SetAsideItemAnswer(StrictSchema):
    """One callback. `subject_id` is whose address it came to: a push, a payout, a short code.

    `correlation_id` is what it is about, where that could be read: a receipt's id, say.
    `is_readable` is false once its words were wiped.
    """

    id = fields.String(required=True)
    kind = fields.String(required=True)
    reason = fields.String(required=True)
    subject_id = fields.UUID(required=True)
    correlation_id = fields.String(required=True)
    deliveries = fields.Integer(required=True)
    is_readable = fields.Boolean(required=True)
    received_at = fields.AwareDateTime(required=True)
    set_aside_at = fields.AwareDateTime(required=True)


class SetAsideAnswer(StrictSchema):
    """A page of callbacks that were set aside."""

    set_aside = fields.List(fields.Nested(SetAsideItemAnswer), required=True)
    pagination = fields.Nested(FollowingAnswer, required=True)


@blueprint.route("/set-aside")
@requires(Permission.OPERATE)
@blueprint.arguments(SetAsideArguments(), location="query")
@blueprint.response(200, SetAsideAnswer)
def list_set_aside(arguments: dict[str, Any]) -> Response:
    """What was set aside for a person, newest first, and why."""
    kind, per_page = arguments.get("kind"), arguments["per_page"]
    question = f"set-aside&kind={kind}"
    before = None
    if "cursor" in arguments:
        try:
            [before] = open_cursor(services().keyring, arguments["cursor"], question=question)
        except BadCursor as error:
            raise Problem(
                400,
                "rest_invalid_param",
                "Invalid parameter(s): cursor",
                errors={"cursor": ["This is not a cursor of this list with these filters."]},
            ) from error
    rows = services().callbacks.set_aside(kind=kind, before=before, limit=per_page + 1)
    more, rows = len(rows) > per_page, rows[:per_page]
    following = more and seal_cursor(
        services().keyring, question=question, place=[int(rows[-1]["id"])]
    )
    pagination = {"per_page": per_page, "next_cursor": following or None}
    return Response(
        orjson.dumps({"set_aside": rows, "pagination": pagination}),
        content_type="application/json",
    )
