"""Good callbacks are stored and answered before the application proper: that halves their cost.

At the end of the month every member pays within a few hours, and each payment is a callback. What
Flask does for a request (routing, contexts, checks that a callback does not need) costs more than
storing it. So a callback with a good token is taken here: the same row, the same answer, the same
headers, log line and count. Whatever is not as it should be goes on to the application, which says
what is wrong.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import structlog
from structlog.contextvars import bind_contextvars, clear_contextvars

from app.callbacks.mpesa import ACCEPTED, STORING_FAILED, SUCCESS
from app.guards import GUARDS, HTTPS_STAYS
from app.wiring import Services
from infra import clock
from infra.callbacks import BODY_BYTES_MAX
from infra.mpesa.addresses import is_loopback
from infra.usage import Use

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_log = structlog.get_logger()


@dataclass(frozen=True)
class Lane:
    """One address: the kind of its callbacks, its route as the application knows it, the answer.

    Of some, the token's subject is what they are about; of others that is known once they are read.
    """

    kind: str
    route: str
    answer: bytes
    is_about_subject: bool


LANES: Mapping[tuple[str, ...], Lane] = {
    ("stk",): Lane("stk", "/hooks/stk/<token>", ACCEPTED, is_about_subject=True),
    ("c2b", "confirmation"): Lane(
        "c2b", "/hooks/c2b/<token>/confirmation", SUCCESS, is_about_subject=False
    ),
}


class FastLane:
    """Stands before the application, behind whatever says who calls and how."""

    def __init__(self, application: WSGIApplication, services: Services) -> None:
        self._application = application
        self._services = services

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        lane = self._lane(environ)
        if lane is None:
            return self._application(environ, start_response)
        started = time.perf_counter()
        request_id = _request_id(environ)
        clear_contextvars()  # the thread has served others before
        bind_contextvars(request_id=request_id)
        try:
            if not self._stored(lane, environ, request_id):
                return self._application(environ, start_response)
        except Exception as error:  # noqa: BLE001 - whatever it is, the application says it
            environ[STORING_FAILED] = error
            return self._application(environ, start_response)
        self._note(lane, (time.perf_counter() - started) * 1000)
        start_response("200 OK", _headers(environ, request_id, len(lane.answer)))
        return [lane.answer]

    def _lane(self, environ: WSGIEnvironment) -> Lane | None:
        path = environ["PATH_INFO"]
        if not path.startswith("/hooks/") or environ["REQUEST_METHOD"] != "POST":
            return None
        if environ["wsgi.url_scheme"] != "https" and not is_loopback(environ.get("REMOTE_ADDR")):
            return None
        _, _, kind, *rest = path.split("/")
        return LANES.get((kind, *rest[1:]))

    def _stored(self, lane: Lane, environ: WSGIEnvironment, request_id: str) -> bool:
        """Whether it was as it should be."""
        token = environ["PATH_INFO"].split("/")[3]
        subject_id = self._services.keyring.callback_subject(lane.kind, token)
        length = environ.get("CONTENT_LENGTH", "")
        if subject_id is None or not length.isdigit() or int(length) > BODY_BYTES_MAX:
            return False
        body = environ["wsgi.input"].read(int(length))
        environ["wsgi.input"] = BytesIO(body)  # for the application, should it be asked after all
        if len(body) != int(length):
            return False
        correlation_id = str(subject_id) if lane.is_about_subject else request_id
        bind_contextvars(correlation_id=correlation_id)
        self._services.callbacks.store(
            kind=lane.kind,
            subject_id=subject_id,
            body=body,
            source_address=environ.get("REMOTE_ADDR") or "",
            correlation_id=correlation_id,
        )
        return True

    def _note(self, lane: Lane, milliseconds: float) -> None:
        _log.info(
            "request",
            method="POST",
            route=lane.route,
            status=200,
            milliseconds=round(milliseconds, 1),
            key_id=None,
        )
        self._services.usage.add(
            Use(
                occurred_at=clock.now(),
                key_id=None,
                address=None,  # it stands in intake.callbacks
                method="POST",
                endpoint=lane.route,
                status=200,
                milliseconds=milliseconds,
                is_counted_only=True,
            )
        )


def _request_id(environ: WSGIEnvironment) -> str:
    asked: str = environ.get("HTTP_X_REQUEST_ID", "")
    if REQUEST_ID.fullmatch(asked):
        return asked
    return uuid.uuid4().hex


def _headers(environ: WSGIEnvironment, request_id: str, length: int) -> list[tuple[str, str]]:
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(length)),
        ("X-Request-Id", request_id),
        *GUARDS.items(),
    ]
    return [*headers, HTTPS_STAYS] if environ["wsgi.url_scheme"] == "https" else headers
