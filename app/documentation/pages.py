"""`/openapi.json`, and `/docs`: a page of our own that loads nothing from another host."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from typing import Any

import orjson
from flask import Blueprint, Response, current_app

from app.documentation.openapi import complete

_MAY_LOAD_ITS_OWN = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FILES = {"page.html": "text/html", "page.js": "text/javascript", "page.css": "text/css"}


def make_blueprint(described: Callable[[], dict[str, Any]]) -> Blueprint:
    """The routes; `described` is what flask-smorest knows of the application."""
    blueprint = Blueprint("documentation", __name__)
    made: list[bytes] = []

    @blueprint.route("/openapi.json")
    def openapi() -> Response:
        if not made:
            made.append(orjson.dumps(complete(described(), current_app)))
        return Response(made[0], content_type="application/json")

    @blueprint.route("/docs")
    def docs() -> Response:
        return _file("page.html")

    @blueprint.route("/docs/page.js")
    def script() -> Response:
        return _file("page.js")

    @blueprint.route("/docs/page.css")
    def style() -> Response:
        return _file("page.css")

    return blueprint


def _file(name: str) -> Response:
    text = resources.files("app.documentation").joinpath(name).read_text()
    response = Response(text, content_type=f"{_FILES[name]}; charset=utf-8")
    response.headers["Content-Security-Policy"] = _MAY_LOAD_ITS_OWN
    return response
