"""What became of a webhook's deliveries, and what its owner may have done about them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
from flask import Response
from marshmallow import ValidationError, fields, validate, validates_schema
from psycopg import Connection
from psycopg.rows import TupleRow

from app.accounting.changes import POSITION_MAX
from app.accounting.resources import PER_PAGE_MAX, FollowingAnswer
from app.accounting.webhook_fields import EmptyWebhookBody
from app.accounting.webhooks import blueprint, check_position, own_endpoint
from app.auth import requires, services
from app.fields import QueryArguments, Shillings, StrictSchema
from app.idempotent import act_once, key_optional
from app.problems import Problem
from domain.api_keys.api_key import Permission
from domain.dates import business_day
from domain.errors import InvalidInput
from domain.webhooks.errors import DeliveryNotFound
from infra import clock
from infra.cursors import CURSOR_LENGTH_MAX, BadCursor, open_cursor, seal_cursor
from infra.webhooks import delivery_desk
from infra.webhooks.delivery_log import DeliveryPage
from projections.public_events.examples import example_item
from projections.public_events.table import TYPES

DIGEST_DAYS = 31
DIGEST_DAYS_MAX = 366
DELIVERY_STATES = ["due", "delivered", "exhausted", "cancelled"]


class DeliveryArguments(QueryArguments):
    """Filters of the deliveries."""

    state = fields.String(validate=validate.OneOf(DELIVERY_STATES))
    event = fields.String(validate=validate.OneOf(sorted(TYPES)))
    per_page = fields.Integer(load_default=50, validate=validate.Range(1, PER_PAGE_MAX))
    cursor = fields.String(validate=validate.Length(1, CURSOR_LENGTH_MAX))


class GapArguments(QueryArguments):
    """Beyond which sequence to look."""

    after_sequence = fields.Integer(load_default=0, validate=validate.Range(0, POSITION_MAX))


class DigestArguments(QueryArguments):
    """Which days, both ends included; without them, the last 31."""

    date_from = fields.Date()
    date_to = fields.Date()

    @validates_schema
    def dates_in_order(self, data: dict[str, Any], **_: Any) -> None:
        """A period that ends before it begins is a mistake, and so is one without end."""
        if "date_from" not in data or "date_to" not in data:
            return
        if data["date_from"] > data["date_to"]:
            raise ValidationError("date_to is before date_from.", "date_to")
        if data["date_to"] - data["date_from"] >= timedelta(days=DIGEST_DAYS_MAX):
            raise ValidationError(f"Give at most {DIGEST_DAYS_MAX} days.", "date_to")


class TestBody(StrictSchema):
    """Of which event an example is to be sent; without one, of the first the webhook asks for."""

    event = fields.String(validate=validate.OneOf(sorted(TYPES)))


class RecoverBody(StrictSchema):
    """Since when what was given up is to be tried anew."""

    since = fields.AwareDateTime(required=True, metadata={"example": "2026-11-23T06:00:00+00:00"})


class ReplayBody(StrictSchema):
    """Behind which position what has no delivery is to get one."""

    since_position = fields.Integer(required=True, validate=validate.Range(0, POSITION_MAX))


class DeliveryAnswer(StrictSchema):
    """A delivery. `id` is its `webhook-id`; `event_id` the id its event has in the change feed."""

    id = fields.UUID(required=True)
    sequence = fields.Integer(required=True, allow_none=True)
    event = fields.String(required=True)
    event_id = fields.String(required=True)
    subject = fields.String(required=True)
    position = fields.Integer(required=True)
    state = fields.String(required=True, validate=validate.OneOf(DELIVERY_STATES))
    attempts = fields.Integer(required=True)
    created_at = fields.AwareDateTime(required=True)
    next_attempt_at = fields.AwareDateTime(required=True, allow_none=True)
    delivered_at = fields.AwareDateTime(required=True, allow_none=True)
    finished_at = fields.AwareDateTime(required=True, allow_none=True)


class AttemptAnswer(StrictSchema):
    """One attempt: what was answered, how soon, and how the answer began (at most 1 kB)."""

    number = fields.Integer(required=True)
    started_at = fields.AwareDateTime(required=True)
    latency_ms = fields.Integer(required=True)
    status = fields.Integer(required=True, allow_none=True)
    outcome = fields.String(required=True)
    excerpt = fields.String(required=True)


class OneDeliveryAnswer(DeliveryAnswer):
    """A delivery with every attempt at it."""

    tries = fields.List(fields.Nested(AttemptAnswer), required=True)


class DeliveriesAnswer(StrictSchema):
    """A page of deliveries."""

    deliveries = fields.List(fields.Nested(DeliveryAnswer), required=True)
    pagination = fields.Nested(FollowingAnswer, required=True)


class MissingAnswer(StrictSchema):
    """A delivery that was not taken."""

    id = fields.UUID(required=True)
    sequence = fields.Integer(required=True)
    event = fields.String(required=True)
    subject = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(DELIVERY_STATES))


class GapsAnswer(StrictSchema):
    """How far the webhook's numbers go, and which of them it has not taken: the first 1,000.

    `missing` counts all of them. Older than `first_kept_sequence`, nothing is known any more.
    """

    last_sequence = fields.Integer(required=True)
    first_kept_sequence = fields.Integer(required=True, allow_none=True)
    missing = fields.Integer(required=True)
    deliveries = fields.List(fields.Nested(MissingAnswer), required=True)


class DigestTotalAnswer(StrictSchema):
    """What was delivered of one event; the sum of `amount`, where its data have one."""

    count = fields.Integer(required=True)
    amount = Shillings()


class DigestAnswer(StrictSchema):
    """A business day. `ids_sha256` is of the delivered ids by sequence, each with a line feed."""

    day = fields.Date(required=True)
    deliveries = fields.Integer(required=True)
    delivered = fields.Integer(required=True)
    by_event = fields.Dict(
        keys=fields.String(), values=fields.Nested(DigestTotalAnswer), required=True
    )
    ids_sha256 = fields.String(required=True)
    made_at = fields.AwareDateTime(required=True)


class DigestsAnswer(StrictSchema):
    """What was told on each day, newest first."""

    digests = fields.List(fields.Nested(DigestAnswer), required=True)


class AcceptedDeliveryAnswer(StrictSchema):
    """The delivery that will leave; its log tells what becomes of it."""

    id = fields.UUID(required=True)


class RecoveredAnswer(StrictSchema):
    """How many are tried anew; while `more` is true, ask again."""

    recovered = fields.Integer(required=True)
    more = fields.Boolean(required=True)


class ReplayAnswer(StrictSchema):
    """The log is read again behind this position."""

    id = fields.UUID(required=True)
    since_position = fields.Integer(required=True)


@blueprint.route("/<uuid:webhook_id>/deliveries")
@requires(Permission.MANAGE_WEBHOOKS)
@blueprint.arguments(DeliveryArguments(), location="query")
@blueprint.response(200, DeliveriesAnswer)
def list_deliveries(arguments: dict[str, Any], webhook_id: UUID) -> Response:
    """What a webhook was told, or is to be, newest first. Tests are not numbered, nor listed."""
    own_endpoint(webhook_id)
    filters = {name: arguments.get(name) for name in ("state", "event")}
    question = "&".join(["deliveries", str(webhook_id), *map(str, filters.values())])
    page = _page(arguments, webhook_id, filters, question)
    following = page.last and seal_cursor(services().keyring, question=question, place=[page.last])
    pagination = {"per_page": arguments["per_page"], "next_cursor": following}
    return Response(
        f'{{"deliveries":{page.json_text},"pagination":{orjson.dumps(pagination).decode()}}}',
        content_type="application/json",
    )


@blueprint.route("/<uuid:webhook_id>/deliveries/<uuid:delivery_id>")
@requires(Permission.MANAGE_WEBHOOKS)
@blueprint.response(200, OneDeliveryAnswer)
def show_delivery(webhook_id: UUID, delivery_id: UUID) -> Response:
    """One delivery, and every attempt at it."""
    own_endpoint(webhook_id)
    return Response(_delivery(webhook_id, delivery_id), content_type="application/json")


@blueprint.route("/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/resend", methods=["POST"])
@key_optional
@requires(Permission.MANAGE_WEBHOOKS)
@blueprint.arguments(EmptyWebhookBody())
@blueprint.response(202, AcceptedDeliveryAnswer)
def resend_delivery(_body: dict[str, Any], webhook_id: UUID, delivery_id: UUID) -> Response:
    """Send one again, whatever became of it, under the same id."""
    own_endpoint(webhook_id)
    _delivery(webhook_id, delivery_id)

    def act(connection: Connection[TupleRow]) -> dict[str, Any]:
        delivery_desk.resend(connection, delivery_id)
        return {"id": str(delivery_id)}

    return act_once(act, status=202)


@blueprint.route("/<uuid:webhook_id>/test", methods=["POST"])
@key_optional
@requires(Permission.MANAGE_WEBHOOKS)
@blueprint.arguments(TestBody())
@blueprint.response(202, AcceptedDeliveryAnswer)
def send_test(body: dict[str, Any], webhook_id: UUID) -> Response:
    """Send an example: signed as any other, without a number; its id begins with `test-`."""
    types = own_endpoint(webhook_id).terms.types
    event = body.get("event", types[0])
    if event not in types:
        raise InvalidInput("event", "This webhook is not told of this event.")
    made = {
        "id": f"test-{uuid4()}",
        "position": 0,
        "occurred_at": clock.now().isoformat(),
    }
    item = example_item(TYPES[event]) | made

    def act(connection: Connection[TupleRow]) -> dict[str, Any]:
        return {"id": str(delivery_desk.send_test(connection, webhook_id, item))}

    return act_once(act, status=202)


@blueprint.route("/<uuid:webhook_id>/recover", methods=["POST"])
@key_optional
@requires(Permission.MANAGE_WEBHOOKS)
@blueprint.arguments(RecoverBody())
@blueprint.response(202, RecoveredAnswer)
def recover_deliveries(body: dict[str, Any], webhook_id: UUID) -> Response:
    """Begin anew with what was given up since a moment: the whole schedule of attempts."""
    own_endpoint(webhook_id)

    def act(connection: Connection[TupleRow]) -> dict[str, Any]:
        recovered = delivery_desk.recover(connection, webhook_id, body["since"])
        more = recovered == delivery_desk.RECOVERED_AT_ONCE_MAX
        return {"recovered": recovered, "more": more}

    return act_once(act, status=202)


@blueprint.route("/<uuid:webhook_id>/replay-missing", methods=["POST"])
@key_optional
@requires(Permission.MANAGE_WEBHOOKS)
@blueprint.arguments(ReplayBody())
@blueprint.response(202, ReplayAnswer)
def replay_missing(body: dict[str, Any], webhook_id: UUID) -> Response:
    """Have it told of what it asks for now and was never told, from behind a position on."""
    own_endpoint(webhook_id)
    check_position(body["since_position"], field="since_position")

    def act(connection: Connection[TupleRow]) -> dict[str, Any]:
        delivery_desk.replay_missing(connection, webhook_id, body["since_position"])
        return {"id": str(webhook_id), "since_position": body["since_position"]}

    return act_once(act, status=202)


@blueprint.route("/<uuid:webhook_id>/gaps")
@requires(Permission.MANAGE_WEBHOOKS)
@blueprint.arguments(GapArguments(), location="query")
@blueprint.response(200, GapsAnswer)
def show_gaps(arguments: dict[str, Any], webhook_id: UUID) -> Response:
    """What a webhook has not taken: due still, given up, or cancelled."""
    own_endpoint(webhook_id)
    told = services().delivery_log.missing(webhook_id, after=arguments["after_sequence"])
    return Response(told, content_type="application/json")


@blueprint.route("/<uuid:webhook_id>/digests")
@requires(Permission.MANAGE_WEBHOOKS)
@blueprint.arguments(DigestArguments(), location="query")
@blueprint.response(200, DigestsAnswer)
def list_digests(arguments: dict[str, Any], webhook_id: UUID) -> Response:
    """What was told on each business day, so that a subscriber can prove to have all of it."""
    own_endpoint(webhook_id)
    last = arguments.get("date_to", business_day(clock.now()))
    first = arguments.get("date_from", last - timedelta(days=DIGEST_DAYS - 1))
    told = services().delivery_log.digests(webhook_id, first=first, last=last)
    return Response(f'{{"digests":{told}}}', content_type="application/json")


def _page(
    arguments: dict[str, Any], webhook_id: UUID, filters: dict[str, Any], question: str
) -> DeliveryPage:
    below = None
    if "cursor" in arguments:
        try:
            (below,) = open_cursor(services().keyring, arguments["cursor"], question=question)
        except BadCursor as error:
            raise Problem(
                400,
                "rest_invalid_param",
                "Invalid parameter(s): cursor",
                errors={"cursor": ["This is not a cursor of this list with these filters."]},
            ) from error
    per_page = arguments["per_page"]
    return services().delivery_log.page(webhook_id, **filters, per_page=per_page, below=below)


def _delivery(webhook_id: UUID, delivery_id: UUID) -> str:
    found = services().delivery_log.one(webhook_id, delivery_id)
    if found is None:
        raise DeliveryNotFound
    return found
