"""The simulated M-Pesa's own books: every shilling that moved, whoever was told of it.

Three accounts, as an organisation's short code has: customers pay into Utility, payouts and
reversals leave it, and the charges of payouts gather below zero in Charges Paid. Working stands
still. Amounts are whole shillings, as M-Pesa's are.
"""

from __future__ import annotations

import secrets
import string
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from threading import Lock

from domain.dates import NAIROBI

COMPLETED, FAILED = "Completed", "Failed"
_RECEIPT_LETTERS = string.ascii_uppercase + string.digits
_DAY_LETTERS = "123456789ABCDEFGHIJKLMNOPQRSTUV"
# What a payout costs the organisation, by the highest amount (Safaricom's B2C tariff, August 2023).
_CHARGES = ((100, 0), (1_500, 5), (5_000, 9), (20_000, 11), (250_000, 13))


class Kind(StrEnum):
    """Why money moved."""

    PUSH = "push"
    PAYBILL = "paybill"
    PAYOUT = "payout"
    REVERSAL = "reversal"
    TOP_UP = "top_up"
    SETTLEMENT = "settlement"


INCOMING = frozenset({Kind.PUSH, Kind.PAYBILL, Kind.TOP_UP})
FROM_CUSTOMERS = frozenset({Kind.PUSH, Kind.PAYBILL})


@dataclass(frozen=True, kw_only=True)
class Movement:
    """Money that is to move, or failed to: what is known of it beforehand."""

    kind: Kind
    amount: int
    phone: str = ""
    name: str = ""
    account_reference: str = ""
    checkout_request_id: str = ""
    originator_conversation_id: str = ""
    reverses: str = ""


@dataclass(frozen=True, kw_only=True)
class LedgerRow(Movement):
    """The same, once it has moved (or failed), with the balances afterwards."""

    receipt: str
    direction: str
    status: str
    charge: int
    paid_at: str
    utility_balance: int
    charges_balance: int

    @property
    def digits(self) -> str:
        """The time as Safaricom writes it: 20260201101515."""
        return "".join(letter for letter in self.paid_at[:19] if letter.isdigit())


@dataclass(frozen=True)
class Accounts:
    """What the short code's accounts hold, in shillings."""

    working: int
    utility: int
    charges: int


class Ledger:
    """The books of one merchant. Safe to share between threads."""

    def __init__(
        self, *, clock: Callable[[], datetime], rows_max: int, working: int = 0, utility: int = 0
    ) -> None:
        self._clock = clock
        self._rows_max = rows_max
        self._lock = Lock()
        self._accounts = Accounts(working, utility, 0)
        self._rows: OrderedDict[str, LedgerRow] = OrderedDict()
        self._reversed: dict[str, str] = {}

    def now(self) -> datetime:
        """The simulator's time."""
        return self._clock()

    def now_digits(self) -> int:
        """The same as Safaricom writes it."""
        return int(self.now().astimezone(NAIROBI).strftime("%Y%m%d%H%M%S"))

    def new_receipt(self) -> str:
        """A receipt number for a payment that may yet be refused."""
        with self._lock:
            return self._new_receipt(self._clock().astimezone(NAIROBI))

    def move(self, movement: Movement, *, receipt: str | None = None) -> LedgerRow | None:
        """Move money. None when the Utility account holds too little, or the reversal was made."""
        incoming = movement.kind in INCOMING
        charge = charge_of(movement.amount) if movement.kind is Kind.PAYOUT else 0
        with self._lock:
            if not incoming and movement.amount > self._accounts.utility:
                return None
            if movement.reverses in self._reversed:
                return None
            change = movement.amount if incoming else -movement.amount
            self._accounts = Accounts(
                self._accounts.working,
                self._accounts.utility + change,
                self._accounts.charges - charge,
            )
            row = self._row(movement, status=COMPLETED, charge=charge, receipt=receipt)
            if movement.reverses:
                self._reversed[movement.reverses] = row.receipt
            return row

    def fail(self, movement: Movement) -> LedgerRow:
        """Note an attempt that moved nothing: it is on the statement all the same."""
        with self._lock:
            return self._row(movement, status=FAILED, charge=0)

    def rows(self) -> list[LedgerRow]:
        """The money that moved, oldest first."""
        return [row for row in self.attempts() if row.status == COMPLETED]

    def attempts(self) -> list[LedgerRow]:
        """The same, with what failed."""
        with self._lock:
            return list(self._rows.values())

    def find(self, receipt: str) -> LedgerRow | None:
        with self._lock:
            return self._rows.get(receipt.strip().upper())

    def reversal_of(self, receipt: str) -> str | None:
        """The receipt under which this one was sent back, if it was."""
        with self._lock:
            return self._reversed.get(receipt)

    def accounts(self) -> Accounts:
        with self._lock:
            return self._accounts

    def _row(
        self, movement: Movement, *, status: str, charge: int, receipt: str | None = None
    ) -> LedgerRow:
        now = self._clock().astimezone(NAIROBI)
        row = LedgerRow(
            **vars(movement),
            receipt=receipt or self._new_receipt(now),
            direction="in" if movement.kind in INCOMING else "out",
            status=status,
            charge=charge,
            paid_at=now.isoformat(timespec="seconds"),
            utility_balance=self._accounts.utility,
            charges_balance=self._accounts.charges,
        )
        self._rows[row.receipt] = row
        if len(self._rows) > self._rows_max:
            oldest, _ = self._rows.popitem(last=False)
            self._reversed.pop(oldest, None)
        return row

    def _new_receipt(self, now: datetime) -> str:
        """Year, month and day as one letter each, then seven more, as M-Pesa numbers receipts.

        The seven are drawn at random, so that a simulator started anew does not repeat itself.
        """
        year = string.ascii_uppercase[(now.year - 2006) % 26]
        day = f"{year}{string.ascii_uppercase[now.month - 1]}{_DAY_LETTERS[now.day - 1]}"
        while True:
            receipt = day + "".join(secrets.choice(_RECEIPT_LETTERS) for _ in range(7))
            if receipt not in self._rows and not receipt.endswith("0000000"):
                return receipt


def charge_of(amount: int) -> int:
    """What a payout of this amount costs the organisation, in shillings."""
    return next(charge for highest, charge in _CHARGES if amount <= highest)
