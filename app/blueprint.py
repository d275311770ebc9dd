"""The blueprint every door of ours is made with: described, and strict by itself."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint as DescribedBlueprint
from webargs.flaskparser import FlaskParser


class Blueprint(DescribedBlueprint):  # type: ignore[misc]
    """As flask-smorest's own, but what is unknown is left to the schema, which refuses it.

    A misspelt filter would else be dropped, and everything be answered.
    """

    ARGUMENTS_PARSER: Any = FlaskParser(unknown=None)
