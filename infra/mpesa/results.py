"""The results of payouts, status questions, balances and reversals, in one envelope.

Safaricom posts them to the address that the request named. Its shapes wobble: a code is 0, "0" or
"R000002"; a list of parameters may be a single object; keys come with spaces ("Conversation ID"),
twice over, or without a value. What waited too long in Safaricom's queue comes to the other address
instead: as the request itself, flat and with its SecurityCredential, or in an envelope again. A
reading is a claim, as the body is unsigned; `result_views.py` says what a result is about.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from infra.mpesa.answers import CONVERSATION_ID_LENGTH_MAX
from infra.mpesa.unreadable import UnreadableCallback
from infra.mpesa.wire import UnreadableJson, code_text, identifier, read_object, sentence

Value = str | int | Decimal | None
_RECEIPT = re.compile(r"[A-Z0-9]{6,20}")
_PLACEHOLDER = re.compile(r"[A-Z0-9]{3}0{7}")
_FINAL = "0"
_CREDENTIAL = re.compile(
    rb"""
    ("security[ _]?credential" \s* (?: : | , \s* "value" \s* : ) \s*)  # or {"Key", "Value"}
    (?: " (?: [^"\\] | \\. )* (?: " | \\? $ )                         # text, perhaps cut off
      | [^"\s,}\]]+ )                                                # or anything else
    """,
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)


@dataclass(frozen=True)
class MpesaResult:
    """What Safaricom says became of a request. A time-out says nothing: ask for the status."""

    result_code: str  # "" where a time-out names none
    result_description: str
    originator_conversation_id: str  # ours for a payout; "" in a time-out of a request without one
    conversation_id: str | None
    transaction_id: str | None  # None where it is only a placeholder; no proof of payment
    parameters: Mapping[str, tuple[Value, ...]] = field(repr=False)  # keys without spaces
    is_timeout: bool

    @property
    def succeeded(self) -> bool:
        """Whether the request did what it was to do."""
        return self.result_code == "0" and not self.is_timeout

    def first(self, *names: str) -> Value:
        """The first value under any of these names, or None."""
        values = (value for name in names for value in self.parameters.get(name, ()))
        return next((value for value in values if value not in (None, "")), None)


def read_result(body: bytes, *, told_as_timeout: bool = False) -> MpesaResult:
    """Read the raw body of a result or of a queue time-out.

    `told_as_timeout` says that it came to the time-out address: an envelope's own code must not be
    believed then. A flat body, and an envelope that announces more to come, are time-outs anyway.

    Raises:
        UnreadableCallback: it makes no sense.
    """
    try:
        whole = read_object(body)
    except UnreadableJson as error:
        raise UnreadableCallback(str(error)) from None
    told = whole.get("Result")
    if isinstance(told, dict):
        return _enveloped(told, told_as_timeout=told_as_timeout)
    if told is None and isinstance(whole.get("CommandID", whole.get("Command ID")), str):
        return _flat_timeout(whole)
    raise UnreadableCallback("there is no object Result")


def scrub_credential(body: bytes) -> bytes:
    """The body without any SecurityCredential. To be called before it is stored anywhere.

    It works on the bytes, so that what is garbled or cut off is scrubbed as well, and nothing else
    is written differently.
    """
    return _CREDENTIAL.sub(rb'\1"***"', body)


def _enveloped(told: Mapping[str, Any], *, told_as_timeout: bool) -> MpesaResult:
    is_timeout = told_as_timeout or (code_text(told.get("ResultType")) or _FINAL) != _FINAL
    result_code = code_text(told.get("ResultCode"))
    if result_code is None and not is_timeout:
        raise UnreadableCallback("there is no ResultCode")
    originator = _id(told, "OriginatorConversationID", "OriginatorCoversationID")
    if originator is None:
        raise UnreadableCallback("there is no usable OriginatorConversationID")
    return MpesaResult(
        result_code=result_code or "",
        result_description=sentence(told.get("ResultDesc")),
        originator_conversation_id=originator,
        conversation_id=_id(told, "ConversationID"),
        transaction_id=_transaction_id(told.get("TransactionID")),
        parameters=_parameters(told.get("ResultParameters")),
        is_timeout=is_timeout,
    )


def _flat_timeout(request: Mapping[str, Any]) -> MpesaResult:
    return MpesaResult(
        result_code="",
        result_description="The request waited too long in Safaricom's queue.",
        originator_conversation_id=_id(request, "OriginatorConversationID") or "",
        conversation_id=_id(request, "ConversationID"),
        transaction_id=None,
        parameters={},
        is_timeout=True,
    )


def _id(told: Mapping[str, Any], *names: str) -> str | None:
    found = (identifier(told.get(name), length_max=CONVERSATION_ID_LENGTH_MAX) for name in names)
    return next(filter(None, found), None)


def _transaction_id(value: object) -> str | None:
    text = value.strip().upper() if isinstance(value, str) else ""
    return text if _RECEIPT.fullmatch(text) and not _PLACEHOLDER.fullmatch(text) else None


def _parameters(told: object) -> Mapping[str, tuple[Value, ...]]:
    """The parameters by name: in any order, one or many, each perhaps without a value or twice."""
    listed = told.get("ResultParameter") if isinstance(told, dict) else told
    found: dict[str, tuple[Value, ...]] = {}
    for item in listed if isinstance(listed, list) else [listed]:
        if item is None:
            continue
        if not isinstance(item, dict) or not isinstance(item.get("Key"), str):
            raise UnreadableCallback("a parameter of the result has no name")
        value = item.get("Value")
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal | None):
            raise UnreadableCallback("a parameter of the result has a value of no known kind")
        name = item["Key"].replace(" ", "")
        found[name] = (*found.get(name, ()), value)
    return found
