"""Asking the past: `as_of`, a time, or `as_of_position`. The answer names the position."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema
from psycopg_pool import ConnectionPool

from app.auth import services
from app.fields import QueryArguments
from app.problems import Problem
from domain.dates import MOMENT_WANTED, moment_from_text
from domain.errors import InvalidInput
from infra.event_store.as_of import AsOf, LogBusy, NotYet, PositionLost, as_of_moment
from infra.event_store.as_of import as_of_position as as_of_numbered
from projections.listing import Listing, Page
from projections.past import Past, ReadModelBehind
from projections.past_lists import PAST_LISTS

POSITION_MAX = 2**63 - 1


class Moment(fields.Field[datetime]):
    """A time, or a day, which means its end in Nairobi."""

    def __init__(self, **options: Any) -> None:
        described = {"type": "string", "example": "2026-03-31", "description": MOMENT_WANTED}
        options["metadata"] = described | options.get("metadata", {})
        super().__init__(**options)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> datetime:
        try:
            return moment_from_text(value, field="as_of")
        except InvalidInput as error:
            raise ValidationError(error.sentence) from error


class AsOfArguments(QueryArguments):
    """As of when the answer is to speak, by what was recorded then. Without it: of now."""

    as_of = Moment()
    as_of_position = fields.Integer(validate=validate.Range(0, POSITION_MAX))

    @validates_schema
    def one_way(self, data: dict[str, Any], **_: Any) -> None:
        """Two pasts cannot be asked for at once."""
        if "as_of" in data and "as_of_position" in data:
            raise ValidationError("Send either as_of or as_of_position.", "as_of_position")


def asked_as_of(arguments: dict[str, Any]) -> AsOf | None:
    """The place in the log that is asked for, or None for now.

    Raises:
        Problem: it lies in the future, or was lost in a restore; or it cannot be told yet.
    """
    pool = services().pool
    name = next((name for name in ("as_of", "as_of_position") if name in arguments), None)
    if name is None:
        return None
    try:
        if name == "as_of":
            return as_of_moment(pool, arguments[name])
        return as_of_numbered(pool, arguments[name])
    except NotYet as error:
        raise Problem(
            400,
            "rest_invalid_param",
            f"Invalid parameter(s): {name}",
            errors={name: [str(error)]},
        ) from error
    except PositionLost as error:
        raise Problem(410, "position_lost", str(error)) from error
    except LogBusy as error:
        raise _try_again(str(error)) from error


def past() -> Past:
    """Who answers for the past."""
    return Past(services().pool, services().keyring)


class PastPages:
    """A list as of a place in the log; asked for its pages as the live one is."""

    def __init__(self, listing: Listing, as_of: AsOf) -> None:
        self._past_list = PAST_LISTS[listing.plural]
        self._as_of = as_of

    def page(
        self, _: ConnectionPool, *, page: int, per_page: int, filters: Mapping[str, Any]
    ) -> Page:
        """One page by its number."""
        with told_to_wait():
            return past().page(
                self._past_list, self._as_of, page=page, per_page=per_page, filters=filters
            )

    def following(
        self,
        _: ConnectionPool,
        *,
        after: Sequence[Any],
        read_at: int,
        per_page: int,
        filters: Mapping[str, Any],
    ) -> Page:
        """What follows a row. Raises LostPlace."""
        with told_to_wait():
            return past().following(
                self._past_list,
                self._as_of,
                after=after,
                read_at=read_at,
                per_page=per_page,
                filters=filters,
            )


@contextmanager
def told_to_wait() -> Iterator[None]:
    """Where a read model does not know the position yet, an answer that says so."""
    try:
        yield
    except ReadModelBehind as error:
        raise _try_again(
            "The list has not come as far as this position; try again in a moment."
        ) from error


def _try_again(sentence: str) -> Problem:
    return Problem(503, "past_not_ready", sentence, headers={"Retry-After": "2"})


def named(json_text: str, as_of: AsOf) -> str:
    """One thing as JSON text, with the position it speaks of."""
    return f'{{"as_of_position":"{as_of.position}",{json_text.lstrip()[1:]}'
