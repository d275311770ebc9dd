"""What the house really answered, once: the examples of the document, and which headers it sent.

`answers.json` is written by `make examples` and held to the running application by a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import orjson

_FILE = "answers.json"


@dataclass(frozen=True)
class Recorded:
    """`operations` by their id: `request`, and `answers` by status; `problems` by their name."""

    operations: dict[str, Any]
    problems: dict[str, Any]

    def request(self, operation_id: str) -> Any:
        return self.operations.get(operation_id, {}).get("request")

    def answers(self, operation_id: str) -> dict[str, Any]:
        """By status, as text."""
        answers: dict[str, Any] = self.operations.get(operation_id, {}).get("answers", {})
        return answers

    def problems_like(self, status: str) -> list[str]:
        """What other operations said with this status: for one that was never brought to it."""
        names = (
            name
            for operation_id in self.operations
            for name in self.answers(operation_id).get(status, {}).get("problems", [])
        )
        return list(dict.fromkeys(names))[:1]

    def headers_like(self, status: str, *, keyed: bool) -> list[str]:
        """What refusals with this status carry, with a key or where none is asked for."""
        return sorted(
            {
                name
                for operation in self.operations.values()
                if operation["keyed"] == keyed
                for name in operation["answers"].get(status, {}).get("headers", [])
            }
        )


@cache
def recorded() -> Recorded:
    """The file beside this module."""
    text = resources.files("app.documentation").joinpath(_FILE).read_text()
    return Recorded(**orjson.loads(text))
