"""The simulated paybill: customers pay, we are asked first where we wished it, and told after.

The money moves whether or not anybody can be told of it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import partial

from infra.mpesa.simulator.behaviours import BehaviourBook
from infra.mpesa.simulator.delivery import as_json, ask, deliver
from infra.mpesa.simulator.ledger import Kind, Ledger, LedgerRow, Movement
from infra.mpesa.simulator.pace import Pace
from infra.mpesa.simulator.paybill_behaviours import PaybillBehaviour
from infra.mpesa.simulator.paybill_requests import COMPLETED, CustomerPayment, Registration
from infra.mpesa.simulator.payers import NumberForm, name_of, written
from infra.mpesa.simulator.refusals import REFUSALS, Refusal
from infra.mpesa.simulator.settings import SimulatorSettings

_REFUSALS_MAX = 1_000


@dataclass
class PaybillSwitches:
    """What a tester may set; whoever reads one reads it once."""

    number_form: NumberForm | None = None  # as the registered version has it: v1 hashed, v2 masked
    twin_percent: int = 0  # of the paid pushes, how many are confirmed to the paybill as well
    registers_once: bool = False  # as production does
    validates: bool = True  # whether a registered validation is asked


@dataclass(frozen=True)
class Paid:
    """What became of a customer's wish: a receipt, or the code it was refused with."""

    receipt: str
    refusal_code: str | None = None


@dataclass
class _Known:
    registration: Registration | None = None
    pull_is_registered: bool = False
    refusals: list[Paid] = field(default_factory=list)


class PaybillDesk:
    """Safe to share between threads."""

    def __init__(
        self,
        settings: SimulatorSettings,
        ledger: Ledger,
        book: BehaviourBook[PaybillBehaviour],
        pace: Pace,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._book = book
        self._pace = pace
        self._known = _Known()
        self.switches = PaybillSwitches()

    def register(self, registration: Registration) -> Refusal | None:
        """Take the addresses, or refuse them."""
        if self.switches.registers_once and self._known.registration is not None:
            return REFUSALS["urls_registered"]
        self._known.registration = registration
        return None

    def register_pull(self) -> bool:
        """Take the wish to pull. False when it was made before."""
        known, self._known.pull_is_registered = self._known.pull_is_registered, True
        return not known

    def pay_soon(self, payment: CustomerPayment) -> None:
        """A customer who pays after a while."""
        self._pace.soon(partial(self.pay, payment))

    def pay(self, payment: CustomerPayment) -> Paid:
        """A customer who pays now: asked about, moved, told."""
        registration = self._known.registration
        movement = Movement(
            kind=Kind.PAYBILL,
            amount=payment.amount,
            phone=payment.phone,
            name=name_of(payment.phone),
            account_reference=payment.account_number,
        )
        receipt = self._ledger.new_receipt()
        code, our_id = self._validated(registration, payment, receipt)
        if code is not None:
            refused = Paid(receipt, code)
            self._known.refusals = [*self._known.refusals[-_REFUSALS_MAX:], refused]
            return refused
        row = self._ledger.move(movement, receipt=receipt)
        assert row is not None, "nothing hinders money that comes in"
        behaviour, _ = self._book.chosen(phone=payment.phone, amount=payment.amount)
        self._confirm(row, behaviour, our_id=our_id, transaction_type=payment.transaction_type)
        return Paid(receipt)

    def tell_twin(self, row: LedgerRow) -> None:
        """A paid push that is confirmed to the paybill as well, under the same receipt."""
        if random.uniform(0, 100) < self.switches.twin_percent:  # noqa: S311 - a game
            behaviour, _ = self._book.chosen(phone=row.phone, amount=row.amount)
            self._confirm(row, behaviour, our_id="", transaction_type="Pay Bill")

    def resend(self, row: LedgerRow) -> int | None:
        """Confirm a payment again, or at last; the status answered, or None."""
        registration = self._known.registration
        if registration is None:
            return None
        return deliver(registration.confirmation_url, self._notice(row, registration))

    def described(self) -> dict[str, object]:
        """What is registered and set, and what our validation refused."""
        registration = self._known.registration
        return {
            "registered": None if registration is None else registration.version,
            "switches": vars(self.switches),
            "refused": [vars(refusal) for refusal in self._known.refusals],
        }

    def _validated(
        self, registration: Registration | None, payment: CustomerPayment, receipt: str
    ) -> tuple[str | None, str]:
        """The code our validation refuses with, or None; and the id it wishes to read again."""
        if registration is None or not self.switches.validates:
            return None, ""
        body = as_json(
            {
                "TransactionType": payment.transaction_type,
                "TransID": receipt,
                "TransTime": str(self._ledger.now_digits()),
                "TransAmount": f"{payment.amount}.00",
                **self._described(payment.phone, payment.account_number, registration),
                "OrgAccountBalance": "",
                "ThirdPartyTransID": "",
            }
        )
        answer = ask(
            registration.validation_url, body, seconds_max=self._settings.validation_seconds_max
        )
        if answer is None:
            accepted = registration.response_type == COMPLETED
            return (None if accepted else "unanswered"), ""
        code = str(answer.get("ResultCode"))
        return (None if code == "0" else code), str(answer.get("ThirdPartyTransID") or "")

    def _confirm(
        self, row: LedgerRow, behaviour: PaybillBehaviour, *, our_id: str, transaction_type: str
    ) -> None:
        registration = self._known.registration
        if registration is None:
            return
        body = self._notice(row, registration, our_id=our_id, transaction_type=transaction_type)
        wait = self._pace.later if behaviour.is_late else self._pace.soon
        for _ in range(behaviour.confirmations):
            wait(partial(deliver, registration.confirmation_url, body))

    def _notice(
        self,
        row: LedgerRow,
        registration: Registration,
        *,
        our_id: str = "",
        transaction_type: str = "Pay Bill",
    ) -> bytes:
        return as_json(
            {
                "TransactionType": transaction_type,
                "TransID": row.receipt,
                "TransTime": row.digits,
                "TransAmount": f"{row.amount}.00",
                **self._described(row.phone, row.account_reference, registration),
                "OrgAccountBalance": f"{row.utility_balance}.00",
                "ThirdPartyTransID": our_id,
            }
        )

    def _described(
        self, phone: str, account_number: str, registration: Registration
    ) -> dict[str, str]:
        by_version = NumberForm.HASHED if registration.version == "v1" else NumberForm.MASKED
        first, last = name_of(phone).split()
        return {
            "BusinessShortCode": self._settings.short_code,
            "BillRefNumber": account_number,
            "InvoiceNumber": "",
            "MSISDN": written(phone, self.switches.number_form or by_version),
            "FirstName": first,
            "MiddleName": "",
            "LastName": last,
        }
