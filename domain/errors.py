"""What the domain says when it will not do a thing.

DomainError
├── InvalidInput      the words of the command make no sense (HTTP 422)
├── NotFound          the thing spoken of does not exist (HTTP 404)
└── BrokenRule        the co-operative's rules forbid it (HTTP 409)

A class per broken rule stands beside the noun it belongs to. Its docstring is its default sentence,
written for the clerk who will read it.
"""

from __future__ import annotations

import inspect
from typing import ClassVar


class DomainError(Exception):
    """The co-operative will not do this."""

    code: ClassVar[str] = "refused"

    def __init__(self, sentence: str | None = None) -> None:
        super().__init__(sentence or inspect.getdoc(type(self)) or "")

    @property
    def sentence(self) -> str:
        """What went wrong, in words a clerk understands."""
        return str(self.args[0])


class InvalidInput(DomainError):
    """A value is not acceptable."""

    code = "invalid_value"

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


class NotFound(DomainError):
    """There is no such thing."""

    code = "not_found"


class BrokenRule(DomainError):
    """A rule of the co-operative forbids this."""

    code = "rule_broken"
