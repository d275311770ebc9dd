"""How the wire speaks: amounts as decimal strings, and nothing that is not documented."""

from __future__ import annotations

from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields

from domain.errors import InvalidInput
from domain.money import cents_from_text


class StrictSchema(Schema):
    """Refuses fields it does not know: a misspelt one must not be silently ignored."""

    class Meta:
        """marshmallow's own settings."""

        unknown = RAISE


class Amount(fields.Field[int]):
    """Shillings as a decimal string on the wire ("1500.50"), whole cents in the code."""

    def _deserialize(self, value: Any, attr: str | None, *_: Any, **__: Any) -> int:
        if not isinstance(value, str):
            raise ValidationError('Give the amount as a string of shillings, such as "1500.00".')
        try:
            return cents_from_text(value, field=attr or "amount")
        except InvalidInput as error:
            raise ValidationError(error.sentence) from error


class Text(fields.String):
    """One line of text: no control characters, no half of a surrogate pair."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not text.isprintable():
            raise ValidationError("Give printable characters on one line.")
        return text
