"""`/daystar-accounting/v1`, which accounting systems pull: paths, names, values are a contract."""

from __future__ import annotations

from typing import Any

from flask import Response
from flask_smorest import Blueprint
from marshmallow import RAISE, ValidationError, fields, validate, validates_schema

from app.auth import requires, services
from app.fields import StrictSchema
from domain.api_keys.api_key import Permission
from projections.contributions import CONTRIBUTION_LIST
from projections.listing import Listing
from projections.members import MEMBER_LIST

PER_PAGE_MAX = 100
PAGE_MAX = 1_000_000

blueprint = Blueprint(
    "accounting",
    __name__,
    url_prefix="/daystar-accounting/v1",
    description="What accounting systems pull.",
)


class PageArguments(StrictSchema):
    """Paging, as every list has it. `api_key` is where older clients put their key."""

    page = fields.Integer(load_default=1, validate=validate.Range(1, PAGE_MAX))
    per_page = fields.Integer(load_default=50, validate=validate.Range(1, PER_PAGE_MAX))
    api_key = fields.String()


class MemberArguments(PageArguments):
    """Filters of the member list."""

    status = fields.String(validate=validate.OneOf(["active", "inactive", "suspended"]))


class ContributionArguments(PageArguments):
    """Filters of the contribution list. Dates are value dates, both ends included."""

    member_id = fields.UUID()
    date_from = fields.Date()
    date_to = fields.Date()

    @validates_schema
    def dates_in_order(self, data: dict[str, Any], **_: Any) -> None:
        """A period that ends before it begins is a mistake, not an empty list."""
        if "date_from" in data and "date_to" in data and data["date_from"] > data["date_to"]:
            raise ValidationError("date_to is before date_from.", "date_to")


class PaginationAnswer(StrictSchema):
    """Where a page stands in its list."""

    page = fields.Integer(required=True)
    per_page = fields.Integer(required=True)
    total_items = fields.Integer(required=True)
    total_pages = fields.Integer(required=True)


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
    status = fields.String(required=True)
    total_contributions = fields.String(required=True)
    share_capital = fields.String(required=True)


class MembersAnswer(StrictSchema):
    """A page of members."""

    members = fields.List(fields.Nested(MemberAnswer), required=True)
    pagination = fields.Nested(PaginationAnswer, required=True)


class ContributionAnswer(StrictSchema):
    """A contribution; `status` is completed or reversed."""

    id = fields.UUID(required=True)
    member_id = fields.UUID(required=True)
    member_number = fields.String(required=True)
    amount = fields.String(required=True)
    contribution_type = fields.String(required=True)
    payment_method = fields.String(required=True)
    payment_reference = fields.String(required=True)
    contribution_date = fields.Date(required=True)
    status = fields.String(required=True)


class ContributionsAnswer(StrictSchema):
    """A page of contributions."""

    contributions = fields.List(fields.Nested(ContributionAnswer), required=True)
    pagination = fields.Nested(PaginationAnswer, required=True)


@blueprint.route("/members")
@requires(Permission.READ_MEMBERS)
@blueprint.arguments(MemberArguments(), location="query", unknown=RAISE)
@blueprint.response(200, MembersAnswer)
def list_members(arguments: dict[str, Any]) -> Response:
    """Members, newest registration first."""
    return _page(MEMBER_LIST, arguments)


@blueprint.route("/contributions")
@requires(Permission.READ_CONTRIBUTIONS)
@blueprint.arguments(ContributionArguments(), location="query", unknown=RAISE)
@blueprint.response(200, ContributionsAnswer)
def list_contributions(arguments: dict[str, Any]) -> Response:
    """Contributions, newest value date first."""
    return _page(CONTRIBUTION_LIST, arguments)


def _page(listing: Listing, arguments: dict[str, Any]) -> Response:
    page = listing.page(
        services().pool,
        page=arguments["page"],
        per_page=arguments["per_page"],
        filters={name: arguments.get(name) for name in listing.filters},
    )
    return Response(
        page.json_text,
        content_type="application/json",
        headers={"Daystar-Position": str(page.position)},
    )
