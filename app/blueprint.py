"""The API and the blueprint every door of ours is made with: described, and strict by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import flask_smorest
from flask import Flask
from webargs.flaskparser import FlaskParser


class Api(flask_smorest.Api):  # type: ignore[misc]
    """flask-smorest without its own error shape, and describing the doors only when asked.

    To describe them takes longer than all else that a web process does before it can answer.
    """

    def __init__(self, app: Flask) -> None:
        self.not_yet_described: list[Callable[[], None]] = []
        self._describing = threading.Lock()
        super().__init__(app)

    def describe(self) -> None:
        """Put every registered door into `spec`."""
        with self._describing:
            while self.not_yet_described:
                self.not_yet_described.pop(0)()

    def _register_error_handlers(self) -> None:
        """Leave errors to `app.problems`: ours are one for the whole application."""


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]
    """As flask-smorest's own, but what is unknown is left to the schema, which refuses it.

    A misspelt filter would else be dropped, and everything be answered.
    """

    ARGUMENTS_PARSER: Any = FlaskParser(unknown=None)

    def register_views_in_doc(self, api: Api, *place: Any, **names: Any) -> None:
        """Leave it until somebody asks for the document."""
        describe = super().register_views_in_doc
        api.not_yet_described.append(partial(describe, api, *place, **names))
