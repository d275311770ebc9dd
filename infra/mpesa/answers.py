"""From an answer of Daraja to an outcome. Pure: bytes in, an outcome out; the client talks."""

from __future__ import annotations

from infra.mpesa.gateway_errors import Conclusion, GatewayError, read_error
from infra.mpesa.outcomes import (
    Accepted,
    Ambiguous,
    NotAnswered,
    NotSent,
    PushOutcome,
    QueryAnswer,
    QueryOutcome,
    Refused,
    StillProcessing,
    Unknown,
)
from infra.mpesa.transport import Answer
from infra.mpesa.wire import UnreadableJson, code_text, identifier, read_object, sentence

MERCHANT_REQUEST_ID_LENGTH_MAX = 64
CHECKOUT_REQUEST_ID_LENGTH_MAX = 128
_MISCONFIGURED_RETRY_SECONDS = 300.0
_UNREADABLE_RETRY_SECONDS = 30.0


def token_was_refused(answer: Answer) -> bool:
    """Whether a fresh token might help."""
    if answer.status == 200:
        return False
    error = read_error(status=answer.status, body=answer.body)
    return error.conclusion is Conclusion.TOKEN


def read_push_answer(answer: Answer) -> PushOutcome:
    """What became of a push that was answered."""
    if answer.status != 200:
        return _push_error(read_error(status=answer.status, body=answer.body))
    try:
        told = read_object(answer.body)
    except UnreadableJson as error:
        return Ambiguous(f"HTTP 200, but {error}")
    if "errorCode" in told:
        return _push_error(read_error(status=answer.status, body=answer.body))
    response_code = code_text(told.get("ResponseCode"))
    merchant = identifier(told.get("MerchantRequestID"), length_max=MERCHANT_REQUEST_ID_LENGTH_MAX)
    checkout = identifier(told.get("CheckoutRequestID"), length_max=CHECKOUT_REQUEST_ID_LENGTH_MAX)
    if response_code == "0" and merchant and checkout:
        return Accepted(merchant, checkout)
    return Ambiguous(f"an acknowledgement with response code {response_code}, or without its ids")


def read_query_answer(answer: Answer, *, checkout_request_id: str) -> QueryOutcome:
    """What a query that was answered tells of the push."""
    if answer.status != 200:
        return _query_error(read_error(status=answer.status, body=answer.body))
    try:
        told = read_object(answer.body)
    except UnreadableJson as error:
        return NotAnswered(f"HTTP 200, but {error}", _UNREADABLE_RETRY_SECONDS)
    if "errorCode" in told:
        return _query_error(read_error(status=answer.status, body=answer.body))
    if told.get("CheckoutRequestID", checkout_request_id) != checkout_request_id:
        return NotAnswered("the answer is about another push", _UNREADABLE_RETRY_SECONDS)
    result_code = code_text(told.get("ResultCode"))
    if result_code is None or code_text(told.get("ResponseCode")) != "0":
        return NotAnswered("the answer names no result", _UNREADABLE_RETRY_SECONDS)
    return QueryAnswer(result_code, sentence(told.get("ResultDesc")))


def _push_error(error: GatewayError) -> PushOutcome:
    match error.conclusion:
        case Conclusion.NOT_SENT | Conclusion.TOKEN:
            return NotSent(error.reason, error.retry_after_seconds)
        case Conclusion.BAD_REQUEST | Conclusion.CONFIGURATION:
            return Refused(error.code, error.reason)
        case Conclusion.PROCESSING | Conclusion.NO_SUCH_TRANSACTION | Conclusion.UNCLEAR:
            return Ambiguous(error.reason)


def _query_error(error: GatewayError) -> QueryOutcome:
    match error.conclusion:
        case Conclusion.PROCESSING:
            return StillProcessing()
        case Conclusion.NO_SUCH_TRANSACTION:
            return Unknown()
        case Conclusion.BAD_REQUEST | Conclusion.CONFIGURATION:
            return NotAnswered(error.reason, _MISCONFIGURED_RETRY_SECONDS)
        case Conclusion.NOT_SENT | Conclusion.TOKEN | Conclusion.UNCLEAR:
            return NotAnswered(error.reason, error.retry_after_seconds)
