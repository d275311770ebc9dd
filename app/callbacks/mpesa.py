"""`/hooks/stk/{token}`: Safaricom tells what became of a push.

The token is made for one push and cannot be guessed. The body is stored before anything reads it;
if it cannot be stored, Safaricom hears an honest 500-class answer.
"""

from __future__ import annotations

import structlog
from flask import Blueprint, Response, request
from structlog.contextvars import bind_contextvars

from app.auth import services
from app.problems import Problem
from infra.callbacks import BODY_BYTES_MAX

blueprint = Blueprint("mpesa_callbacks", __name__, url_prefix="/hooks")
_ACCEPTED = b'{"ResultCode":0,"ResultDesc":"Accepted"}'
_log = structlog.get_logger()


@blueprint.route("/stk/<token>", methods=["POST"])
def stk_callback(token: str) -> Response:
    """Store what Safaricom says of a push, and say thank you."""
    push_id = services().keyring.callback_subject("stk", token)
    if push_id is None:
        _log.warning("callback_token_wrong", kind="stk", source=request.remote_addr)
        raise Problem(404, "rest_no_route", "There is nothing at this address.")
    correlation_id = str(push_id)
    bind_contextvars(correlation_id=correlation_id)
    if (request.content_length or 0) > BODY_BYTES_MAX:
        raise Problem(413, "body_too_large", "The body is too large.")
    body = request.get_data(cache=False)
    if len(body) > BODY_BYTES_MAX:
        raise Problem(413, "body_too_large", "The body is too large.")
    services().callbacks.store(
        kind="stk",
        subject_id=push_id,
        body=body,
        source_address=request.remote_addr or "",
        correlation_id=correlation_id,
    )
    return Response(_ACCEPTED, content_type="application/json")
