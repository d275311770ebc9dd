"""The gateway before the simulated M-Pesa: tokens, fields, and answers that get lost."""

from __future__ import annotations

import base64
import binascii
import secrets
import socket
from typing import Any, TypeVar

from flask import Response, jsonify, request

from infra.mpesa.simulator.behaviours import Acknowledgement
from infra.mpesa.simulator.mpesa import SimulatedMpesa
from infra.mpesa.simulator.refusals import REFUSALS, Refusal, respond
from infra.mpesa.wire import UnreadableJson, read_object

_TAKEN = TypeVar("_TAKEN")


class TurnedAway(Exception):
    """The call is answered with a refusal."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def accepted(wanted: _TAKEN | Refusal) -> _TAKEN:
    """What was asked for, unless it was refused. Raises TurnedAway."""
    if isinstance(wanted, Refusal):
        raise TurnedAway(wanted)
    return wanted


class Admission:
    """Safe to share between threads."""

    def __init__(self, mpesa: SimulatedMpesa) -> None:
        self._mpesa = mpesa

    def token(self) -> Response:
        """`GET /oauth/v1/generate`."""
        settings = self._mpesa.settings
        if request.args.get("grant_type") != "client_credentials":
            return respond(REFUSALS["wrong_grant"])
        if not _same(_basic_pair(), f"{settings.consumer_key}:{settings.consumer_secret}"):
            return respond(REFUSALS["wrong_key"])
        return jsonify(access_token=self._mpesa.tokens.new(), expires_in="3599")

    def fields(self) -> dict[str, Any]:
        """The request's fields, where its token is good. Raises TurnedAway."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise TurnedAway(REFUSALS["invalid_header"])
        if not self._mpesa.tokens.is_good(token.strip()):
            raise TurnedAway(REFUSALS["invalid_token"])
        if request.mimetype != "application/json":
            return {}  # Daraja does not read the body then, and complains of the first field
        try:
            return read_object(request.get_data())
        except UnreadableJson:
            raise TurnedAway(REFUSALS["unreadable"]) from None

    def turn_away(self, turned: TurnedAway) -> Response:
        """Answer a refusal, with the effect that goes with it."""
        if turned.refusal is REFUSALS["token_killed"]:
            self._mpesa.tokens.kill()
        return respond(turned.refusal)

    def acknowledge(self, acknowledgement: Acknowledgement, **told: object) -> Response:
        """Answer a request that was taken, or lose the answer."""
        if acknowledgement is Acknowledgement.BUSY:
            return respond(REFUSALS["busy"])
        if acknowledgement is Acknowledgement.WITHHELD:
            self._mpesa.stopping.wait(self._mpesa.settings.silence_seconds_max)
        if acknowledgement in {Acknowledgement.LOST, Acknowledgement.WITHHELD}:
            _drop_connection()
        return jsonify(**told)


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
