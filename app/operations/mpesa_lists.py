"""The filters and pages that the lists of M-Pesa's money share."""

from __future__ import annotations

from typing import Any

from flask import Response
from marshmallow import ValidationError, fields, validate, validates_schema

from app.accounting.resources import JSON, PAGE_MAX, PER_PAGE_MAX, page_answer
from app.fields import Amount, QueryArguments, Text
from domain.errors import InvalidInput
from domain.phones import normalised_phone
from infra.cursors import CURSOR_LENGTH_MAX
from projections.listing import Listing

SHORT_CODE = validate.Regexp(r"^[0-9]{5,7}$")
RECEIPT_NUMBER = validate.Regexp(r"^[A-Za-z0-9]{6,20}$")


class Phone(Text):
    """A Kenyan mobile number, however it is written; in the code as M-Pesa speaks it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        written = super()._deserialize(value, attr, data, **kwargs)
        try:
            return normalised_phone(written, field=attr or "phone")
        except InvalidInput as error:
            raise ValidationError(error.sentence) from error


class MoneyArguments(QueryArguments):
    """By whom, under which receipt, how much; and which page."""

    receipt_number = Text(validate=RECEIPT_NUMBER)
    phone = Phone(validate=validate.Length(9, 24), metadata={"example": "0712345678"})
    member_id = fields.UUID()
    short_code = Text(validate=SHORT_CODE)
    page = fields.Integer(validate=validate.Range(1, PAGE_MAX), metadata={"default": 1})
    per_page = fields.Integer(load_default=50, validate=validate.Range(1, PER_PAGE_MAX))
    cursor = fields.String(validate=validate.Length(1, CURSOR_LENGTH_MAX))

    @validates_schema
    def page_or_cursor(self, data: dict[str, Any], **_: Any) -> None:
        """A place in the list is told in one way."""
        if "page" in data and "cursor" in data:
            raise ValidationError("Send either page or cursor.", "cursor")


class DatedArguments(MoneyArguments):
    """By day as well, both ends included."""

    date_from = fields.Date()
    date_to = fields.Date()

    @validates_schema
    def dates_in_order(self, data: dict[str, Any], **_: Any) -> None:
        """A period that ends before it begins is a mistake, not an empty list."""
        if {"date_from", "date_to"} <= set(data) and data["date_from"] > data["date_to"]:
            raise ValidationError("date_to is before date_from.", "date_to")


class AmountArguments(MoneyArguments):
    """By the amount that was received."""

    amount = Amount()


def list_answer(listing: Listing, arguments: dict[str, Any]) -> Response:
    """The page that was asked for."""
    if "receipt_number" in arguments:
        arguments["receipt_number"] = arguments["receipt_number"].upper()
    return page_answer(listing, arguments | {"format": JSON})
