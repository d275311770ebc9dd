"""`/openapi.json`, and `/docs`: a page of our own that loads nothing from another host."""

from __future__ import annotations

from functools import cached_property
from importlib import resources

import flask
import orjson
from flask import Flask, Response, current_app

from app.blueprint import Api, Blueprint
from app.documentation.openapi import complete

_MAY_LOAD_ITS_OWN = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FILES = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
DESCRIBED = "daystar_described"
"""Where the application keeps its `Described`."""

blueprint = Blueprint("documentation", __name__, description="What the API says of itself.")
page_parts = flask.Blueprint("page_parts", __name__, url_prefix="/docs")


class Described:
    """An application's document, made when it is first asked for."""

    def __init__(self, api: Api, app: Flask) -> None:
        self._api = api
        self._app = app

    @cached_property
    def document(self) -> bytes:
        return orjson.dumps(complete(self._api, self._app))


@blueprint.route("/openapi.json")
@blueprint.response(200, {"type": "object"})
def openapi() -> Response:
    """This document."""
    described: Described = current_app.extensions[DESCRIBED]
    return Response(described.document, content_type="application/json")


@blueprint.route("/docs")
@blueprint.response(200, {"type": "string"}, content_type="text/html")
def docs() -> Response:
    """A page to read it and to try it."""
    return _file("page.html")


@page_parts.route("/page.js")
def script() -> Response:
    """What the page does."""
    return _file("page.js")


@page_parts.route("/page.css")
def style() -> Response:
    """How it looks."""
    return _file("page.css")


@page_parts.route("/icon.svg")
def icon() -> Response:
    """The star on its tab."""
    return _file("icon.svg")


def _file(name: str) -> Response:
    text = resources.files("app.documentation").joinpath(name).read_text()
    kind = _FILES[name.rpartition(".")[2]]
    response = Response(text, content_type=f"{kind}; charset=utf-8")
    response.headers["Content-Security-Policy"] = _MAY_LOAD_ITS_OWN
    return response
