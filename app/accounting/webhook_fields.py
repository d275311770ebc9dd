"""What a webhook is on the wire: what may be asked of one, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from app.accounting.changes import POSITION_MAX
from app.accounting.resources import PAGE_MAX, PER_PAGE_MAX, PaginationAnswer
from app.fields import QueryArguments, StrictSchema, Text
from domain.dates import text_from_moment
from domain.errors import InvalidInput
from domain.webhooks.address import URL_LENGTH_MAX
from domain.webhooks.endpoint import DisableReason, EndpointState, Payload, WebhookEndpoint
from domain.webhooks.handlers import DESCRIPTION_LENGTH_MAX, OVERLAP_SECONDS_MAX, RATE_LIMIT_MAX
from infra import clock
from infra.cursors import CURSOR_LENGTH_MAX
from projections.public_events.table import TYPES

SECRET_LENGTH_MAX = 400
DATA_FIELDS = tuple(sorted({name for kind in TYPES.values() for name in kind.data}))
SHOWN_STATES = [str(state) for state in EndpointState if state is not EndpointState.DELETED]
EXAMPLE_URL = "https://books.example/hooks/daystar"


def _url(**options: Any) -> Text:
    return Text(
        validate=validate.Length(1, URL_LENGTH_MAX), metadata={"example": EXAMPLE_URL}, **options
    )


def _events(**options: Any) -> fields.List[str]:
    return fields.List(
        fields.String(validate=validate.OneOf(sorted(TYPES))),
        validate=validate.Length(1, len(TYPES)),
        metadata={"example": ["loan.created", "repayment.received"]},
        **options,
    )


def _masked_fields(**options: Any) -> fields.List[str]:
    return fields.List(
        fields.String(validate=validate.OneOf(DATA_FIELDS)),
        validate=validate.Length(0, len(DATA_FIELDS)),
        metadata={"example": ["payment_reference"]},
        **options,
    )


def _rate_limit(**options: Any) -> fields.Integer:
    return fields.Integer(validate=validate.Range(1, RATE_LIMIT_MAX), allow_none=True, **options)


def _description(**options: Any) -> Text:
    return Text(validate=validate.Length(1, DESCRIPTION_LENGTH_MAX), allow_none=True, **options)


def _secret() -> Text:
    return Text(
        validate=validate.Length(1, SECRET_LENGTH_MAX),
        allow_none=True,
        load_default=None,
        metadata={"description": "At least 24 bytes, as plain text or as whsec_ and base64."},
    )


class WebhookBody(StrictSchema):
    """Who is told what. Without `begins_after`, from now on; with it, from behind that position.

    A field of the data that is named in `masked_fields` is null in every delivery; `thin` tells
    what an event is about, and no more. Without a secret, one is made.
    """

    url = _url(required=True)
    events = _events(required=True)
    secret = _secret()
    payload = fields.Enum(Payload, by_value=True, load_default=Payload.FULL)
    masked_fields = _masked_fields(load_default=[])
    rate_limit_per_second = _rate_limit(load_default=None)
    description = _description(load_default=None)
    begins_after = fields.Integer(
        validate=validate.Range(0, POSITION_MAX), allow_none=True, load_default=None
    )


class WebhookChangesBody(StrictSchema):
    """What is to be otherwise; what is left out stays as it is."""

    url = _url()
    events = _events()
    payload = fields.Enum(Payload, by_value=True)
    masked_fields = _masked_fields()
    rate_limit_per_second = _rate_limit()
    description = _description()


class SecretBody(StrictSchema):
    """A secret of one's own, or none to have one made; how long the older ones go on signing."""

    secret = _secret()
    overlap_seconds = fields.Integer(validate=validate.Range(0, OVERLAP_SECONDS_MAX))


class EmptyWebhookBody(StrictSchema):
    """Nothing needs saying."""


class WebhookArguments(QueryArguments):
    """Filters of the webhooks."""

    state = fields.String(validate=validate.OneOf(SHOWN_STATES))
    page = fields.Integer(validate=validate.Range(1, PAGE_MAX), metadata={"default": 1})
    per_page = fields.Integer(load_default=50, validate=validate.Range(1, PER_PAGE_MAX))
    cursor = fields.String(validate=validate.Length(1, CURSOR_LENGTH_MAX))

    @validates_schema
    def page_or_cursor(self, data: dict[str, Any], **_: Any) -> None:
        """A place in the list is told in one way."""
        if "page" in data and "cursor" in data:
            raise ValidationError("Send either page or cursor.", "cursor")


class WebhookAnswer(StrictSchema):
    """A webhook. `begins_after` is the past position it began behind, where one was chosen."""

    id = fields.UUID(required=True)
    url = fields.String(required=True)
    events = fields.List(fields.String(), required=True)
    payload = fields.Enum(Payload, by_value=True, required=True)
    masked_fields = fields.List(fields.String(), required=True)
    rate_limit_per_second = fields.Integer(required=True, allow_none=True)
    description = fields.String(required=True, allow_none=True)
    state = fields.Enum(EndpointState, by_value=True, required=True)
    disabled_reason = fields.String(
        required=True, allow_none=True, metadata={"enum": [*map(str, DisableReason), None]}
    )
    disabled_at = fields.AwareDateTime(required=True, allow_none=True)
    begins_after = fields.Integer(required=True, allow_none=True)
    created_at = fields.AwareDateTime(required=True)


class OneWebhookAnswer(WebhookAnswer):
    """A webhook, and until when its older secrets sign beside the newest."""

    old_secrets_until = fields.List(fields.AwareDateTime(), required=True)


class CreatedWebhookAnswer(OneWebhookAnswer):
    """The webhook, with its secret, which is shown here and never again."""

    webhook_id = fields.UUID(required=True)
    message = fields.String(required=True)
    secret = fields.String(required=True)


class RotatedSecretAnswer(StrictSchema):
    """The new secret, which is shown here and never again; until when older ones sign too."""

    id = fields.UUID(required=True)
    secret = fields.String(required=True)
    old_secrets_until = fields.List(fields.AwareDateTime(), required=True)


class WebhooksAnswer(StrictSchema):
    """A page of webhooks."""

    webhooks = fields.List(fields.Nested(WebhookAnswer), required=True)
    pagination = fields.Nested(PaginationAnswer, required=True)


def shown_webhook(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """An endpoint as its owner sees it."""
    terms = endpoint.terms
    return {
        "id": str(endpoint.id),
        "url": terms.url,
        "events": terms.types,
        "payload": terms.payload,
        "masked_fields": terms.masked_fields,
        "rate_limit_per_second": terms.rate_limit_per_second,
        "description": terms.description,
        "state": str(endpoint.state),
        "disabled_reason": endpoint.disabled_reason,
        "disabled_at": endpoint.disabled_at,
        "begins_after": endpoint.begins_after,
        "created_at": endpoint.created_at,
        "old_secrets_until": old_secrets_until(endpoint),
    }


def old_secrets_until(endpoint: WebhookEndpoint) -> list[str]:
    """The ends of the older secrets that still sign, soonest first."""
    now = text_from_moment(clock.now())
    return sorted(end for end in endpoint.old_secrets.values() if end > now)


def check_masks(types: Iterable[str], masked_fields: Iterable[str]) -> None:
    """A mask that hides nothing is a mistake, which must not be found out by what it did not hide.

    Raises:
        InvalidInput: none of these events has such a field.
    """
    known = {name for kind in types for name in TYPES[kind].data}
    missing = sorted(set(masked_fields) - known)
    if missing:
        raise InvalidInput("masked_fields", f"None of these events has: {', '.join(missing)}.")
