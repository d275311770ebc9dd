"""Answers that say at which position they were read, and are not made anew while it stands still.

What a read model answers changes only with its position, and a restored log never gives a position
out twice. So the position, the question and the way it is shown make a tag (`ETag`); where days
are counted to today, today too. A client that holds the tag is answered 304 and nothing is read;
another is served from a small memory of this process while the position is still the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Response, request

from app.auth import services
from domain.dates import business_day
from infra import clock
from projections.listing import position_of

Function = TypeVar("Function", bound=Callable[..., Any])
REVALIDATES = "revalidates"
"""The attribute of a view whose answers carry a tag."""
POSITION = "Daystar-Position"
JSON = "application/json"
CACHING = "private, no-cache"
"""A cache of the client's own may keep it, and asks each time whether it still holds."""


def revalidates(function: Function) -> Function:
    """Say of a view that its answers carry a tag, and that it answers 304 to one that holds."""
    setattr(function, REVALIDATES, True)
    return function


@dataclass(frozen=True)
class Shown:
    """What an answer depends on beside its question and the position.

    `schema` is the read model's; `made_by` the SQL that shows it, which a later release may change;
    `daily` whether days are counted to today; `of_persons` whether it holds names and phones, which
    are neither remembered here nor kept by caches on the way.
    """

    schema: str
    made_by: str
    daily: bool = False
    of_persons: bool = False


def fresh_answer(shown: Shown, make: Callable[[], Response]) -> Response:
    """The answer to this request: none (304), one remembered, or the one that `make` makes."""
    asked = sorted((name, value) for name, value in request.args.items() if name != "api_key")
    today = business_day(clock.now()).isoformat() if shown.daily else ""
    question = (request.path, *asked, today, shown.made_by)
    memory = services().answers
    if _tags_are_held() or memory.knows(shown.schema, question):
        position = position_of(services().pool, shown.schema)
        tag = _tag(question, position)
        if _tags_are_held() and request.if_none_match.contains_weak(tag):
            return _tagged(Response(status=304), shown, tag, position)
        body = memory.recall(shown.schema, question, position)
        if body is not None:
            return _tagged(Response(body, content_type=JSON), shown, tag, position)
    answer = make()
    position = int(answer.headers[POSITION])
    if not (shown.of_persons or "cursor" in request.args):  # a cursor is seldom sent twice
        memory.keep(shown.schema, question, position, answer.get_data())
    return _tagged(answer, shown, _tag(question, position), position)


def _tags_are_held() -> bool:
    """Whether the client names tags. A star names whatever there is, which may be nothing."""
    return bool(request.if_none_match) and not request.if_none_match.star_tag


def _tag(question: tuple[Any, ...], position: int) -> str:
    digest = hashlib.blake2b(repr(question).encode(), digest_size=9).hexdigest()
    return f"{position}-{digest}"


def _tagged(answer: Response, shown: Shown, tag: str, position: int) -> Response:
    answer.set_etag(tag)
    answer.headers[POSITION] = str(position)
    if not shown.of_persons:
        answer.headers["Cache-Control"] = CACHING
    return answer
