"""The door of the simulated M-Pesa: Daraja's paths, and a few of its own to command it.

Daraja: `GET /oauth/v1/generate`, `POST /mpesa/stkpush/v1/processrequest`,
`POST /mpesa/stkpushquery/v1/query`.

Its own, without any authentication (it runs on a developer's machine and moves no real money):

    GET    /livez
    GET    /simulator/ledger       the money that moved, told or untold
    GET    /simulator/behaviours   the table, and what is set
    POST   /simulator/behaviours   {"behaviour": "cancelled", and one of
                                    "phone": "254...", "amount": 150, "default": true,
                                    "next": 1 (that many pushes), "next_query": 1 (queries)}
    DELETE /simulator/behaviours   back to the table alone
    POST   /simulator/callbacks/<CheckoutRequestID>/resend   tell a result again, or at last

`behaviours.BEHAVIOURS` says what can be asked for, and which numbers and amounts ask for it.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, jsonify, request

from infra.mpesa.paths import PUSH_PATH, QUERY_PATH
from infra.mpesa.simulator.behaviours import BEHAVIOURS, Acknowledgement, TooManyOverrides
from infra.mpesa.simulator.callbacks import RESULT_SENTENCES
from infra.mpesa.simulator.incoming import read_push, read_query
from infra.mpesa.simulator.mpesa import SimulatedMpesa
from infra.mpesa.simulator.refusals import REFUSALS, Refusal, respond
from infra.mpesa.simulator.settings import SimulatorSettings
from infra.mpesa.simulator.state import Push, Told
from infra.mpesa.tokens import TOKEN_PATH
from infra.mpesa.wire import BODY_BYTES_MAX, UnreadableJson, read_object

EXTENSION = "simulated_mpesa"
_COUNT_MAX = 1_000


def create_app(
    settings: SimulatorSettings, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Flask:
    """A Flask app around one simulated M-Pesa, found at `app.extensions[EXTENSION]`."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES_MAX
    mpesa = SimulatedMpesa(settings, clock=clock)
    app.extensions[EXTENSION] = mpesa
    daraja, commands = _Daraja(mpesa), _Commands(mpesa)
    app.add_url_rule(TOKEN_PATH, view_func=daraja.token, methods=["GET"])
    app.add_url_rule(PUSH_PATH, view_func=daraja.push, methods=["POST"])
    app.add_url_rule(QUERY_PATH, view_func=daraja.query, methods=["POST"])
    app.add_url_rule("/livez", view_func=commands.live)
    app.add_url_rule("/simulator/ledger", view_func=commands.ledger)
    behaviours = "/simulator/behaviours"
    app.add_url_rule(behaviours, view_func=commands.listed, methods=["GET"])
    app.add_url_rule(behaviours, view_func=commands.set_behaviour, methods=["POST"])
    app.add_url_rule(behaviours, view_func=commands.reset, methods=["DELETE"])
    resend = "/simulator/callbacks/<checkout_request_id>/resend"
    app.add_url_rule(resend, view_func=commands.resend, methods=["POST"])
    app.register_error_handler(404, lambda _: respond(REFUSALS["wrong_path"]))
    app.register_error_handler(405, lambda _: respond(REFUSALS["wrong_method"]))
    app.register_error_handler(413, lambda _: respond(REFUSALS["unreadable"]))
    return app


class _Daraja:
    """The paths that Safaricom documents."""

    def __init__(self, mpesa: SimulatedMpesa) -> None:
        self._mpesa = mpesa
        self._settings = mpesa.settings

    def token(self) -> Response:
        if request.args.get("grant_type") != "client_credentials":
            return respond(REFUSALS["wrong_grant"])
        if not _same(_basic_pair(), self._key_and_secret()):
            return respond(REFUSALS["wrong_key"])
        return jsonify(access_token=self._mpesa.state.new_token(), expires_in="3599")

    def push(self) -> Response:
        fields = self._admitted()
        if isinstance(fields, Refusal):
            return respond(fields)
        wanted = read_push(
            fields, short_code=self._settings.short_code, pass_key=self._settings.pass_key
        )
        taken = wanted if isinstance(wanted, Refusal) else self._mpesa.push(wanted)
        if isinstance(taken, Refusal):
            return respond(taken)
        self._lose_answer(taken.behaviour.acknowledgement)
        return _acknowledgement(taken)

    def query(self) -> Response:
        fields = self._admitted()
        if isinstance(fields, Refusal):
            return respond(fields)
        wanted = read_query(
            fields, short_code=self._settings.short_code, pass_key=self._settings.pass_key
        )
        told = wanted if isinstance(wanted, Refusal) else self._mpesa.query(wanted)
        return respond(told) if isinstance(told, Refusal) else _query_answer(told)

    def _admitted(self) -> dict[str, Any] | Refusal:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return REFUSALS["invalid_header"]
        if not self._mpesa.state.token_is_good(token.strip()):
            return REFUSALS["invalid_token"]
        if request.mimetype != "application/json":
            return {}  # Daraja does not read the body then, and complains of the first field
        try:
            return read_object(request.get_data())
        except UnreadableJson:
            return REFUSALS["unreadable"]

    def _lose_answer(self, acknowledgement: Acknowledgement) -> None:
        if acknowledgement is Acknowledgement.WITHHELD:
            self._mpesa.stopping.wait(self._settings.silence_seconds_max)
        if acknowledgement in {Acknowledgement.LOST, Acknowledgement.WITHHELD}:
            _drop_connection()

    def _key_and_secret(self) -> str:
        return f"{self._settings.consumer_key}:{self._settings.consumer_secret}"


class _Commands:
    """The simulator's own paths."""

    def __init__(self, mpesa: SimulatedMpesa) -> None:
        self._mpesa = mpesa

    def live(self) -> Response:
        return jsonify(status="ok")

    def ledger(self) -> Response:
        return jsonify(self._mpesa.ledger())

    def listed(self) -> Response:
        table = [
            {"number": row.number, "name": row.name, "meaning": row.meaning}
            for row in BEHAVIOURS.values()
        ]
        return jsonify(table=table, set=self._mpesa.behaviours.described())

    def set_behaviour(self) -> Response:
        try:
            wanted = read_object(request.get_data())
        except UnreadableJson as error:
            return _objection(str(error))
        name = wanted.pop("behaviour", None)
        if not isinstance(name, str) or name not in BEHAVIOURS:
            return _objection(f"behaviour is one of {', '.join(BEHAVIOURS)}")
        try:
            understood = _set_behaviour(self._mpesa, wanted, name)
        except TooManyOverrides:
            return _objection("too many behaviours are set; reset them first")
        return (
            self.listed()
            if understood
            else _objection("give exactly one of phone, amount, default, next, next_query")
        )

    def reset(self) -> Response:
        self._mpesa.behaviours.reset()
        return self.listed()

    def resend(self, checkout_request_id: str) -> Response:
        told = self._mpesa.state.told(checkout_request_id)
        if told is None:
            return _objection("there is no such push", status=404)
        if told.result_code is None:
            return _objection("the payer has not decided yet", status=409)
        status = self._mpesa.resend(told)
        return jsonify(delivered=status is not None, status=status)


def _set_behaviour(mpesa: SimulatedMpesa, wanted: dict[str, Any], name: str) -> bool:
    """Set what was asked for; False when it was not understood."""
    book, behaviour = mpesa.behaviours, BEHAVIOURS[name]
    match wanted:
        case {"phone": str() as phone, **rest} if not rest and phone.isdigit():
            book.set_for_phone(phone, behaviour)
        case {"amount": int() as amount, **rest} if not rest:
            book.set_for_amount(amount, behaviour)
        case {"default": True, **rest} if not rest:
            book.set_default(behaviour)
        case {"next": int() as count, **rest} if not rest and 0 < count <= _COUNT_MAX:
            book.queue_pushes(count, behaviour)
        case {"next_query": int() as count, **rest} if not rest and 0 < count <= _COUNT_MAX:
            book.queue_queries(count, behaviour)
        case _:
            return False
    return True


def _acknowledgement(push: Push) -> Response:
    accepted = "Success. Request accepted for processing"
    return jsonify(
        MerchantRequestID=push.merchant_request_id,
        CheckoutRequestID=push.checkout_request_id,
        ResponseCode="0",
        ResponseDescription=accepted,
        CustomerMessage=accepted,
    )


def _query_answer(told: Told) -> Response:
    code, words = "4999", "The transaction is still under processing"
    if told.result_code is not None:
        code, words = told.result_code, RESULT_SENTENCES[told.result_code]
    return jsonify(
        ResponseCode="0",
        # Three s: that is how Safaricom writes it.
        ResponseDescription="The service request has been accepted successsfully",
        MerchantRequestID=told.push.merchant_request_id,
        CheckoutRequestID=told.push.checkout_request_id,
        ResultCode=code,
        ResultDesc=words,
    )


def _drop_connection() -> None:
    """Break the caller's connection under the answer that is about to be written."""
    for server in ("werkzeug", "gunicorn"):
        connection = request.environ.get(f"{server}.socket")
        if isinstance(connection, socket.socket):
            connection.shutdown(socket.SHUT_RDWR)


def _basic_pair() -> str:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _same(one: str, other: str) -> bool:
    return secrets.compare_digest(one.encode(), other.encode())


def _objection(sentence: str, *, status: int = 400) -> Response:
    return Response(json.dumps({"error": sentence}), status, content_type="application/json")
