"""What a successful result tells, by what was asked: a payout, a status, a balance, a reversal.

Each takes a result that succeeded and raises UnreadableCallback where it lacks what matters. A
failed result tells of no money, whatever ids it carries.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from domain.mpesa.payer import Payer
from infra.mpesa.particulars import moment, paid_cents, party, receipt_number, signed_cents
from infra.mpesa.results import MpesaResult, Value
from infra.mpesa.unreadable import UnreadableCallback
from infra.mpesa.wire import identifier, sentence

_CHARGE = re.compile(r"[^|&]*\|KES\|(-?[0-9.]+)")
_ACCOUNTS_MAX = 20


@dataclass(frozen=True)
class PaidOut:
    """Money that reached a phone. Balances are as they stood after it, where told."""

    receipt_number: str
    amount_cents: int
    completed_at: datetime
    receiver: Payer
    utility_balance_cents: int | None
    charges_balance_cents: int | None

    @property
    def receiver_name(self) -> str | None:
        """As M-Pesa knows the receiver."""
        return self.receiver.name


@dataclass(frozen=True)
class TransactionStatus:
    """What became of another transaction. Only the status counts: the question itself succeeded."""

    transaction_status: str  # "Completed" is the only one on record
    receipt_number: str | None
    amount_cents: int | None
    finalised_at: datetime | None
    charge_cents: int | None
    originator_conversation_id: str | None  # of the transaction asked about, as the next one
    conversation_id: str | None
    reason: str


@dataclass(frozen=True)
class AccountBalance:
    """One account of the short code, in cents; what was paid in charges stands below zero."""

    current_cents: int
    available_cents: int


@dataclass(frozen=True)
class Balances:
    """Every account by the name that Safaricom gives it: Working Account, Utility Account, ..."""

    accounts: Mapping[str, AccountBalance]
    completed_at: datetime | None

    @property
    def payable_cents(self) -> int | None:
        """What payouts can take: they leave the Utility Account. None where it is not told."""
        utility = self.accounts.get("Utility Account")
        return None if utility is None else utility.available_cents


@dataclass(frozen=True)
class Reversed:
    """A customer's payment that went back to them, under a receipt of its own."""

    receipt_number: str
    original_receipt_number: str
    amount_cents: int
    completed_at: datetime
    charge_cents: int
    payer: Payer = field(repr=False)


def read_paid_out(result: MpesaResult) -> PaidOut:
    """What a payout that succeeded tells."""
    _check(result)
    utility = result.first("B2CUtilityAccountAvailableFunds")
    charges = result.first("B2CChargesPaidAccountAvailableFunds")
    return PaidOut(
        receipt_number=receipt_number(
            result.first("TransactionReceipt") or result.transaction_id, name="TransactionReceipt"
        ),
        amount_cents=paid_cents(
            result.first("TransactionAmount", "Amount"), name="TransactionAmount"
        ),
        completed_at=moment(
            result.first("TransactionCompletedDateTime"), name="TransactionCompletedDateTime"
        ),
        receiver=_party(result.first("ReceiverPartyPublicName")),
        utility_balance_cents=_optional_cents(utility, name="utility balance"),
        charges_balance_cents=_optional_cents(charges, name="charges balance"),
    )


def read_transaction_status(result: MpesaResult) -> TransactionStatus:
    """What a status question that succeeded tells of the transaction."""
    _check(result)
    status = sentence(result.first("TransactionStatus"), length_max=40)
    if not status:
        raise UnreadableCallback("there is no TransactionStatus")
    receipt, finalised = result.first("ReceiptNo"), result.first("FinalisedTime")
    return TransactionStatus(
        transaction_status=status,
        receipt_number=None if receipt is None else receipt_number(receipt, name="ReceiptNo"),
        amount_cents=_optional_cents(result.first("Amount"), name="Amount"),
        finalised_at=None if finalised is None else moment(finalised, name="FinalisedTime"),
        charge_cents=_charge_cents(result.first("DebitPartyCharges")),
        originator_conversation_id=_id(result.first("OriginatorConversationID")),
        conversation_id=_id(result.first("ConversationID")),
        reason=sentence(result.first("ReasonType")),
    )


def read_balances(result: MpesaResult) -> Balances:
    """What a balance question that succeeded tells."""
    _check(result)
    told = result.first("AccountBalance")
    if not isinstance(told, str):
        raise UnreadableCallback("there is no AccountBalance")
    parts = told.split("&")
    if len(parts) > _ACCOUNTS_MAX:
        raise UnreadableCallback("there are too many accounts")
    completed = result.first("BOCompletedTime")
    return Balances(
        accounts=dict(_account(part) for part in parts),
        completed_at=None if completed is None else moment(completed, name="BOCompletedTime"),
    )


def read_reversed(result: MpesaResult) -> Reversed:
    """What a reversal that succeeded tells."""
    _check(result)
    charge = result.first("Charge")
    return Reversed(
        receipt_number=receipt_number(result.transaction_id, name="TransactionID"),
        original_receipt_number=receipt_number(
            result.first("OriginalTransactionID"), name="OriginalTransactionID"
        ),
        amount_cents=paid_cents(result.first("Amount"), name="Amount"),
        completed_at=moment(result.first("TransCompletedTime"), name="TransCompletedTime"),
        charge_cents=_optional_cents(charge, name="Charge") or 0,
        payer=_party(result.first("CreditPartyPublicName")),
    )


def _check(result: MpesaResult) -> None:
    assert result.succeeded, "a time-out and a failure tell of no money"


def _account(text: str) -> tuple[str, AccountBalance]:
    """One account: name|currency|current|available|reserved|uncleared; the end may be cut off."""
    name, *rest = text.split("|")
    if len(rest) < 2 or rest[0] != "KES" or not name.strip():
        raise UnreadableCallback("an account of the balance makes no sense")
    current = signed_cents(rest[1], name="balance")
    available = signed_cents(rest[2], name="balance") if len(rest) > 2 else current
    return sentence(name, length_max=60), AccountBalance(current, available)


def _charge_cents(told: Value) -> int | None:
    """The sum of "Fee For B2C Payment|KES|22.40", which may stand there several times."""
    if not isinstance(told, str):
        return None
    return sum(signed_cents(amount, name="charge") for amount in _CHARGE.findall(told))


def _optional_cents(told: Value, *, name: str) -> int | None:
    return None if told is None else signed_cents(told, name=name)


def _party(told: Value) -> Payer:
    return party(told) if isinstance(told, str) else Payer()


def _id(told: Value) -> str | None:
    return identifier(told, length_max=64)
