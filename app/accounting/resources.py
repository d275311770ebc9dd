"""`/daystar-accounting/v1`, which accounting systems pull: paths, names, values are a contract."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
from flask import Response
from marshmallow import ValidationError, fields, validate, validates_schema

from app.accounting.as_of import AsOfArguments, PastPages, asked_as_of, named, past
from app.accounting.exports import FORMATS, as_files, export_answer
from app.accounting.freshness import Shown, fresh_answer, revalidates
from app.auth import requires, services
from app.blueprint import Blueprint
from app.fields import Shillings, StrictSchema
from app.problems import Problem
from domain.api_keys.api_key import Permission
from domain.contributions.rules import OPENING_BALANCE, ContributionType, PaymentMethod
from domain.members.errors import MemberNotFound
from domain.members.member import MemberStatus
from infra.cursors import CURSOR_LENGTH_MAX, BadCursor, open_cursor, seal_cursor
from infra.event_store.as_of import AsOf
from projections.contributions import CONTRIBUTION_LIST
from projections.listing import Listing, LostPlace, Page
from projections.members import MEMBER_LIST, member_json

JSON = "json"
PER_PAGE_MAX = 100
PAGE_MAX = 1_000_000
MEMBER_STATUSES = sorted({status.on_the_wire for status in MemberStatus})

blueprint = Blueprint(
    "accounting",
    __name__,
    url_prefix="/daystar-accounting/v1",
    description="What accounting systems pull.",
)


def updated_since() -> fields.AwareDateTime:
    """A filter by the moment of the last change, as the log recorded it."""
    return fields.AwareDateTime(metadata={"example": "2026-11-23T06:00:00+00:00"})


class PageArguments(AsOfArguments):
    """Paging, as every list has it."""

    page = fields.Integer(validate=validate.Range(1, PAGE_MAX), metadata={"default": 1})
    per_page = fields.Integer(load_default=50, validate=validate.Range(1, PER_PAGE_MAX))
    cursor = fields.String(validate=validate.Length(1, CURSOR_LENGTH_MAX))
    format = fields.String(load_default=JSON, validate=validate.OneOf([JSON, *FORMATS]))

    @validates_schema(pass_original=True)
    def whole_or_paged(self, data: dict[str, Any], original: Any, **_: Any) -> None:
        """A file holds the whole list, so there is nothing to page."""
        if data["format"] == JSON:
            return
        if {"page", "per_page", "cursor"} & set(original):
            raise ValidationError(
                "Give no page, per_page or cursor: a file holds the whole list.", "format"
            )
        if {"as_of", "as_of_position"} & set(original):
            raise ValidationError(
                "Give no as_of: a file holds the list of now; the past is told in pages.", "format"
            )

    @validates_schema
    def page_or_cursor(self, data: dict[str, Any], **_: Any) -> None:
        """A place in the list is told in one way."""
        if "page" in data and "cursor" in data:
            raise ValidationError("Send either page or cursor.", "cursor")


class MemberArguments(PageArguments):
    """Filters of the member list."""

    status = fields.String(validate=validate.OneOf(MEMBER_STATUSES))
    updated_since = updated_since()


class PeriodArguments(PageArguments):
    """Filters by day, both ends included. `effective_to` is another name of `date_to`."""

    date_from = fields.Date()
    date_to = fields.Date()
    updated_since = updated_since()
    effective_to = fields.Date(metadata={"description": "The same as date_to."})

    @validates_schema
    def dates_in_order(self, data: dict[str, Any], **_: Any) -> None:
        """A period that ends before it begins is a mistake, not an empty list."""
        if "date_to" in data and "effective_to" in data:
            raise ValidationError("Send either date_to or effective_to.", "effective_to")
        for end in ("date_to", "effective_to"):
            if "date_from" in data and end in data and data["date_from"] > data[end]:
                raise ValidationError(f"{end} is before date_from.", end)


class ContributionArguments(PeriodArguments):
    """Filters of the contribution list. Dates are value dates, both ends included."""

    member_id = fields.UUID()


class PaginationAnswer(StrictSchema):
    """Where a page stands in its list. A page found by cursor has no number and no total."""

    page = fields.Integer()
    per_page = fields.Integer(required=True)
    total_items = fields.Integer()
    total_pages = fields.Integer()
    next_cursor = fields.String(required=True, allow_none=True)
    as_of_position = fields.String(
        metadata={"description": "Of which position the list speaks, where a past was asked for."}
    )


class FollowingAnswer(StrictSchema):
    """Where a list goes on that is walked by cursor alone."""

    per_page = fields.Integer(required=True)
    next_cursor = fields.String(required=True, allow_none=True)


class MemberAnswer(StrictSchema):
    """A member. Amounts are decimal strings; personal fields are null once erased."""

    id = fields.UUID(required=True)
    member_number = fields.String(required=True)
    first_name = fields.String(required=True, allow_none=True)
    last_name = fields.String(required=True, allow_none=True)
    email = fields.String(required=True, allow_none=True)
    phone = fields.String(required=True, allow_none=True)
    id_number = fields.String(required=True, allow_none=True)
    registration_date = fields.Date(required=True)
    status = fields.String(required=True, metadata={"enum": MEMBER_STATUSES})
    total_contributions = Shillings(required=True)
    share_capital = Shillings(required=True)
    updated_at = fields.AwareDateTime(required=True)


class OneMemberAnswer(MemberAnswer):
    """A member; `as_of_position` says of which position, where a past was asked for."""

    as_of_position = fields.String()


class MembersAnswer(StrictSchema):
    """A page of members."""

    members = fields.List(fields.Nested(MemberAnswer), required=True)
    pagination = fields.Nested(PaginationAnswer, required=True)


class ContributionAnswer(StrictSchema):
    """A contribution; `status` is completed or reversed."""

    id = fields.UUID(required=True)
    member_id = fields.UUID(required=True)
    member_number = fields.String(required=True)
    amount = Shillings(required=True)
    contribution_type = fields.Enum(ContributionType, by_value=True, required=True)
    payment_method = fields.String(
        required=True, metadata={"enum": [*map(str, PaymentMethod), OPENING_BALANCE]}
    )
    payment_reference = fields.String(required=True)
    contribution_date = fields.Date(required=True)
    status = fields.String(required=True, metadata={"enum": ["completed", "reversed"]})
    updated_at = fields.AwareDateTime(required=True)


class ContributionsAnswer(StrictSchema):
    """A page of contributions."""

    contributions = fields.List(fields.Nested(ContributionAnswer), required=True)
    pagination = fields.Nested(PaginationAnswer, required=True)


@blueprint.route("/members")
@requires(Permission.READ_MEMBERS)
@revalidates
@as_files(blueprint)
@blueprint.arguments(MemberArguments(), location="query")
@blueprint.response(200, MembersAnswer)
def list_members(arguments: dict[str, Any]) -> Response:
    """Members, newest registration first."""
    return page_answer(MEMBER_LIST, arguments)


@blueprint.route("/members/<uuid:member_id>")
@requires(Permission.READ_MEMBERS)
@blueprint.arguments(AsOfArguments(), location="query")
@blueprint.response(200, OneMemberAnswer)
def show_member(arguments: dict[str, Any], member_id: UUID) -> Response:
    """One member, now or as of a moment; who was erased since has no name in the past either."""
    as_of = asked_as_of(arguments)
    if as_of is None:
        found = member_json(services().pool, member_id)
    else:
        then = past().member(member_id, as_of)
        found = (named(then, as_of), as_of.position) if then else None
    if found is None:
        raise MemberNotFound
    json_text, position = found
    return Response(
        json_text,
        content_type="application/json",
        headers={"Daystar-Position": str(position)},
    )


@blueprint.route("/contributions")
@requires(Permission.READ_CONTRIBUTIONS)
@revalidates
@as_files(blueprint)
@blueprint.arguments(ContributionArguments(), location="query")
@blueprint.response(200, ContributionsAnswer)
def list_contributions(arguments: dict[str, Any]) -> Response:
    """Contributions, newest value date first."""
    return page_answer(CONTRIBUTION_LIST, arguments)


def page_answer(listing: Listing, arguments: dict[str, Any]) -> Response:
    """The page of a list that was asked for, or the whole list as a file."""
    filters = {name: arguments.get(name) for name in listing.filters}
    if "effective_to" in arguments:
        filters["date_to"] = arguments["effective_to"]
    as_of = asked_as_of(arguments)
    if as_of is not None:
        return _page(listing, arguments, filters, as_of)
    if arguments["format"] != JSON:
        return export_answer(listing, arguments["format"], filters)
    shown = Shown(listing.schema, listing.item, listing.daily, listing.of_persons)
    return fresh_answer(shown, lambda: _page(listing, arguments, filters, None))


def callers_page(listing: Listing, arguments: dict[str, Any], filters: dict[str, Any]) -> Response:
    """A page of what is the caller's own: another caller's is another, so it is not remembered."""
    return _page(listing, arguments, filters, None)


def _page(
    listing: Listing, arguments: dict[str, Any], filters: dict[str, Any], as_of: AsOf | None
) -> Response:
    pages = listing if as_of is None else PastPages(listing, as_of)
    question = "&".join([listing.plural, *(f"{name}={filters[name]}" for name in sorted(filters))])
    if as_of is not None:
        question += f"&as_of_position={as_of.position}"
    per_page = arguments["per_page"]
    if "cursor" in arguments:
        page = _following(pages, arguments["cursor"], question, per_page, filters)
        pagination = {"per_page": per_page}
    else:
        number = arguments.get("page", 1)
        page = pages.page(services().pool, page=number, per_page=per_page, filters=filters)
        assert page.total is not None, "a page by number is counted"
        pagination = {
            "page": number,
            "per_page": per_page,
            "total_items": page.total,
            "total_pages": -(-page.total // per_page),
        }
    if as_of is not None:
        pagination["as_of_position"] = str(as_of.position)
    following = page.last and seal_cursor(
        services().keyring, question=question, place=[page.position, *page.last]
    )
    envelope = orjson.dumps(pagination | {"next_cursor": following}).decode()
    return Response(
        f'{{"{listing.plural}":{page.json_text},"pagination":{envelope}}}',
        content_type="application/json",
        headers={"Daystar-Position": str(as_of.position if as_of else page.position)},
    )


def _following(
    pages: Listing | PastPages, cursor: str, question: str, per_page: int, filters: dict[str, Any]
) -> Page:
    try:
        read_at, *after = open_cursor(services().keyring, cursor, question=question)
        return pages.following(
            services().pool, after=after, read_at=read_at, per_page=per_page, filters=filters
        )
    except BadCursor as error:
        raise Problem(
            400,
            "rest_invalid_param",
            "Invalid parameter(s): cursor",
            errors={"cursor": ["This is not a cursor of this list with these filters."]},
        ) from error
    except LostPlace as error:
        raise Problem(
            410,
            "cursor_lost",
            "The books were restored from a backup after this cursor was given. Begin the list"
            " again: what you have read of it may be lost.",
        ) from error
