"""The simulated M-Pesa Express: takes pushes, lets pretended payers decide, tells the result."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from infra.mpesa.simulator.behaviours import Acknowledgement, BehaviourBook
from infra.mpesa.simulator.delivery import deliver
from infra.mpesa.simulator.ledger import LedgerRow
from infra.mpesa.simulator.pace import Pace
from infra.mpesa.simulator.push_behaviours import Lie, PushBehaviour
from infra.mpesa.simulator.push_requests import PushRequest
from infra.mpesa.simulator.pushes import Push, PushMemory, Told
from infra.mpesa.simulator.refusals import REFUSALS, Refusal

RESULT_SENTENCES = {
    "0": "The service request is processed successfully.",
    "1": "The balance is insufficient for the transaction.",
    "1032": "Request cancelled by user",
    "1037": "DS timeout user cannot be reached",
    "2001": "The initiator information is invalid.",
    "2028": "The request is not permitted according to product assignment",
}
_LIE = "1032"
_AMOUNT_PLACE = '"@amount@"'


class PushDesk:
    """Safe to share between threads. `paid` is called with each payment, once."""

    def __init__(
        self,
        memory: PushMemory,
        book: BehaviourBook[PushBehaviour],
        queries: BehaviourBook[PushBehaviour],
        pace: Pace,
        *,
        paid: Callable[[LedgerRow], None],
    ) -> None:
        self._memory = memory
        self._book = book
        self._queries = queries
        self._pace = pace
        self._paid = paid

    def push(self, request: PushRequest) -> Push | Refusal:
        """Take a push and set its future going, or refuse it."""
        behaviour, refusal = self._book.chosen(phone=request.phone, amount=request.amount)
        if refusal is not None:
            return REFUSALS[refusal]
        push = self._memory.take(request, behaviour)
        if push is None:
            return REFUSALS["subscriber_locked"]
        if behaviour.acknowledgement is Acknowledgement.AFTER_CALLBACK:
            self._decide(push, 0)
        elif push.results:
            self._pace.soon(partial(self._decide, push, 0))
        return push

    def query(self, checkout_request_id: str) -> Told | Refusal:
        """What a query learns."""
        _, refusal = self._queries.chosen()
        if refusal is not None:
            return REFUSALS[refusal]
        told = self._memory.polled(checkout_request_id)
        if told is None:
            return REFUSALS["no_such_push"]
        return REFUSALS["processing"] if told.pending_form == "500" else told

    def told(self, checkout_request_id: str) -> Told | None:
        """A push as it stands; None when there is no such push."""
        return self._memory.told(checkout_request_id)

    def resend(self, told: Told) -> int | None:
        """Tell a result again; the status answered, or None."""
        return deliver(told.push.request.callback_url, callback_body(told))

    def _decide(self, push: Push, step: int) -> None:
        was_paid = push.payment is not None
        told = self._memory.settle(push, push.results[step])
        if told.payment is not None and not was_paid:
            self._paid(told.payment)
        if step + 1 < len(push.results):
            self._pace.later(partial(self._decide, push, step + 1))
        tell = partial(self._tell, told)
        if push.behaviour.callback_is_late:
            self._pace.later(tell)
        else:
            tell()

    def _tell(self, told: Told) -> None:
        url, lie = told.push.request.callback_url, told.push.behaviour.lie
        false = callback_body(Told(told.push, _LIE, None))
        for _ in range(told.push.behaviour.callbacks_per_result):
            deliver(url, false if lie is Lie.INSTEAD else callback_body(told))
        if lie is Lie.AFTER:
            self._pace.later(partial(deliver, url, false))


def sentence_of(result_code: str) -> str:
    """What Safaricom writes beside a code."""
    return RESULT_SENTENCES.get(result_code, "The request was not completed.")


def callback_body(told: Told) -> bytes:
    """The callback as Safaricom writes it: whole shillings with ".00", and a Balance left empty."""
    assert told.result_code is not None
    code = told.result_code
    result: dict[str, object] = {
        "MerchantRequestID": told.push.merchant_request_id,
        "CheckoutRequestID": told.push.checkout_request_id,
        "ResultCode": int(code) if code.isdigit() else code,
        "ResultDesc": sentence_of(code),
    }
    text = json.dumps({"Body": {"stkCallback": result | _metadata(told)}})
    # json knows no way to write 150.00, and readers must be ready for it.
    return text.replace(_AMOUNT_PLACE, f"{told.push.request.amount}.00").encode()


def _metadata(told: Told) -> dict[str, object]:
    if told.result_code != "0":
        return {}
    assert told.payment is not None
    items: list[dict[str, object]] = [
        {"Name": "Amount", "Value": "@amount@"},
        {"Name": "MpesaReceiptNumber", "Value": told.payment.receipt},
        {"Name": "Balance"},
        {"Name": "TransactionDate", "Value": int(told.payment.digits)},
        {"Name": "PhoneNumber", "Value": int(told.payment.phone)},
    ]
    return {"CallbackMetadata": {"Item": items}}
