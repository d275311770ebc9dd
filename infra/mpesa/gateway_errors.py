"""Daraja's errors: one visible table from (errorCode, errorMessage) to what we may conclude.

The code alone is not enough: 500.001.1001 has at least five meanings. The first row whose code and
words fit wins. A code that ends in a dot stands for its whole family, and counts only when the HTTP
status agrees that the request was at fault. Whatever no row knows is UNCLEAR.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from infra.mpesa.wire import UnreadableJson, code_text, read_object, sentence


class Conclusion(Enum):
    """What an error says about the request that met it."""

    TOKEN = "token"  # noqa: S105 - a kind of error, not a password
    CONFIGURATION = "configuration"
    BAD_REQUEST = "bad_request"
    NOT_SENT = "not_sent"  # the gateway turned it away: M-Pesa never saw it
    BUSY = (
        "busy"  # M-Pesa had no time for it: no prompt was sent, but of a payout it proves nothing
    )
    ALREADY_TAKEN = "already_taken"
    PROCESSING = "processing"
    NO_SUCH_TRANSACTION = "no_such_transaction"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class GatewayError:
    """An error as read: our own words, and never a token or a number that Daraja echoed."""

    conclusion: Conclusion
    code: str
    reason: str
    retry_after_seconds: float


@dataclass(frozen=True)
class _Row:
    code: str
    words: str  # lower case; "" fits any message
    conclusion: Conclusion
    reason: str
    retry_after_seconds: float = 30.0

    def fits(self, *, code: str, message: str, status: int) -> bool:
        if self.words not in message:
            return False
        if self.code.endswith("."):
            return code.startswith(self.code) and 400 <= status < 500
        return code == self.code


_TOKEN = "the access token was refused"  # noqa: S105 - a sentence
_BAD = "Daraja found a field of the request invalid"
_AUTH = "the consumer key or secret is wrong"
_PATH = "Daraja does not know the path"
_HEADER = "Daraja did not accept the Authorization header"
_BUSY = "Daraja asks us to slow down"
_REGISTERED = "addresses are registered already"
_LOCKED = "the payer has another transaction in progress"

GATEWAY_ERRORS = (
    _Row("400.002.02", "", Conclusion.BAD_REQUEST, _BAD),
    _Row("400.002.05", "", Conclusion.BAD_REQUEST, "Daraja could not read the request"),
    _Row("400.003.01", "", Conclusion.TOKEN, _TOKEN),
    _Row("400.003.02", "shortcode", Conclusion.CONFIGURATION, "the short code is not this app's"),
    _Row("400.003.02", "", Conclusion.BAD_REQUEST, _BAD),
    _Row("400.008.", "", Conclusion.CONFIGURATION, _AUTH),
    _Row("401.003.01", "no apiproduct", Conclusion.CONFIGURATION, "the app lacks this product"),
    _Row("401.003.01", "", Conclusion.TOKEN, _TOKEN),
    _Row("401.002.01", "", Conclusion.TOKEN, _TOKEN),
    _Row("404.001.01", "", Conclusion.CONFIGURATION, _PATH),
    _Row("404.002.01", "", Conclusion.CONFIGURATION, _PATH),
    _Row("404.003.01", "", Conclusion.CONFIGURATION, _PATH),
    _Row("404.001.03", "", Conclusion.TOKEN, _TOKEN),
    _Row("404.001.04", "", Conclusion.CONFIGURATION, _HEADER),
    _Row("405.001", "", Conclusion.CONFIGURATION, "Daraja wants another HTTP method"),
    _Row(
        "500.001.1001",
        "merchant does not exist",
        Conclusion.CONFIGURATION,
        "Daraja does not know the short code",
    ),
    _Row(
        "500.001.1001",
        "wrong credentials",
        Conclusion.CONFIGURATION,
        "the short code and the pass key do not belong together",
    ),
    _Row("500.001.1001", "unable to lock subscriber", Conclusion.BUSY, _LOCKED, 60.0),
    _Row(
        "500.001.1001", "is being processed", Conclusion.PROCESSING, "still being processed", 15.0
    ),
    _Row("500.001.1001", "does not exist", Conclusion.NO_SUCH_TRANSACTION, "no such transaction"),
    _Row(
        "500.002.1001",
        "duplicate originatorconversationid",
        Conclusion.ALREADY_TAKEN,
        "a request with this id was taken before",
    ),
    _Row("500.003.02", "spike arrest", Conclusion.NOT_SENT, _BUSY, 10.0),
    _Row("500.003.02", "", Conclusion.BUSY, _BUSY, 10.0),
    _Row("500.003.03", "", Conclusion.NOT_SENT, "our quota of calls is used up", 900.0),
    _Row("500.003.1001", "already registered", Conclusion.ALREADY_TAKEN, _REGISTERED),
    _Row("500.003.1001", "duplicate notification info", Conclusion.ALREADY_TAKEN, _REGISTERED),
    # A gateway that rejects the request itself has not passed it on to M-Pesa.
    _Row("400.", "", Conclusion.BAD_REQUEST, _BAD),
    _Row("401.", "", Conclusion.CONFIGURATION, "Daraja did not let us in"),
    _Row("403.", "", Conclusion.CONFIGURATION, "Daraja did not let us in"),
    _Row("404.", "", Conclusion.CONFIGURATION, _PATH),
    _Row("405.", "", Conclusion.CONFIGURATION, "Daraja wants another HTTP method"),
)


def read_error(*, status: int, body: bytes) -> GatewayError:
    """What any answer other than a success tells us."""
    try:
        envelope = read_object(body)
    except UnreadableJson:
        return _without_envelope(status)
    code = code_text(envelope.get("errorCode"))
    if code is None:
        return _without_envelope(status)
    message = sentence(envelope.get("errorMessage"))
    normalised = " ".join(message.lower().split())
    for row in GATEWAY_ERRORS:
        if row.fits(code=code, message=normalised, status=status):
            reason = f"{row.reason}{_named_field(row, message)}"
            return GatewayError(row.conclusion, code, reason, row.retry_after_seconds)
    return GatewayError(Conclusion.UNCLEAR, code, f"Daraja answered {code}, HTTP {status}", 30.0)


def _without_envelope(status: int) -> GatewayError:
    if status == 401:
        return GatewayError(Conclusion.TOKEN, "401", _TOKEN, 30.0)
    if status == 429:
        return GatewayError(Conclusion.BUSY, "429", _BUSY, 10.0)
    reason = f"an answer that is not Daraja's, HTTP {status}"
    return GatewayError(Conclusion.UNCLEAR, str(status), reason, 30.0)


def _named_field(row: _Row, message: str) -> str:
    """The field that "Bad Request - Invalid CallBackURL" complains of.

    Only one plain word is taken over. The rest of a message may echo what we sent.
    """
    _, found, field = message.partition("Invalid ")
    plain = field.isascii() and field.isalpha() and len(field) <= 30
    return f": {field}" if row.conclusion is Conclusion.BAD_REQUEST and found and plain else ""
