"""What each request of an initiator comes to: the truth, and what a result tells of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from infra.mpesa.simulator.initiator_requests import RequestKind
from infra.mpesa.simulator.ledger import (
    COMPLETED,
    FAILED,
    FROM_CUSTOMERS,
    Kind,
    Ledger,
    LedgerRow,
    Movement,
)
from infra.mpesa.simulator.payers import name_of
from infra.mpesa.simulator.settings import SimulatorSettings
from infra.mpesa.simulator.taken_requests import (
    Decision,
    Parameters,
    TakenRequest,
    TakenRequests,
)

PAYOUT_SHILLINGS_MIN = 10
_NO_FLOAT, _BELOW_MINIMUM, _NO_SUCH_RECEIPT = "1", "2", "2033"
_ALREADY_REVERSED, _NOT_REVERSIBLE = "R000001", "R000002"
_DONE = frozenset({"0", _ALREADY_REVERSED})
_REASONS = MappingProxyType(
    {
        Kind.PUSH: "Pay Bill Online",
        Kind.PAYBILL: "Pay Bill Online",
        Kind.PAYOUT: "Business Payment to Customer via API",
        Kind.REVERSAL: "Pay Bill Reversal",
        Kind.TOP_UP: "Funds Transfer",
        Kind.SETTLEMENT: "Organization Settlement",
    }
)


class Decisions:
    """Decides requests whose initiator is known to be right."""

    def __init__(self, settings: SimulatorSettings, ledger: Ledger, taken: TakenRequests) -> None:
        self._settings = settings
        self._ledger = ledger
        self._taken = taken

    def decide(self, taken: TakenRequest, code: str) -> Decision:
        """Let a request come to this code, where the accounts allow it."""
        deciders: Mapping[RequestKind, Callable[[TakenRequest, str], Decision]] = {
            RequestKind.PAYOUT: self._payout,
            RequestKind.STATUS: self._status,
            RequestKind.BALANCE: self._balance,
            RequestKind.REVERSAL: self._reversal,
        }
        return deciders[taken.request.kind](taken, code)

    def _payout(self, taken: TakenRequest, code: str) -> Decision:
        request = taken.request
        movement = Movement(
            kind=Kind.PAYOUT,
            amount=request.amount,
            phone=request.phone,
            name=name_of(request.phone),
            account_reference=request.occasion,
            originator_conversation_id=taken.originator_conversation_id,
        )
        if code == "0" and request.amount < PAYOUT_SHILLINGS_MIN:
            code = _BELOW_MINIMUM
        row = self._ledger.move(movement) if code == "0" else None
        if row is None:
            failed = code if code != "0" else _NO_FLOAT
            return Decision(failed, movement=self._ledger.fail(movement))
        moment = f"{row.paid_at[8:10]}.{row.paid_at[5:7]}.{row.paid_at[:4]} {row.paid_at[11:19]}"
        parameters: Parameters = [
            ("TransactionAmount", row.amount),
            ("TransactionReceipt", row.receipt),
            ("ReceiverPartyPublicName", f"{row.phone} - {row.name}"),
            ("TransactionCompletedDateTime", moment),
            ("B2CUtilityAccountAvailableFunds", row.utility_balance),
            ("B2CWorkingAccountAvailableFunds", self._ledger.accounts().working),
            ("B2CRecipientIsRegisteredCustomer", "Y"),
            ("B2CChargesPaidAccountAvailableFunds", row.charges_balance),
        ]
        return Decision("0", parameters, row)

    def _reversal(self, taken: TakenRequest, code: str) -> Decision:
        request = taken.request
        original = self._ledger.find(request.receipt)
        if code != "0":
            return Decision(code)
        if original is None or original.kind not in FROM_CUSTOMERS:
            return Decision(_NOT_REVERSIBLE)
        if original.amount != request.amount:
            return Decision(_NOT_REVERSIBLE)
        movement = Movement(
            kind=Kind.REVERSAL,
            amount=original.amount,
            phone=original.phone,
            name=original.name,
            account_reference=original.account_reference,
            originator_conversation_id=taken.originator_conversation_id,
            reverses=original.receipt,
        )
        row = self._ledger.move(movement)
        if row is None:
            was_reversed = self._ledger.reversal_of(original.receipt) is not None
            return Decision(_ALREADY_REVERSED if was_reversed else _NO_FLOAT)
        utility = _account("Utility Account", row.utility_balance)
        parameters: Parameters = [
            ("DebitAccountBalance", utility),
            ("Amount", row.amount),
            ("TransCompletedTime", int(row.digits)),
            ("OriginalTransactionID", original.receipt),
            ("Charge", 0),
            ("CreditPartyPublicName", f"{row.phone} - {row.name}"),
            ("DebitPartyPublicName", f"{self._settings.short_code} - SIMULATED MERCHANT"),
        ]
        return Decision("0", parameters, row)

    def _balance(self, _taken: TakenRequest, code: str) -> Decision:
        if code != "0":
            return Decision(code)
        held = self._ledger.accounts()
        accounts = [
            _account("Working Account", held.working),
            _account("Float Account", 0),
            _account("Utility Account", held.utility),
            _account("Charges Paid Account", held.charges),
            _account("Organization Settlement Account", 0),
        ]
        moment = self._ledger.now_digits()
        return Decision("0", [("AccountBalance", "&".join(accounts)), ("BOCompletedTime", moment)])

    def _status(self, taken: TakenRequest, code: str) -> Decision:
        if code != "0":
            return Decision(code)
        request = taken.request
        about = self._taken.find(request.original_conversation_id)
        row = self._ledger.find(request.receipt) if request.receipt else None
        if about is None and row is not None:
            about = self._taken.paid_by(row.receipt)
        if about is None and row is None:
            return Decision(_NO_SUCH_RECEIPT)
        if about is None:
            assert row is not None
            return Decision("0", self._told(row, row.status))
        if not self._taken.status_asked(about) or about.decision is None:
            return Decision("0", [*_names(about), ("TransactionStatus", "Pending")])
        status = COMPLETED if about.decision.code in _DONE else FAILED
        moved = about.decision.movement
        told = [("TransactionStatus", status)] if moved is None else self._told(moved, status)
        return Decision("0", [*_names(about), *told])

    def _told(self, row: LedgerRow, status: str) -> Parameters:
        merchant = f"{self._settings.short_code} - SIMULATED MERCHANT"
        customer = f"{row.phone} - {row.name}"
        debited, credited = (customer, merchant) if row.direction == "in" else (merchant, customer)
        fee = f"Fee For B2C Payment|KES|{row.charge}.00" if row.charge else ""
        return [
            ("ReceiptNo", row.receipt),
            ("FinalisedTime", int(row.digits)),
            ("InitiatedTime", int(row.digits)),
            ("Amount", row.amount),
            ("TransactionStatus", status),
            ("ReasonType", reason_of(row.kind)),
            ("TransactionReason", None),
            ("DebitPartyCharges", fee),
            ("DebitAccountType", "Utility Account"),
            ("DebitPartyName", debited),
            ("CreditPartyName", credited),
        ]


def reason_of(kind: Kind) -> str:
    """What Safaricom calls this kind of movement."""
    return _REASONS[kind]


def _names(taken: TakenRequest) -> Parameters:
    return [
        ("OriginatorConversationID", taken.originator_conversation_id),
        ("ConversationID", taken.conversation_id),
    ]


def _account(name: str, shillings: int) -> str:
    return f"{name}|KES|{shillings}.00|{shillings}.00|0.00|0.00"
