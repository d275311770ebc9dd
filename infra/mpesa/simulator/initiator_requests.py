"""What the simulator demands of payouts, status questions, balance questions and reversals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from infra.mpesa.simulator.fields import (
    Check,
    first_objection,
    is_amount,
    is_callback_url,
    is_one_of,
    is_phone,
    is_short_code,
    is_something,
    matches,
    text,
)
from infra.mpesa.simulator.refusals import REFUSALS, Refusal, invalid_field


class RequestKind(StrEnum):
    """What an initiator may ask for."""

    PAYOUT = "payout"
    STATUS = "status"
    BALANCE = "balance"
    REVERSAL = "reversal"


@dataclass(frozen=True, kw_only=True)
class InitiatorRequest:
    """A request whose every field was acceptable. What a kind does not have is empty."""

    kind: RequestKind
    raw: Mapping[str, Any] = field(repr=False)  # as it came: a flat time-out posts it back
    initiator: str
    credential: str = field(repr=False)
    result_url: str
    timeout_url: str
    occasion: str
    originator_conversation_id: str  # "" where the protocol knows none: one is made
    command_id: str
    phone: str
    amount: int
    receipt: str  # of the transaction asked about, or to be reversed
    original_conversation_id: str


def read_request(
    fields: Mapping[str, Any], *, kind: RequestKind, short_code: str, is_old: bool = False
) -> InitiatorRequest | Refusal:
    """The request that the fields describe, or the first objection to them.

    `is_old` is the first version of payouts, which knows no id of the caller's.
    """
    raw, fields = fields, _in_one_spelling(fields)
    names_itself = kind is RequestKind.PAYOUT and not is_old
    checks = _OWN_ID | REQUEST_FIELDS[kind] if names_itself else REQUEST_FIELDS[kind]
    refusal = first_objection(fields, checks)
    if refusal is not None:
        return refusal
    original = text(fields.get("OriginalConversationID"))
    if kind is RequestKind.STATUS and not (original or text(fields.get("TransactionID"))):
        return invalid_field("TransactionID")
    if text(fields[_PARTY[kind]]) != short_code:
        return REFUSALS["foreign_short_code"]
    return InitiatorRequest(
        kind=kind,
        raw=raw,
        initiator=text(fields["Initiator"]),
        credential=text(fields["SecurityCredential"]),
        result_url=text(fields["ResultURL"]),
        timeout_url=text(fields["QueueTimeOutURL"]),
        occasion=text(fields.get("Occasion")),
        originator_conversation_id=text(fields["OriginatorConversationID"]) if names_itself else "",
        command_id=text(fields["CommandID"]),
        phone=text(fields.get("PartyB")),
        amount=int(text(fields.get("Amount")) or 0),
        receipt=text(fields.get("TransactionID")).upper(),
        original_conversation_id=original,
    )


_SIGNED: dict[str, Check] = {
    "Initiator": is_something,
    "SecurityCredential": is_something,
    "Remarks": matches(r".{2,100}"),
    "QueueTimeOutURL": is_callback_url,
    "ResultURL": is_callback_url,
    "Occasion": matches(r".{0,100}"),
}
_OWN_ID: dict[str, Check] = {"OriginatorConversationID": matches(r"[!-~]{1,64}")}
REQUEST_FIELDS: Mapping[RequestKind, dict[str, Check]] = MappingProxyType(
    {
        RequestKind.PAYOUT: {
            **_SIGNED,
            "CommandID": is_one_of("BusinessPayment", "SalaryPayment", "PromotionPayment"),
            "Amount": is_amount,
            "PartyA": is_short_code,
            "PartyB": is_phone,
        },
        RequestKind.STATUS: {
            **_SIGNED,
            "CommandID": is_one_of("TransactionStatusQuery"),
            "PartyA": is_short_code,
            "IdentifierType": is_one_of("1", "2", "4"),
        },
        RequestKind.BALANCE: {
            **_SIGNED,
            "CommandID": is_one_of("AccountBalance"),
            "PartyA": is_short_code,
            "IdentifierType": is_one_of("1", "2", "4"),
        },
        RequestKind.REVERSAL: {
            **_SIGNED,
            "CommandID": is_one_of("TransactionReversal"),
            "TransactionID": matches(r"[A-Za-z0-9]{6,20}"),
            "Amount": is_amount,
            "ReceiverParty": is_short_code,
            # Misspelt by Safaricom; the right spelling is not looked at.
            "RecieverIdentifierType": is_one_of("1", "2", "4", "11"),
        },
    }
)
_PARTY = MappingProxyType(
    {
        RequestKind.PAYOUT: "PartyA",
        RequestKind.STATUS: "PartyA",
        RequestKind.BALANCE: "PartyA",
        RequestKind.REVERSAL: "ReceiverParty",
    }
)


_SPELLINGS = MappingProxyType(
    {
        "InitiatorName": "Initiator",
        "Occassion": "Occasion",
        "Command ID": "CommandID",
    }
)


def _in_one_spelling(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields under one spelling of each: clients differ, and the real one takes them all."""
    spelt = {_SPELLINGS.get(name, name): value for name, value in fields.items()}
    if "OriginatorConversationID" in spelt:
        spelt.setdefault("OriginalConversationID", spelt["OriginatorConversationID"])
    return spelt
