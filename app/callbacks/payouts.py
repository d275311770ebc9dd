"""`/hooks/{b2c|reversal|status|balance}/{token}`: what Safaricom tells of money that we send.

What waited too long in Safaricom's queue comes to the same address with `/timeout`. It may be our
own request, with the initiator's credential in it: that is taken out before anything is stored.
"""

from __future__ import annotations

from flask import Response

from app.callbacks.mpesa import (
    ACCEPTED,
    ANYTHING,
    AcceptedAnswer,
    blueprint,
    limited_body,
    store,
    subject,
)
from infra.mpesa.results import scrub_credential


@blueprint.route("/b2c/<token>", methods=["POST"])
@blueprint.doc(requestBody=ANYTHING)
@blueprint.response(200, AcceptedAnswer)
def payout_result(token: str) -> Response:
    """Store what became of a payout, and say thank you."""
    return _stored("b2c", token)


@blueprint.route("/b2c/<token>/timeout", methods=["POST"])
@blueprint.doc(requestBody=ANYTHING)
@blueprint.response(200, AcceptedAnswer)
def payout_timeout(token: str) -> Response:
    """Store that a payout waited too long in Safaricom's queue; it is asked about."""
    return _stored("b2c", token, is_timeout=True)


@blueprint.route("/reversal/<token>", methods=["POST"])
@blueprint.doc(requestBody=ANYTHING)
@blueprint.response(200, AcceptedAnswer)
def reversal_result(token: str) -> Response:
    """Store what became of a reversal, and say thank you."""
    return _stored("reversal", token)


@blueprint.route("/reversal/<token>/timeout", methods=["POST"])
@blueprint.doc(requestBody=ANYTHING)
@blueprint.response(200, AcceptedAnswer)
def reversal_timeout(token: str) -> Response:
    """Store that a reversal waited too long in Safaricom's queue; it is asked about."""
    return _stored("reversal", token, is_timeout=True)


@blueprint.route("/status/<token>", methods=["POST"])
@blueprint.doc(requestBody=ANYTHING)
@blueprint.response(200, AcceptedAnswer)
def status_result(token: str) -> Response:
    """Store the answer to our question about a payout."""
    return _stored("status", token)


@blueprint.route("/status/<token>/timeout", methods=["POST"])
@blueprint.doc(requestBody=ANYTHING)
@blueprint.response(200, AcceptedAnswer)
def status_timeout(token: str) -> Response:
    """Store that our question about a payout waited too long; it is asked again."""
    return _stored("status", token, is_timeout=True)


@blueprint.route("/balance/<token>", methods=["POST"])
@blueprint.doc(requestBody=ANYTHING)
@blueprint.response(200, AcceptedAnswer)
def balance_result(token: str) -> Response:
    """Store what a short code's accounts hold."""
    return _stored("balance", token)


@blueprint.route("/balance/<token>/timeout", methods=["POST"])
@blueprint.doc(requestBody=ANYTHING)
@blueprint.response(200, AcceptedAnswer)
def balance_timeout(token: str) -> Response:
    """Store that our question about the balance waited too long; it is asked again."""
    return _stored("balance", token, is_timeout=True)


def _stored(kind: str, token: str, *, is_timeout: bool = False) -> Response:
    subject_id = subject(kind, token)
    body = scrub_credential(limited_body())
    store(f"{kind}_timeout" if is_timeout else kind, subject_id, body)
    return Response(ACCEPTED, content_type="application/json")
