"""From an answer of Daraja to an outcome. Pure: bytes in, an outcome out; the client talks."""

from __future__ import annotations

from typing import Any

from infra.mpesa.gateway_errors import Conclusion, GatewayError, read_error
from infra.mpesa.outcomes import (
    Accepted,
    AlreadyTaken,
    Ambiguous,
    NotAnswered,
    NotSent,
    PushOutcome,
    QueryAnswer,
    QueryOutcome,
    Refused,
    RequestOutcome,
    StillProcessing,
    Taken,
    Unknown,
)
from infra.mpesa.transport import Answer
from infra.mpesa.wire import UnreadableJson, code_text, identifier, read_object, sentence

MERCHANT_REQUEST_ID_LENGTH_MAX = 64
CHECKOUT_REQUEST_ID_LENGTH_MAX = 128
CONVERSATION_ID_LENGTH_MAX = 64
_MISCONFIGURED_RETRY_SECONDS = 300.0
_UNREADABLE_RETRY_SECONDS = 30.0
# The registration of paybill addresses answers with a misspelt id, and with no other.
_ORIGINATOR_KEYS = ("OriginatorConversationID", "OriginatorCoversationID")


def token_was_refused(answer: Answer) -> bool:
    """Whether a fresh token might help."""
    if answer.status == 200:
        return False
    error = read_error(status=answer.status, body=answer.body)
    return error.conclusion is Conclusion.TOKEN


def answered_object(answer: Answer) -> dict[str, Any] | GatewayError:
    """What was answered, where it is no error."""
    if answer.status != 200:
        return read_error(status=answer.status, body=answer.body)
    try:
        told = read_object(answer.body)
    except UnreadableJson as error:
        reason = f"HTTP 200, but {error}"
        return GatewayError(Conclusion.UNCLEAR, "200", reason, _UNREADABLE_RETRY_SECONDS)
    if "errorCode" in told:
        return read_error(status=answer.status, body=answer.body)
    return told


def read_push_answer(answer: Answer) -> PushOutcome:
    """What became of a push that was answered."""
    told = answered_object(answer)
    if isinstance(told, GatewayError):
        return _not_accepted(told)
    response_code = code_text(told.get("ResponseCode"))
    merchant = identifier(told.get("MerchantRequestID"), length_max=MERCHANT_REQUEST_ID_LENGTH_MAX)
    checkout = identifier(told.get("CheckoutRequestID"), length_max=CHECKOUT_REQUEST_ID_LENGTH_MAX)
    if response_code == "0" and merchant and checkout:
        return Accepted(merchant, checkout)
    return Ambiguous(f"an acknowledgement with response code {response_code}, or without its ids")


def read_query_answer(answer: Answer, *, checkout_request_id: str) -> QueryOutcome:
    """What a query that was answered tells of the push."""
    told = answered_object(answer)
    if isinstance(told, GatewayError):
        return _query_error(told)
    if told.get("CheckoutRequestID", checkout_request_id) != checkout_request_id:
        return NotAnswered("the answer is about another push", _UNREADABLE_RETRY_SECONDS)
    result_code = code_text(told.get("ResultCode"))
    if result_code is None or code_text(told.get("ResponseCode")) != "0":
        return NotAnswered("the answer names no result", _UNREADABLE_RETRY_SECONDS)
    return QueryAnswer(result_code, sentence(told.get("ResultDesc")))


def read_request_answer(answer: Answer, *, moves_money: bool) -> RequestOutcome:
    """What became of a payout, a reversal, a question or a registration that was answered."""
    told = answered_object(answer)
    if isinstance(told, GatewayError):
        return _not_taken(told, moves_money=moves_money)
    response_code = code_text(told.get("ResponseCode"))
    conversation = _conversation_id(told, "ConversationID")
    originator = next(filter(None, (_conversation_id(told, key) for key in _ORIGINATOR_KEYS)), "")
    if response_code == "0" and (conversation or originator):
        return Taken(conversation, originator)
    return Ambiguous(f"an acknowledgement with response code {response_code}, or without its ids")


def read_pull_registration(answer: Answer) -> RequestOutcome:
    """What became of the wish to pull payments. Some samples write its keys with a space."""
    told = answered_object(answer)
    if isinstance(told, GatewayError):
        return _not_taken(told, moves_money=False)
    match code_text(told.get("ResponseStatus", told.get("Response Status"))):
        case "1000":
            return Taken(_conversation_id(told, "ResponseRefID"))
        case "1001":
            return AlreadyTaken()
        case status:
            return Ambiguous(f"an answer with response status {status}")


def _conversation_id(told: dict[str, Any], key: str) -> str:
    return identifier(told.get(key), length_max=CONVERSATION_ID_LENGTH_MAX) or ""


def _not_accepted(error: GatewayError) -> NotSent | Refused | Ambiguous:
    match error.conclusion:
        case Conclusion.NOT_SENT | Conclusion.TOKEN | Conclusion.BUSY:
            return NotSent(error.reason, error.retry_after_seconds)
        case Conclusion.BAD_REQUEST:
            return Refused(error.code, error.reason)
        case Conclusion.CONFIGURATION:
            return Refused(error.code, error.reason, is_configuration=True)
        case _:
            return Ambiguous(error.reason)


def _not_taken(error: GatewayError, *, moves_money: bool) -> RequestOutcome:
    match error.conclusion:
        case Conclusion.ALREADY_TAKEN:
            return AlreadyTaken()
        case Conclusion.BUSY if moves_money:
            return Ambiguous(error.reason)
        case _:
            return _not_accepted(error)


def _query_error(error: GatewayError) -> QueryOutcome:
    match error.conclusion:
        case Conclusion.PROCESSING:
            return StillProcessing()
        case Conclusion.NO_SUCH_TRANSACTION:
            return Unknown()
        case Conclusion.BAD_REQUEST | Conclusion.CONFIGURATION:
            return NotAnswered(error.reason, _MISCONFIGURED_RETRY_SECONDS)
        case _:
            return NotAnswered(error.reason, error.retry_after_seconds)
