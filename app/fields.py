"""How the wire speaks: amounts as decimal strings, and nothing that is not documented."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, pre_load, validates_schema
from webargs.fields import DelimitedList

from domain.errors import InvalidInput
from domain.money import AMOUNT_PATTERN, cents_from_text

_PLAIN = (
    (fields.Date, re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)),
    (fields.UUID, re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")),
    (fields.Integer, re.compile(r"0|-?[1-9]\d{0,18}", re.ASCII)),
)
_UNREADABLE = ""


class StrictSchema(Schema):
    """Refuses fields it does not know, and values that Python reads and the document forbids."""

    class Meta:
        """marshmallow's own settings."""

        unknown = RAISE

    @pre_load
    def written_plainly(self, data: Any, **_: Any) -> Any:
        """Python reads `1_0` as ten, `20260301` as a day, and 2.7 as two: here nobody does."""
        if not isinstance(data, Mapping):
            return data
        return {name: self._plain(name, data[name]) for name in data}

    def _plain(self, name: str, value: Any) -> Any:
        field = self.load_fields.get(name)
        if isinstance(field, fields.Boolean) and not isinstance(value, bool):
            return _UNREADABLE
        for kind, written in _PLAIN:
            if isinstance(field, kind) and not self._is_plain(kind, written, value):
                return _UNREADABLE  # the field itself says what it wants
        return value

    def _is_plain(self, kind: type, written: re.Pattern[str], value: Any) -> bool:
        if value is None:
            return True
        if kind is fields.Integer and not self.read_from_text:
            if isinstance(value, float):
                return value.is_integer()  # to JSON Schema 3.0 is whole
            return isinstance(value, int) and not isinstance(value, bool)
        return isinstance(value, str) and written.fullmatch(value) is not None

    read_from_text = False
    """Whether numbers arrive as digits, as they do in an address."""


class QueryArguments(StrictSchema):
    """What may stand behind the question mark. `api_key` is where older clients put their key."""

    read_from_text = True
    api_key = fields.String(metadata={"deprecated": True})

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def each_once(self, _: Any, original: Any, **__: Any) -> None:
        """Of two values of one filter, none is meant more than the other."""
        twice = [
            name
            for name in original
            if len(original.getlist(name)) > 1 and not self._is_sent_often(name)
        ]
        if twice:
            raise ValidationError({name: ["Send it once."] for name in twice})

    def _is_sent_often(self, name: str) -> bool:
        field = self.load_fields.get(name)
        return isinstance(field, fields.List) and not isinstance(field, DelimitedList)


class Amount(fields.Field[int]):
    """Shillings as a decimal string on the wire ("1500.50"), whole cents in the code."""

    def __init__(self, **options: Any) -> None:
        described = {"type": "string", "pattern": f"^{AMOUNT_PATTERN}$", "example": "2000.00"}
        options["metadata"] = described | options.get("metadata", {})
        super().__init__(**options)

    def _deserialize(self, value: Any, attr: str | None, *_: Any, **__: Any) -> int:
        if not isinstance(value, str):
            raise ValidationError('Give the amount as a string of shillings, such as "1500.00".')
        try:
            return cents_from_text(value, field=attr or "amount")
        except InvalidInput as error:
            raise ValidationError(error.sentence) from error


class Shillings(fields.String):
    """An amount in an answer: a decimal string with two places."""

    def __init__(self, **options: Any) -> None:
        described = {"pattern": r"^-?[0-9]+\.[0-9]{2}$", "example": "2000.00"}
        options["metadata"] = described | options.get("metadata", {})
        super().__init__(**options)


class Text(fields.String):
    """One line of text: no control characters, no half of a surrogate pair."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not text.isprintable():
            raise ValidationError("Give printable characters on one line.")
        return text
